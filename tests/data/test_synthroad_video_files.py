"""Clips on disk: the same bytes by any number of processes, and files that say the same."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from detectron2.data import MetadataCatalog

from d2ext.data.formats import load_kitti_tracking, load_trajectories
from d2ext.data.formats.kitti import read_calib, read_ground
from d2ext.data.synthesis import check_complete
from d2ext.data.synthroad.__main__ import main
from d2ext.data.synthroad.video import Settings, generate_video
from d2ext.data.synthroad.video.generate import LONGEST
from d2ext.data.trajectories import check_labels, read_labels, read_road, read_tracks

SETTINGS = Settings(5, 2, 1.5, anomalies="stopped,good", width=64)
TRAINING = "kitti_tracking/training"


def digest(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("video") / "clips"
    assert generate_video(folder, SETTINGS, progress=False)
    return folder


def rows_of(root: Path, name: str) -> list[list[str]]:
    text = (root / TRAINING / "label_02" / f"{name}.txt").read_text()
    return [line.split() for line in text.splitlines()]


def test_same_bytes_with_two_workers_and_after_an_end_in_the_middle(root, tmp_path, monkeypatch):
    """Four of its 4 jobs' pictures are there twice: the first run ends after two jobs."""
    from d2ext.data.synthroad.video import generate as module

    made = []

    def until_third(base, settings, job):
        if len(made) == 1:
            raise KeyboardInterrupt
        made.append(job)
        return real(base, settings, job)

    real = module._make
    monkeypatch.setattr(module, "_make", until_third)
    with pytest.raises(KeyboardInterrupt):
        generate_video(tmp_path / "again", SETTINGS, progress=False)
    with pytest.raises(ValueError, match="not complete.*synthroad --video --root .* --clips 2"):
        check_complete(tmp_path / "again/kitti_tracking", ["synthroad_video"])
    monkeypatch.undo()
    generate_video(tmp_path / "again", SETTINGS, workers=2, progress=False)
    assert digest(tmp_path / "again") == digest(root)
    assert generate_video(tmp_path / "again", SETTINGS, progress=False) is False


def test_another_number_of_clips_and_other_pictures_change_no_recording(root, tmp_path):
    generate_video(
        tmp_path / "one", Settings(5, 1, 1.5, anomalies="stopped", width=64, tracks_only=True), progress=False
    )
    found = digest(tmp_path / "one")
    expected = digest(root)
    names = [f"trajectories/test/0000.{suffix}" for suffix in ("csv", "json")]
    assert {name: found[name] for name in names} == {name: expected[name] for name in names}
    assert set(found) == {*names, "synthroad_video.json"}


def test_layout_is_that_of_kitti_tracking(root):
    base = root / TRAINING
    for name in ("0000", "0001"):
        pictures = sorted(path.name for path in (base / "image_02" / name).iterdir())
        assert pictures == [f"{frame:06d}.jpg" for frame in range(15)]
        assert np.array(read_calib(base / "calib" / f"{name}.txt", (36, 64))).shape == (3, 4)
        assert read_ground(base / "denorm" / f"{name}.txt")[3] > 4
    assert not (base / ".parts").exists()


def test_a_video_file_shows_the_pictures(tmp_path):
    settings = Settings(5, 1, 1.0, anomalies="stopped", width=64, mp4=True)
    for name in ("one", "two"):
        generate_video(tmp_path / name, settings, progress=False)
    assert digest(tmp_path / "one") == digest(tmp_path / "two")
    base = tmp_path / "one" / TRAINING
    video = cv2.VideoCapture(str(base / "video/0000.mp4"))
    assert video.get(cv2.CAP_PROP_FPS) == 10
    for frame in range(10):
        found, image = video.read()
        picture = cv2.imread(str(base / f"image_02/0000/{frame:06d}.jpg"))
        assert found and np.abs(picture.astype(int) - image).mean() < 12
    assert not video.read()[0] and len(list((base / "video").iterdir())) == 1


def test_rows_are_those_of_kitti_tracking(root):
    for name in ("0000", "0001"):
        rows = rows_of(root, name)
        assert all(len(row) == 17 for row in rows)
        assert [int(row[0]) for row in rows] == sorted(int(row[0]) for row in rows)
        tracks = [row for row in rows if row[2] != "DontCare"]
        assert len({(row[0], row[1]) for row in tracks}) == len(tracks)
        kinds = {row[1]: row[2] for row in tracks}
        sizes = {row[1]: row[10:13] for row in tracks}
        assert all(row[2] == kinds[row[1]] and row[10:13] == sizes[row[1]] for row in tracks)
        assert {row[3] for row in tracks} <= {"0", "1", "2"} and {row[4] for row in tracks} <= set("0123")
        for row in rows:
            x1, y1, x2, y2 = map(float, row[6:10])
            assert 0 <= x1 < x2 <= 63 and 0 <= y1 < y2 <= 35


