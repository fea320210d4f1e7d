from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog

from d2ext.data.builtin import register_all, register_dataset
from d2ext.structures.vocabulary import ROAD

NAMES = [
    *(f"mono3drefer_{s}" for s in ("train", "val", "test")),
    *(f"monomulti3d_{s}" for s in ("train", "test")),
    *(f"rope3d_{s}" for s in ("train", "val")),
    *(f"kitti_{s}" for s in ("train", "val")),
    *(f"dair_v2x_i_{s}" for s in ("train", "val")),
    *(f"synthroad_mono3drefer_{s}" for s in ("train", "val", "test")),
    *(f"synthroad_monomulti3d_{s}" for s in ("train", "val", "test")),
    *(f"synthroad_rope3d_{s}" for s in ("train", "val", "test")),
]


ANOMALY_NAMES = [
    *(f"trajectories_{s}" for s in ("train", "val", "test")),
    *(f"mvtec_ad/{category}_{s}" for category in ("bottle", "zipper") for s in ("train", "test")),
    *(f"synthroad_video_trajectories_{s}" for s in ("train", "test")),
    *(f"synthtraffic_trajectories_{s}" for s in ("train", "val", "test")),
    *(f"synthtraffic_mvtec_ad/arterial_{s}" for s in ("train", "val", "test")),
]


@pytest.fixture
def name():
    yield "synthroad_dataset_for_test"
    DatasetCatalog.remove("synthroad_dataset_for_test")
    MetadataCatalog.remove("synthroad_dataset_for_test")


@pytest.mark.parametrize("name", NAMES)
def test_registered_names(name):
    assert name in DatasetCatalog
    metadata = MetadataCatalog.get(name)
    assert metadata.thing_classes == list(ROAD.names)
    assert name.endswith(f"{Path(metadata.dataset_root).name}_{metadata.split}")
    assert metadata.evaluator_type == ("rope3d" if "dair" in name else Path(metadata.dataset_root).name)
    assert ("synthroad" in metadata.dataset_root) == name.startswith("synthroad")


def test_a_folder_that_a_generator_has_written_gives_its_name(tmp_path):
    (tmp_path / "yard").mkdir()
    (tmp_path / "yard/synthroad.json").write_text("{}")
    register_all(tmp_path)
    try:
        metadata = MetadataCatalog.get("yard_rope3d_val")
        assert Path(metadata.dataset_root) == tmp_path / "yard/rope3d" and metadata.split == "val"
        assert "yard_trajectories_train" not in DatasetCatalog  # that is what another generator writes
    finally:
        for name in [n for n in DatasetCatalog if n.startswith("yard_")]:
            DatasetCatalog.remove(name)
            MetadataCatalog.remove(name)


@pytest.mark.parametrize("name", ANOMALY_NAMES)
def test_registered_names_of_anomaly_datasets(name):
    metadata = MetadataCatalog.get(name)
    assert name in DatasetCatalog and name.endswith(f"_{metadata.split}")
    assert metadata.evaluator_type == ("mvtec_ad" if "mvtec_ad" in name else "trajectories")
    assert metadata.dataset_root.endswith(
        name.removesuffix(f"_{metadata.split}").replace("synthtraffic_", "").replace("synthroad_video_", "")
    )
    assert ("synthtraffic" in metadata.dataset_root) == name.startswith("synthtraffic")


def test_a_folder_in_the_mvtec_ad_layout_is_a_category(tmp_path):
    for part in ("train", "test"):
        (tmp_path / "mvtec_ad" / "own_part" / part / "good").mkdir(parents=True)
    register_all(tmp_path)
    try:
        assert MetadataCatalog.get("mvtec_ad/own_part_test").dataset_root.endswith("mvtec_ad/own_part")
    finally:
        for split in ("train", "test"):
            DatasetCatalog.remove(f"mvtec_ad/own_part_{split}")
            MetadataCatalog.remove(f"mvtec_ad/own_part_{split}")


