"""Folders of normal and abnormal images and recordings: records, and one line for what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from d2ext.data.formats import load_mvtec_ad, load_trajectories

MASK = "ground_truth/crack/000_mask.png"


def _image(path: Path, height: int = 20, width: int = 30) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((height, width, 3), 90, np.uint8))


@pytest.fixture
def category(tmp_path: Path) -> Path:
    root = tmp_path / "bottle"
    for name in ("train/good/000.png", "train/good/001.png", "test/good/000.png", "test/crack/000.png"):
        _image(root / name)
    _image(root / MASK)
    (root / "test/crack/Thumbs.db").write_bytes(b"no image")
    return root


def test_mvtec_ad_records(category):
    train = load_mvtec_ad(category, "train")
    assert [(r["image_id"], r["label"], r["mask_file"]) for r in train] == [
        ("good/000", 0, None),
        ("good/001", 0, None),
    ]
    crack, good = load_mvtec_ad(category, "test")
    assert (crack["kind"], crack["label"], crack["height"], crack["width"]) == ("crack", 1, 20, 30)
    assert Path(crack["mask_file"]) == category / MASK
    assert (good["kind"], good["label"], good["mask_file"]) == ("good", 0, None)


def test_mvtec_ad_validation_split(category):
    _image(category / "validation/good/000.png")
    assert [r["label"] for r in load_mvtec_ad(category, "val")] == [0]


def _remove_mask(root: Path) -> None:
    (root / MASK).unlink()


def _other_size(root: Path) -> None:
    _image(root / MASK, 10, 30)


def _unreadable(name: str):
    return lambda root: (root / name).write_bytes(b"not an image")


def _cut_off(root: Path) -> None:
    path = root / "test/crack/000.png"
    path.write_bytes(path.read_bytes()[:-10])


@pytest.mark.parametrize(
    "damage, file, message",
    [
        (_remove_mask, MASK, "no mask for"),
        (_other_size, MASK, "size 30 x 20, got 30 x 10"),
        (_unreadable("test/crack/000.png"), "test/crack/000.png", "cannot be identified"),
        (_unreadable(MASK), MASK, "cannot be identified"),
        (_cut_off, "test/crack/000.png", "cut off"),
    ],
)  # fmt: skip
def test_mvtec_ad_faults_are_one_line_and_can_be_skipped(category, damage, file, message):
    damage(category)
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        load_mvtec_ad(category, "test")
    assert str(error.value).startswith(str(category / file)) and message in str(error.value)
    assert "\n" not in str(error.value)
    assert [r["kind"] for r in load_mvtec_ad(category, "test", skip_broken=True)] == ["good"]


def test_mvtec_ad_training_images_must_be_normal(category):
    _image(category / "train/crack/000.png")
    with pytest.raises(ValueError, match="train is of normal images"):
        load_mvtec_ad(category, "train")


def test_mvtec_ad_missing_or_empty_folders(category, tmp_path):
    with pytest.raises(FileNotFoundError, match="validation: no such folder"):
        load_mvtec_ad(category, "val")
    (tmp_path / "empty" / "train" / "good").mkdir(parents=True)
    with pytest.raises(ValueError, match="no usable image"):
        load_mvtec_ad(tmp_path / "empty", "train")


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    for name in ("train/a", "test/b", "test/c"):
        path = tmp_path / f"{name}.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_text("track_id,time,lane,position\n1,0,1,0\n1,1,1,10\n")
    anomaly = {"kind": "reversing", "tracks": [{"id": "1", "start": 0.2, "end": 0.8}]}
    (tmp_path / "test/c.json").write_text(json.dumps({"anomalies": [anomaly]}))
    return tmp_path


def test_trajectory_records(recordings):
    normal, abnormal = load_trajectories(recordings, "test")
    assert (normal["image_id"], normal["label"], normal["kind"], normal["anomalies"]) == ("b", 0, "good", [])
    assert (abnormal["label"], abnormal["kind"], abnormal["mask_file"]) == (1, "reversing", None)
    interval = abnormal["anomalies"][0].intervals[0]
    assert (interval.track_id, interval.start, interval.end) == ("1", 0.2, 0.8)
    assert normal["road_file"] is None
    (recordings / "road.json").write_text("{}")
    assert load_trajectories(recordings, "train")[0]["road_file"] == str(recordings / "road.json")


def test_no_anomaly_is_loaded_for_training(recordings):
    (recordings / "train/a.json").write_text((recordings / "test/c.json").read_text())
    with pytest.raises(ValueError, match="a.json: an anomaly in train"):
        load_trajectories(recordings, "train")


def _times(start, end) -> str:
    return f'{{"anomalies": [{{"kind": "a", "tracks": [{{"id": "1", "start": {start}, "end": {end}}}]}}]}}'


@pytest.mark.parametrize(
    "text, message",
    [
        ("{", "expected JSON"),
        ("{}", "field 'anomalies': expected list, got nothing"),
        ('{"anomalies": [{"kind": 3}]}', "anomaly 0: field 'kind': expected str, got 3"),
        ('{"anomalies": [{"kind": "a", "tracks": []}]}', "expected at least one vehicle"),
        ('{"anomalies": [{"kind": "a", "tracks": [{"id": "1", "start": "0"}]}]}', "field 'start'"),
        ('{"anomalies": [{"kind": "a", "tracks": [{"id": 1, "start": 0}]}]}', "field 'id': expected str"),
        (_times("NaN", 1), "NaN"),
        (_times(0, "Infinity"), "Infinity"),
        (_times(0, "1e999"), "field 'end': expected a finite number"),
        (_times(0, "9" * 5000), ""),
        (_times(9, 8.5), "anomaly 0: vehicle '1': end 8.5 s before start 9 s"),
    ],
)
def test_faults_of_a_label_file_are_one_line(recordings, text, message):
    (recordings / "test/c.json").write_text(text)
    with pytest.raises(ValueError) as error:
        load_trajectories(recordings, "test")
    assert str(error.value).startswith(str(recordings / "test/c.json")) and message in str(error.value)


def test_recordings_of_all_suffixes_but_no_metadata(recordings):
    for name in (
        "01_tracks.csv",
        "01_recordingMeta.csv",
        "01_tracksMeta.csv",
        "fcd.xml",
        "0001.txt",
        ".a.csv",
    ):
        (recordings / "test" / name).write_text("")
    names = [record["image_id"] for record in load_trajectories(recordings, "test")]
    assert names == ["0001", "01_tracks", "b", "c", "fcd"]
    (recordings / "test/b.txt").write_text("")
    with pytest.raises(ValueError, match="b.txt: there is .*b.csv too"):
        load_trajectories(recordings, "test")
    assert len(load_trajectories(recordings, "test", skip_broken=True)) == 5
