"""Folders of normal and abnormal images and recordings: records, and one line for what is wrong."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from detectron2.data import MetadataCatalog

from d2ext.data.anomaly_mapper import AnomalyMapper
from d2ext.data.formats import load_mvtec_ad, load_trajectories, load_visa
from d2ext.data.image_io import read_mask
from d2ext.engine import load_config
from d2ext.evaluation.anomaly import AnomalyEvaluator
from d2ext.projects.trajad import add_trajad_config

CONFIG = Path(__file__).resolve().parents[2] / "configs/TrajAD/trajad_synthtraffic.yaml"
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


@pytest.mark.parametrize("name", ["000_mask.PNG", "000.png", "000.bmp", "000_mask.tif"])
def test_masks_under_other_names(category, name):
    (category / MASK).unlink()
    _image(category / "ground_truth/crack" / name)
    crack, _ = load_mvtec_ad(category, "test")
    assert Path(crack["mask_file"]) == category / "ground_truth/crack" / name
    assert read_mask(crack["mask_file"]).all()


def test_several_masks_of_one_image_are_put_together(category):
    (category / MASK).unlink()
    for i in range(2):
        path = category / f"ground_truth/crack/000/{i:03d}.png"
        path.parent.mkdir(exist_ok=True)
        mask = np.zeros((20, 30), np.uint8)
        mask[i * 7] = 250 + i
        cv2.imwrite(str(path), mask)
    crack, _ = load_mvtec_ad(category, "test")
    marked = read_mask(crack["mask_file"])
    assert marked.sum() == 60 and marked[[0, 7]].all()
    _image(path, 9, 30)
    with pytest.raises(
        ValueError, match="000/001.png: expected a mask of the image's size 30 x 20, got 30 x 9"
    ):
        load_mvtec_ad(category, "test")


def test_a_category_without_masks_has_no_pixel_figures(category):
    shutil.rmtree(category / "ground_truth")
    records = load_mvtec_ad(category, "test")
    assert [(r["label"], r["mask_file"]) for r in records] == [(1, None), (0, None)]
    cfg = load_config(add_trajad_config, str(CONFIG), ["INPUT.SIZE", "(8, 8)"])
    mapped = [AnomalyMapper(cfg, False)(record) for record in records]
    assert mapped[0]["mask"] is None and not mapped[1]["mask"].any()
    MetadataCatalog.get("without_masks").evaluator_type = "mvtec_ad"
    evaluator = AnomalyEvaluator("without_masks")
    evaluator.reset()
    scores = [2.0, 1.0]
    evaluator.process(mapped, [{"anomaly_map": torch.full((8, 8), s), "score": s} for s in scores])
    MetadataCatalog.remove("without_masks")
    overall = {key.rpartition("/")[2]: value for key, value in evaluator.evaluate()["anomaly"].items()}
    assert overall["image AUROC"] == overall["F1"] == 100
    assert not {"pixel AUROC", "AUPRO"} & overall.keys()


def test_images_that_differ_in_their_suffix_only_have_ids_of_their_own(category):
    _image(category / "test/good/000.TIF")
    assert [r["image_id"] for r in load_mvtec_ad(category, "test")][1:] == ["good/000.TIF", "good/000.png"]


@pytest.fixture
def visa(tmp_path: Path) -> Path:
    rows = ["object,split,label,image,mask"]
    for split, label, name in (
        ("train", "normal", "Normal/0000.JPG"),
        ("test", "normal", "Normal/0001.JPG"),
        ("test", "anomaly", "Anomaly/000.JPG"),
    ):
        _image(tmp_path / "candle/Data/Images" / name)
        mask = f"candle/Data/Masks/{name[:-4]}.png" if label == "anomaly" else ""
        if mask:
            (tmp_path / mask).parent.mkdir(parents=True)
            cv2.imwrite(str(tmp_path / mask), np.eye(20, 30, dtype=np.uint8))
        rows.append(f"candle,{split},{label},candle/Data/Images/{name},{mask}")
    rows.append("pcb1,test,normal,nothing.JPG,")
    (tmp_path / "split_csv").mkdir()
    (tmp_path / "split_csv/1cls.csv").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(rows).encode())
    return tmp_path / "candle"


def test_visa_records(visa):
    (train,) = load_visa(visa, "train")
    good, bad = load_visa(visa, "test")
    assert [(r["image_id"], r["label"]) for r in (train, good, bad)] == [
        ("good/0000", 0),
        ("good/0001", 0),
        ("anomaly/000", 1),
    ]
    assert train["mask_file"] is None and read_mask(bad["mask_file"]).sum() == 20


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("mask\r", "masks\r", "expected the columns object, split, label, image, mask, 'mask' is missing"),
        (",anomaly,", ",broken,", ":4: column 'label': expected normal or anomaly, got 'broken'"),
        ("candle/Data/Images/Anomaly", "../x", ":4: column 'image': expected a path below"),
        ("Masks/Anomaly/000", "none", "none.png: no such image file"),
        ("train,normal", "train,anomaly", ":2: an anomaly in train"),
    ],
)
def test_visa_faults_are_one_line(visa, old, new, message):
    table = visa.parent / "split_csv/1cls.csv"
    table.write_bytes(table.read_bytes().replace(old.encode(), new.encode()))
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        load_visa(visa, "train" if "train" in new else "test")
    assert message in str(error.value) and "\n" not in str(error.value)


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
        (_times(0, "1e999"), "1e999 is beyond every number"),
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