def test_own_categories_have_the_splits_that_are_there(tmp_path):
    for part in ("train", "validation", "test"):
        (tmp_path / "mvtec_ad" / "own_part" / part / "good").mkdir(parents=True)
    (tmp_path / "visa/own_candle/Data").mkdir(parents=True)
    names = [f"mvtec_ad/own_part_{s}" for s in ("train", "val", "test")]
    names += [f"visa/own_candle_{s}" for s in ("train", "test")]
    register_all(tmp_path)
    try:
        assert all(MetadataCatalog.get(name).evaluator_type == "mvtec_ad" for name in names)
        assert set(names) <= set(DatasetCatalog.list())
    finally:
        for name in names:
            DatasetCatalog.remove(name)
            MetadataCatalog.remove(name)


def test_categories_of_any_folder_are_read_as_what_they_are(tmp_path):
    """VisA as its authors convert it has MVTec AD's layout; a folder without train/good is no category."""
    for folder in ("mvtec_loco/juice", "visa/converted"):
        for part in ("train", "test"):
            path = tmp_path / folder / part / "good/0.png"
            path.parent.mkdir(parents=True)
            cv2.imwrite(str(path), np.zeros((4, 5, 3), np.uint8))
    (tmp_path / "photos/holiday/train").mkdir(parents=True)
    register_all(tmp_path)
    names = [f"{x}_{split}" for x in ("mvtec_loco/juice", "visa/converted") for split in ("train", "test")]
    try:
        for name in names:
            (record,) = DatasetCatalog.get(name)
            assert record["image_id"] == "good/0" and MetadataCatalog.get(name).evaluator_type == "mvtec_ad"
        assert not [name for name in DatasetCatalog.list() if name.startswith("photos")]
    finally:
        for name in names:
            DatasetCatalog.remove(name)
            MetadataCatalog.remove(name)


def test_missing_root_says_where_it_looked_and_what_to_do(name, tmp_path):
    register_dataset(name, "rope3d", tmp_path / "nowhere", "train")
    with pytest.raises(FileNotFoundError) as error:
        DatasetCatalog.get(name)
    message = str(error.value)
    assert str(tmp_path / "nowhere") in message and "DETECTRON2_DATASETS" in message
    assert "python -m d2ext.data.synthroad --root DIR" in message and "\n" not in message


@pytest.mark.parametrize("below", [".", "rope3d", "mvtec_ad/arterial"])
def test_a_part_of_a_generated_dataset_is_refused(name, tmp_path, below):
    root = tmp_path / "generated" / below
    root.mkdir(parents=True)
    settings = {"seed": 3, "num_train": 4, "num_val": 1, "num_test": 5, "language": "zh", "version": 1}
    (tmp_path / "generated/synthroad.json").write_text(json.dumps({**settings, "complete": False}))
    register_dataset(name, "rope3d", root, "train")
    with pytest.raises(ValueError, match="not complete") as error:
        DatasetCatalog.get(name)
    message = str(error.value)
    command = message[message.index("python -m") :]
    assert command == (
        f"python -m d2ext.data.synthroad --root {tmp_path / 'generated'} "
        "--seed 3 --train 4 --val 1 --test 5 --language zh"
    )
    (tmp_path / "generated/synthroad.json").write_text(json.dumps({**settings, "complete": True}))
    with pytest.raises(FileNotFoundError, match="train.txt"):
        DatasetCatalog.get(name)


def test_skip_broken_comes_from_the_environment(name, mono3drefer, monkeypatch):
    register_dataset(name, "mono3drefer", mono3drefer, "test")
    path = mono3drefer / "Mono3DRefer.json"
    items = json.loads(path.read_text())
    image = (mono3drefer / "Mono3DRefer_test_image.txt").read_text().split()[0]
    next(item for item in items if item["im_name"] == image)["description"] = ""
    path.write_text(json.dumps(items))
    with pytest.raises(ValueError, match="expected a sentence, got an empty one"):
        DatasetCatalog.get(name)
    monkeypatch.setenv("D2EXT_SKIP_BROKEN", "1")
    (record,) = DatasetCatalog.get(name)
    assert len(record["sentences"]) == sum(item["im_name"] == image for item in items) - 1
