"""Images whose boxes are level and whose ground is not known have the ground of INPUT.DEFAULT_GROUND."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from detectron2.config import get_cfg
from detectron2.data import DatasetCatalog, MetadataCatalog

from d2ext.data import build_detection_test_loader, register_dataset
from d2ext.data.box_plane import settle_box_plane
from d2ext.data.image_record import image_record
from d2ext.data.mapper import DetectionMapper
from d2ext.engine import load_config
from d2ext.projects.diffusion_det3d import add_diffusion_det3d_config
from d2ext.structures import Camera

KITTI = [0.0, -1.0, 0.0, 1.65]
OWN = [0.0, -0.8, -0.6, 6.0]
LABEL = "Car 0.00 0 0.10 60.00 40.00 100.00 70.00 1.50 1.70 4.00 0.00 1.65 20.00 0.10\n"


@pytest.fixture
def cfg() -> Any:
    cfg = get_cfg()
    add_diffusion_det3d_config(cfg)
    cfg.INPUT.SIZE, cfg.DATALOADER.NUM_WORKERS = [96, 160], 0
    return cfg


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """KITTI's layout: of two frames the second has a plane."""
    for name in ("image_2", "label_2", "calib", "planes"):
        (tmp_path / "training" / name).mkdir(parents=True)
    for name in ("a", "b"):
        cv2.imwrite(str(tmp_path / f"training/image_2/{name}.png"), np.full((96, 160, 3), 90, np.uint8))
        (tmp_path / f"training/label_2/{name}.txt").write_text(LABEL)
        (tmp_path / f"training/calib/{name}.txt").write_text("P2: 150 0 80 0 0 150 48 0 0 0 1 0\n")
    (tmp_path / "training/planes/b.txt").write_text("# Plane\nWidth 4\nHeight 1\n0 -0.8 -0.6 6\n")
    (tmp_path / "ImageSets").mkdir()
    (tmp_path / "ImageSets/val.txt").write_text("a\nb\n")
    return tmp_path


@pytest.mark.parametrize(
    ("values", "expected"), [(None, KITTI), ((0, -2, 0, 3.0), [0.0, -1.0, 0.0, 1.5]), ((), None)]
)
def test_a_dataset_without_planes_has_it_and_one_with_planes_its_own(root, cfg, values, expected):
    cfg.INPUT.DEFAULT_GROUND = cfg.INPUT.DEFAULT_GROUND if values is None else values
    register_dataset("default_ground_kitti", "kitti", root, "val")
    try:
        (a,), (b,) = build_detection_test_loader(cfg, "default_ground_kitti")
    finally:
        DatasetCatalog.remove("default_ground_kitti")
        MetadataCatalog.remove("default_ground_kitti")
    found = a["ground_plane"]
    assert found is None if expected is None else found.tolist() == pytest.approx(expected)
    assert b["ground_plane"].tolist() == pytest.approx(OWN)
    assert a["box_plane"] is None and b["box_plane"] is None  # KITTI's boxes are level whatever the ground


def record(root: Path, **more: Any) -> dict[str, Any]:
    car = {"id": 0, "category_id": 0, "has_3d": True, "location": [0.0, 1.65, 20.0], "yaw": 0.1}
    car |= {"dimensions": [1.5, 1.7, 4.0], "bbox": [60.0, 40.0, 100.0, 70.0], "truncated": 0.0, "occluded": 0}
    image = {"file_name": str(root / "training/image_2/a.png"), "image_id": "a", "height": 96, "width": 160}
    camera = [[150.0, 0, 80, 0], [0, 150, 48, 0], [0, 0, 1, 0]]
    return image | {"camera": camera, "ground_plane": None, "annotations": [car]} | more


def test_boxes_that_are_not_level_have_no_ground_made_up(root, cfg):
    output = DetectionMapper(cfg, False)(record(root))
    assert output["ground_plane"] is None and output["box_plane"] is None
    output = DetectionMapper(cfg, False)(record(root, level_boxes=True))
    assert output["ground_plane"].tolist() == pytest.approx(KITTI)


def test_training_images_have_it_mirrored_with_them(root, cfg):
    cfg.INPUT.DEFAULT_GROUND, cfg.INPUT.FLIP_PROB = (0.6, -0.8, 0.0, 2.0), 1.0
    cfg.INPUT.SCALE_RANGE = (1.0, 1.0)
    output = DetectionMapper(cfg, True)(record(root, level_boxes=True), np.random.default_rng(0))
    assert output["ground_plane"].tolist() == pytest.approx([-0.6, -0.8, 0.0, 2.0])
    assert output["box_plane"] is None


@pytest.mark.parametrize("plane", [None, OWN])
@pytest.mark.parametrize("boxes", ["level", "ground"])
def test_an_image_of_no_dataset_has_what_its_mapper_would_give(root, cfg, boxes, plane):
    cfg.INPUT.BOX_PLANE = boxes
    given = image_record(
        cfg, np.full((96, 160, 3), 90, np.uint8), Camera(record(root)["camera"], (96, 160)), plane
    )
    mapped = DetectionMapper(cfg, False)(record(root, ground_plane=plane, level_boxes=boxes == "level"))
    for key in ("ground_plane", "box_plane"):
        assert (given[key] is None) == (mapped[key] is None), key
        if given[key] is not None:
            torch.testing.assert_close(given[key], mapped[key])


def test_an_export_keeps_it(root, cfg):
    """Where its datasets are not registered any more."""
    cfg.INPUT.DEFAULT_GROUND, cfg.INPUT.BOX_PLANE = (0.0, -1.0, 0.0, 2.5), "level"
    settle_box_plane(cfg)
    (root / "config.yaml").write_text(cfg.dump())
    cfg = load_config(add_diffusion_det3d_config, str(root / "config.yaml"))
    camera = Camera(record(root)["camera"], (96, 160))
    given = image_record(cfg, np.full((96, 160, 3), 90, np.uint8), camera, None)
    assert given["ground_plane"].tolist() == [0.0, -1.0, 0.0, 2.5]


@pytest.mark.parametrize(
    "value", ["(0, -1, 0)", "(0, 1, 0, 1.65)", "(0, 0, 1, 1.65)", "(0, -1, 0, 0)", "(0, -1, 0, 'x')", "'1'"]
)
def test_what_is_no_ground_is_refused_in_one_line(tmp_path, value):
    file = tmp_path / "a.yaml"
    file.write_text("VERSION: 2\n")
    with pytest.raises(ValueError, match="INPUT.DEFAULT_GROUND") as error:
        load_config(add_diffusion_det3d_config, str(file), ["INPUT.DEFAULT_GROUND", value])
    assert "\n" not in str(error.value) and len(str(error.value)) < 300