def test_recordings_and_tracks_agree_through_the_roads_transform(root):
    """A label's place, taken to the road and to its lanes, is the recording's lane and position."""
    for name in ("0000", "0001"):
        road = read_road(root / TRAINING / "road" / f"{name}.json")
        recorded = read_tracks(root / "trajectories/test" / f"{name}.csv")
        compared = 0
        for row in rows_of(root, name):
            own = recorded.of(row[1])
            now = np.abs(own.time - int(row[0]) / 10) < 1e-6
            if not now.any():
                continue
            place = road.camera_to_road @ [*map(float, row[13:16]), 1.0]
            assert abs(place[2]) < 1e-4
            lane, position, on_road = road.project(place[:1], place[1:2])
            assert on_road[0] and abs(position[0] - own.position[now][0]) < 0.02
            compared += lane[0] == own.lane[now][0]
        assert compared > 10


def test_events_name_vehicles_of_the_recording(root):
    events = read_labels(root / TRAINING / "events/0000.json")
    assert [event.kind for event in events] == ["stopped"]
    assert events == read_labels(root / "trajectories/test/0000.json")
    check_labels(events, read_tracks(root / "trajectories/test/0000.csv"), "events")
    (item,) = json.loads((root / TRAINING / "events/0000.json").read_text())["anomalies"]
    own = read_tracks(root / "trajectories/test/0000.csv").of(item["tracks"][0]["id"])
    during = (own.time >= item["start"]) & (own.time <= item["end"])
    assert own.position[during].min() == pytest.approx(item["place"]["from"], abs=0.011)
    assert own.lane[during][0] == item["place"]["lane"]
    assert json.loads((root / TRAINING / "events/0001.json").read_text())["anomalies"] == []


def test_recordings_are_a_dataset(root):
    assert [record["kind"] for record in load_trajectories(root / "trajectories", "test")] == [
        "stopped",
        "good",
    ]


def test_pictures_are_a_dataset(root):
    """Registered as a generator's: its boxes stand on the road, unlike KITTI's."""
    records = load_kitti_tracking(root / "kitti_tracking", "train")
    assert [record["image_id"] for record in records][::15] == ["0000/000000", "0001/000000"]
    rows = [row for name in ("0000", "0001") for row in rows_of(root, name) if row[2] != "DontCare"]
    assert sum(len(record["annotations"]) for record in records) == len(rows)
    assert all("level_boxes" not in record and record["ground_plane"] for record in records)
    metadata = MetadataCatalog.get("synthroad_video_kitti_tracking_train")
    assert metadata.evaluator_type == "rope3d" and not metadata.level_boxes


def test_normal_traffic_is_for_training():
    assert Settings(0, 3, anomalies="none").split == Settings(0, 3, anomalies="0").split == "train"
    assert Settings(0, 4, anomalies="0.5").kinds == ["good", "stopped", "good", "reversing"]
    assert Settings(0, 3, anomalies="weaving,good").kinds == ["weaving", "good", "weaving"]


@pytest.mark.parametrize(
    "options, message",
    [
        (["--clips", "0"], "whole number of at least 1"),
        (["--seconds", "0.5"], "at least 1"),
        (["--seconds", "999"], f"seconds must be from 1 to {LONGEST}"),
        (["--camera", "kitti"], "camera must be one of rope3d, dair"),
        (["--anomalies", "1.5"], "share from 0 to 1"),
        (["--anomalies", "stopped,flying"], "got 'flying'"),
        (["--width", "9"], "width must be from 64"),
        (["--background", "x", "--calib", "a", "--ground", "b"], "--background does not go with --video"),
        (["--mp4", "--tracks-only"], "tracks_only goes without mp4"),
        (["--cameras", "wide"], "--cameras does not go with --video"),
    ],
)
def test_wrong_options_are_one_line(options, message, tmp_path, capsys):
    command = ["--video", "--root", str(tmp_path / "x"), "--seed", "1", *options]
    try:
        assert main(command) == 2
    except SystemExit as stop:
        assert stop.code == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1 and message in error[0] and len(error[0]) < 300
    assert not (tmp_path / "x").exists()


def test_options_of_clips_need_the_flag(capsys):
    with pytest.raises(SystemExit):
        main(["--root", "x", "--seed", "1", "--clips", "3"])
    assert "--clips is for --video" in capsys.readouterr().err
