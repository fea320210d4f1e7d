"""The commands, and the figures of runs whose truth is known."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from project_scripts import ROOT, call_script, load_script
from small_road import FRAMES

from d2ext.data.image_io import read_image
from d2ext.projects.road_watch.figures import Clip, Measured, speed_errors

CONFIG = ROOT / "configs/RoadWatch/road_watch_synthroad.yaml"


@pytest.fixture
def clips(place, pictures, tmp_path) -> Path:
    """The tiny road as a clip of ``synthroad --video``."""
    root = tmp_path / "clips"
    base, files = root / "kitti_tracking/training", place.road.parent
    shutil.copytree(pictures, base / "image_02/0000")
    for kind, name in (("calib", "calib.txt"), ("denorm", "denorm.txt"), ("label_02", "labels.txt")):
        (base / kind).mkdir()
        shutil.copy(files / name, base / kind / "0000.txt")
    (base / "road").mkdir()
    shutil.copy(files / "road.json", base / "road/0000.json")
    rows = ["track_id,time,lane,position,speed"]
    for f in range(FRAMES):
        t = f / 10
        rows.append(f"1,{t:.3f},1,{5 + 8 * t:.2f},8.00")
        rows.append(f"2,{t:.3f},2,35.00,0.00")
        if t >= 3:
            rows.append(f"3,{t:.3f},1,{85 - 7 * (t - 3):.2f},-7.00")
    (root / "trajectories/test").mkdir(parents=True)
    (root / "trajectories/test/0000.csv").write_text("\n".join(rows) + "\n")
    wrong = {"kind": "wrong_way", "tracks": [{"id": "3", "start": 3.0, "end": 7.9}]}
    (root / "trajectories/test/0000.json").write_text(json.dumps({"anomalies": [wrong]}))
    return root


def test_figures_of_labels_are_nearly_perfect(clips, tmp_path, capsys):
    script = load_script("evaluate", "RoadWatch")
    arguments = ("--config-file", CONFIG, "--clips", clips, "--output", tmp_path / "out", "--ways", "labels")
    for _ in range(2):  # the second time nothing is run again
        assert call_script(script, *arguments) == 0
    figures = json.loads((tmp_path / "out/figures.json").read_text())["labels"]
    assert figures["HOTA"] > 90 and figures["IDF1"] > 95 and figures["IDSW"] == 0
    assert figures["speed MAE"] < 0.2 and figures["count error"] == 0
    assert figures["recall"] == figures["right kind"] == 100 and figures["delay"] < 1.0
    assert figures["false an hour"] is None  # there is no normal clip


def test_events_are_right_by_their_time(clips):
    def alarm(number: int, kind: str, start: float, end: float) -> list[dict]:
        row = {"id": number, "kind": kind, "start": start, "raised": start + 0.5, "end": end}
        return [row | {"state": "raised", "end": None}, row | {"state": "over"}]

    measured = Measured()
    rows = [*alarm(1, "abnormal", 2.5, 4.0), *alarm(2, "stopped", 0.0, 0.9), *alarm(3, "wrong_way", 9.0, 9.5)]
    measured.add_events(rows, Clip(clips, "0000"), 8.0)
    assert (measured.hits, measured.missed, measured.false, measured.right_kind) == (1, 0, 1, 1)
    assert measured.delays == [0.0]  # raised at its start
    (clips / "trajectories/test/0000.json").write_text('{"anomalies": []}')
    measured.add_events(rows, Clip(clips, "0000"), 8.0)
    assert measured.false_normal == 3 and measured.normal_seconds == 8.0
    assert (measured.hits, measured.false) == (1, 4)


def test_speeds_are_compared_with_the_nearest_vehicle_of_the_lane(clips):
    from d2ext.data.trajectories import read_tracks

    truth = read_tracks(Clip(clips, "0000").recording())
    rows = [
        ["9", "1.000", "1", "13.9", "7.5"],  # 0.9 m before one of 8 m/s
        ["9", "1.000", "2", "13.9", "7.5"],  # nobody is near in this lane
        ["9", "1.050", "1", "13.9", "7.5"],  # no such moment
    ]
    assert speed_errors(truth, rows) == [pytest.approx(0.5)]


def test_watching_by_command(clips, tmp_path, capsys):
    base = clips / "kitti_tracking/training"
    script = load_script("watch", "RoadWatch")
    out = tmp_path / "out"
    arguments = [
        "--config-file", CONFIG, "--input", base / "image_02/0000", "--calib", base / "calib/0000.txt",
        "--ground", base / "denorm/0000.txt", "--road", base / "road/0000.json", "--output", out,
        "--labels", base / "label_02/0000.txt", "--fps", 5,
    ]  # fmt: skip
    assert call_script(script, *arguments, "--max-frames", 10) == 0
    assert "10 pictures" in capsys.readouterr().out
    shutil.rmtree(out)
    assert call_script(script, *arguments) == 0
    assert f"{FRAMES // 2} pictures" in capsys.readouterr().out
    assert (out / "video/00000000.mp4").stat().st_size > 0
    times = {line.split(",")[1] for line in (out / "tracks.csv").read_text().splitlines()[1:]}
    assert np.allclose(np.diff(sorted(map(float, times))), 0.2)


def test_without_lanes_there_are_tracks_and_from_them_the_lanes(clips, tmp_path, capsys):
    base, out, road = clips / "kitti_tracking/training", tmp_path / "out", tmp_path / "road.json"
    camera = ["--calib", base / "calib/0000.txt", "--ground", base / "denorm/0000.txt"]
    arguments = [
        "--config-file", ROOT / "configs/RoadWatch/road_watch.yaml", "--input", base / "image_02/0000",
        *camera, "--labels", base / "label_02/0000.txt", "--output", out,
    ]  # fmt: skip
    assert call_script(load_script("watch", "RoadWatch"), *arguments) == 0
    assert f"{FRAMES} pictures" in capsys.readouterr().out
    tracks, rows = out / "boxes.txt", (out / "tracks.csv").read_text().splitlines()
    assert len(rows) == 1 and (out / "events.jsonl").read_text() == ""
    assert {line.split()[1] for line in tracks.read_text().splitlines()} == {"1", "2", "3"}
    arguments = ["--tracks", tracks, *camera, "--image", base / "image_02/0000/000000.png", "--output", road]
    arguments += ["--least-vehicles", 1]
    assert call_script(load_script("find_lanes", "RoadWatch"), *arguments) == 0
    # Vehicle 1 goes ahead at x = 0, where 3 comes; 2 stands.
    lanes = [np.array(line) for line in json.loads(road.read_text())["lanes"].values()]
    assert sorted((round(line[:, 0].mean(), 1), np.sign(line[-1, 1] - line[0, 1])) for line in lanes) == [
        (0.0, -1.0), (0.0, 1.0)
    ]  # fmt: skip
    assert np.ptp(read_image(road.with_suffix(".jpg"))) > 100


@pytest.mark.parametrize(
    "change, message",
    [
        (["--classes", "cars"], "--classes cars: expected names of car"),
        (["--least-vehicles", 9], "no lane with 9 over 15 m"),
        (["--height", 5], "--height"),
        (["--tracks", "nowhere.txt"], "nowhere.txt"),
    ],
)
def test_lanes_that_cannot_be_found_are_one_line(clips, tmp_path, capsys, change, message):
    base = clips / "kitti_tracking/training"
    arguments = ["--tracks", base / "label_02/0000.txt", "--ground", base / "denorm/0000.txt"]
    script = load_script("find_lanes", "RoadWatch")
    assert call_script(script, *arguments, "--output", tmp_path / "road.json", *change) != 0
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert message in error and len(error) < 300 and not (tmp_path / "road.json").exists()


@pytest.mark.parametrize(
    "change, message",
    [
        ({"--road": None}, "expected --road with it"),  # its model is of lanes
        ({"--input": "nowhere.mp4"}, "nowhere.mp4: no such video"),
        ({"--ground": None}, "ground plane: expected --ground"),
        ({"--labels": None}, "weights"),
    ],
)
def test_wrong_input_is_one_line(clips, tmp_path, capsys, change, message):
    base = clips / "kitti_tracking/training"
    arguments = {
        "--config-file": CONFIG, "--input": base / "image_02/0000", "--calib": base / "calib/0000.txt",
        "--ground": base / "denorm/0000.txt", "--road": base / "road/0000.json",
        "--labels": base / "label_02/0000.txt", "--output": tmp_path / "out",
    }  # fmt: skip
    words = [w for pair in (arguments | change).items() if pair[1] is not None for w in pair]
    opts = ["--opts", "ROAD_WATCH.DETECTOR.WEIGHTS", "nowhere/weights.pth"]
    assert call_script(load_script("watch", "RoadWatch"), *words, *opts) != 0
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert message in error and len(error) < 300
