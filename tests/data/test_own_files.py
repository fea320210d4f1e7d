"""Files that people bring, registered by one call each, train detectors: unknown names, no camera, no 3D."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from detectron2.config import CfgNode, get_cfg
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.modeling import build_model
from object_files import coco, odvg, omni3d, write_json

from d2ext.data import (
    DetectionMapper,
    build_detection_train_loader,
    register_coco,
    register_lvis,
    register_odvg,
    register_omni3d,
)
from d2ext.data.config import add_detection_data_config
from d2ext.modeling import add_detection3d_config
from d2ext.modeling.box3d.config import class_names, settle_classes, vocabulary_of
from d2ext.modeling.box3d.head import Box3DHead
from d2ext.structures.vocabulary import ROAD, Vocabulary
from tests.modeling.detection.test_detection3d import SMALL as DETECTOR

NAME = "brought_for_test"
SMALL = DETECTOR | {
    "MODEL.BACKBONE.NAME": "build_timm_ida_backbone",
    "MODEL.DETECTION3D.NUM_BOXES": 12,
    "INPUT.SIZE": (64, 96),
    "SOLVER.IMS_PER_BATCH": 2,
    "DATALOADER.NUM_WORKERS": 0,
}
#: Outputs of the box head that only a 3D label can teach.
SOLID = (
    "center_offset", "base_offset", "size", "angle_bin", "angle_residual", "log_depth", "log_pixel_height",
    "log_told_depth", "depth_log_scales",
)  # fmt: skip


@pytest.fixture
def name() -> Iterator[str]:
    yield NAME
    DatasetCatalog.remove(NAME)
    MetadataCatalog.remove(NAME)


@pytest.fixture
def cfg() -> CfgNode:
    cfg = get_cfg()
    add_detection_data_config(cfg)
    add_detection3d_config(cfg)
    cfg.MODEL.META_ARCHITECTURE = "DiffusionDet3D"
    for key, value in SMALL.items():
        cfg.merge_from_list([key, value])
    cfg.DATASETS.TRAIN = (NAME,)
    cfg.SEED = 1
    return cfg


def test_a_file_need_not_be_there_before_its_dataset_is_used(name, tmp_path):
    register_coco(name, tmp_path / "a.json", tmp_path, note="x")
    metadata = MetadataCatalog.get(name)
    assert metadata.evaluator_type == "coco" and metadata.note == "x"
    with pytest.raises(FileNotFoundError, match="a.json: no such file"):
        DatasetCatalog.get(name)
    write_json(tmp_path / "a.json", coco(tmp_path))
    assert Vocabulary.of_metadata(metadata).names == ("car", "tipper truck", "zebra")
    first, again = DatasetCatalog.get(name), DatasetCatalog.get(name)
    assert first == again and len(first) == 2
    assert metadata.thing_classes == ["car", "tipper truck", "zebra"]


def test_the_classes_of_a_file_are_those_of_a_model(name, cfg, tmp_path):
    register_coco(name, write_json(tmp_path / "a.json", coco(tmp_path)), tmp_path)
    settled = settle_classes(cfg)
    assert settled.MODEL.CLASSES == class_names(cfg) == ["car", "tipper truck", "zebra"]
    assert vocabulary_of(cfg).sizes["car"] == ROAD.sizes["car"]  # the others have no 3D box to measure


def test_a_file_of_unknown_names_without_calibration_trains_the_2d_part_only(name, cfg, tmp_path):
    register_coco(name, write_json(tmp_path / "a.json", coco(tmp_path)), tmp_path)
    torch.manual_seed(0)
    model = build_model(cfg).train()
    records = next(iter(build_detection_train_loader(cfg)))
    assert len(records) == 2 and all(len(r["instances"]) for r in records)
    assert not any(r["instances"].gt_has_3d.any() for r in records)
    assert all(r["ground_plane"] is None and r["camera"].fx > 0 for r in records)
    losses = model(records)
    assert all(torch.isfinite(value) for value in losses.values())
    zero = {key for key, value in losses.items() if value.item() == 0.0}
    assert zero == {"loss_center", "loss_size", "loss_angle", "loss_depth"}
    sum(losses.values()).backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    heads = [module for module in model.modules() if isinstance(module, Box3DHead)]
    assert heads
    for head in heads:
        start = 0
        for part, width in head.parts.items():
            rows = head.out.weight.grad[start : start + width]
            assert (rows.abs().sum() == 0) == (part in SOLID), part
            start += width


def test_objects_with_and_without_3d_boxes_train_together(name, cfg, tmp_path):
    register_omni3d(name, write_json(tmp_path / "a.json", omni3d(tmp_path)), tmp_path)
    cfg.INPUT.SCALE_RANGE, cfg.INPUT.CROP_SHIFT, cfg.INPUT.FLIP_PROB = (1.0, 1.0), 0.0, 0.0
    torch.manual_seed(0)
    model = build_model(cfg).train()
    records = next(iter(build_detection_train_loader(cfg)))
    assert records[0]["instances"].gt_has_3d.tolist() == [True, False]
    assert records[0]["level_boxes"] and len(records[0]["instances"].gt_boxes3d) == 2
    losses = model(records)
    assert all(torch.isfinite(value) and value > 0 for value in losses.values())


def test_classes_asked_for_are_the_dataset_s(name, tmp_path):
    wanted = Vocabulary(("zebra", "truck"), aliases={"tipper truck": "truck"})
    register_lvis(name, write_json(tmp_path / "a.json", coco(tmp_path)), tmp_path, classes=wanted)
    metadata = MetadataCatalog.get(name)
    assert metadata.thing_classes == ["zebra", "truck"] and metadata.evaluator_type == "lvis"
    records = DatasetCatalog.get(name)
    assert [[a["category_id"] for a in r["annotations"]] for r in records] == [[0], [1]]
    assert records[0]["neg_category_ids"] == []


def test_phrases_and_label_maps(name, tmp_path):
    path = write_json(tmp_path / "a.jsonl", odvg(tmp_path))
    labels = write_json(tmp_path / "labels.json", {"0": "wagon", "1": "horse"})
    register_odvg(name, path, tmp_path, label_map=labels, fov=90)
    records = DatasetCatalog.get(name)
    assert MetadataCatalog.get(name).thing_classes == ["wagon", "horse", "object"]
    assert records[1]["annotations"][2]["phrases"] == ["a yellow tipper truck"]
    assert records[0]["camera"][0][0] == pytest.approx(48)


def test_broken_entries_raise_unless_the_environment_says_otherwise(name, tmp_path, monkeypatch):
    content = coco(tmp_path)
    content["annotations"][0]["bbox"] = [1, 2, 3, float("nan")]
    register_coco(name, write_json(tmp_path / "a.json", content), tmp_path)
    with pytest.raises(ValueError, match=r"annotations\[0\]: field 'bbox'"):
        DatasetCatalog.get(name)
    monkeypatch.setenv("D2EXT_SKIP_BROKEN", "1")
    assert [len(r["annotations"]) for r in DatasetCatalog.get(name)] == [1, 1]


def test_an_image_of_another_size_than_its_file_says_is_named(name, cfg, tmp_path):
    content = coco(tmp_path)
    content["images"][0]["width"] = 95
    register_coco(name, write_json(tmp_path / "a.json", content), tmp_path)
    with pytest.raises(ValueError, match="a.jpg: expected 95x64 pixels, got 96x64"):
        DetectionMapper(cfg, False)(DatasetCatalog.get(name)[0])


def test_records_are_what_json_can_hold(name, tmp_path):
    register_omni3d(name, write_json(tmp_path / "a.json", omni3d(tmp_path)), tmp_path)
    (record,) = DatasetCatalog.get(name)
    assert json.loads(json.dumps(record)) == record
    assert not any(isinstance(a["yaw"], np.generic) for a in record["annotations"])
