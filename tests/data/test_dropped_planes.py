"""What a model in training is told of the ground, and the control that tells it nothing."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from detectron2.config import get_cfg

from d2ext.data.config import add_detection_data_config
from d2ext.data.mapper import DetectionMapper
from d2ext.structures import Boxes3D, Camera, height_above_plane

PLANE = [0.02, -0.95, -math.sqrt(1 - 0.0004 - 0.9025), 7.0]


def config(**keys: Any) -> Any:
    cfg = get_cfg()
    add_detection_data_config(cfg)
    cfg.INPUT.SIZE = [96, 160]
    for key, value in keys.items():
        cfg.INPUT[key] = value
    return cfg


@pytest.fixture
def record(tmp_path) -> dict[str, Any]:
    """A roadside image with one box on the ground."""
    cv2.imwrite(str(tmp_path / "a.png"), np.full((96, 160, 3), 90, np.uint8))
    camera = Camera(torch.tensor([[150.0, 0, 80, 0], [0, 150, 48, 0], [0, 0, 1, 0]]), (96, 160))
    down = -torch.tensor(PLANE[:3])
    location = torch.tensor([0.5, 0.0, 20.0])
    location = location + down * height_above_plane(location, torch.tensor(PLANE))
    box = Boxes3D.from_kitti(
        location[None], torch.tensor([[1.5, 1.7, 4.0]]), torch.tensor([0.3]), torch.tensor(PLANE)
    )
    annotation = {
        "bbox": box.project(camera)[0][0].tolist(), "category_id": 0, "has_3d": True, "id": 1, "yaw": 0.3,
        "location": location.tolist(), "dimensions": [1.5, 1.7, 4.0],
    }  # fmt: skip
    return {
        "file_name": str(tmp_path / "a.png"), "image_id": "a", "height": 96, "width": 160,
        "camera": camera.P.tolist(), "ground_plane": PLANE, "annotations": [annotation],
    }  # fmt: skip


def drawn(cfg: Any, record: dict[str, Any], count: int = 200) -> list[dict[str, Any]]:
    mapper = DetectionMapper(cfg, True)
    return [out for seed in range(count) if (out := mapper(record, np.random.default_rng(seed))) is not None]


def test_a_share_is_told_nothing_while_labels_and_truth_stay(record):
    told = drawn(config(DROP_PLANE=0.3, FLIP_PROB=0.0), record)
    lacking = [out for out in told if out["ground_plane"] is None]
    assert abs(len(lacking) / len(told) - 0.3) < 3 * math.sqrt(0.3 * 0.7 / len(told))
    for out in told:
        for key in ("true_plane", "box_plane"):
            assert torch.allclose(out[key], torch.tensor(PLANE))
        bottom = out["instances"].gt_boxes3d.bottom_center()
        assert abs(float(height_above_plane(bottom, out["true_plane"]))) < 1e-3


def test_nothing_but_what_is_told_differs_where_all_planes_are_dropped(record):
    dropped = drawn(config(DROP_PLANE=1.0), record, 5)
    for a, b in zip(dropped, drawn(config(), record, 5), strict=True):
        assert a["ground_plane"] is None and torch.equal(b["ground_plane"], b["true_plane"])
        assert torch.equal(a["camera"].P, b["camera"].P) and torch.equal(a["box_plane"], b["box_plane"])
        assert torch.equal(a["instances"].gt_boxes3d.center, b["instances"].gt_boxes3d.center)


def test_noise_turns_and_raises_the_told_plane_by_as_much_as_it_says(record):
    told = drawn(config(PLANE_NOISE=(0.5, 0.03), FLIP_PROB=0.5), record, 400)
    planes = torch.stack([out["ground_plane"] for out in told]).double()
    true = torch.stack([out["true_plane"] for out in told]).double()
    assert torch.allclose(planes[:, :3].norm(dim=1), torch.ones(len(told)).double(), atol=1e-6)
    assert {float(x) > 0 for x in true[:, 0]} == {True, False}  # both mirrored and not
    pitch = [math.degrees(math.asin(-p[2]) - math.asin(-t[2])) for p, t in zip(planes, true, strict=True)]
    roll = [
        math.degrees(math.atan2(p[0], -p[1]) - math.atan2(t[0], -t[1]))
        for p, t in zip(planes, true, strict=True)
    ]
    height = (planes[:, 3] / true[:, 3]).log()
    for values, sigma in ((pitch, 0.5), (roll, 0.5), (height.tolist(), 0.03)):
        assert abs(np.std(values) / sigma - 1) < 0.15 and abs(np.mean(values)) < 4 * sigma / math.sqrt(
            len(told)
        )


def test_an_image_without_a_plane_stays_without(record):
    record["ground_plane"] = None
    for out in drawn(config(PLANE_NOISE=(0.5, 0.03), DROP_PLANE=0.5), record, 10):
        assert out["ground_plane"] is out["true_plane"] is None


def test_the_control_leaves_evaluation_without_any_plane(record):
    cfg = config()
    assert DetectionMapper(cfg, False)(record)["ground_plane"] is not None
    cfg.TEST.DROP_PLANE = True
    for level in (False, True):
        out = DetectionMapper(cfg, False)(record | {"level_boxes": level})
        assert out["ground_plane"] is None and out["box_plane"] is None and out["level_boxes"] is level


@pytest.mark.parametrize("degrees", [1.0, -1.0])
def test_a_control_tells_a_ground_that_is_pitched(record, degrees):
    cfg = config()
    true = DetectionMapper(cfg, False)(record)
    cfg.TEST.PITCH_ERROR = degrees
    told = DetectionMapper(cfg, False)(record)
    for key in ("ground_plane", "box_plane"):
        a, b = true[key].double(), told[key].double()
        assert math.degrees(math.asin(-b[2]) - math.asin(-a[2])) == pytest.approx(degrees, abs=1e-3)
        assert math.atan2(a[0], -a[1]) == pytest.approx(math.atan2(b[0], -b[1]), abs=1e-6) and a[3] == b[3]
    assert torch.equal(true["camera"].P, told["camera"].P) and torch.equal(true["image"], told["image"])


def test_a_control_tells_another_focal_length_around_the_same_point(record):
    cfg = config()
    record["camera"][0][3], record["camera"][1][3] = 30.0, -12.0  # of a camera beside the reference
    true = DetectionMapper(cfg, False)(record)["camera"]
    cfg.TEST.FOCAL_ERROR = 0.05
    told = DetectionMapper(cfg, False)(record)["camera"]
    assert torch.allclose(told.K[[0, 1], [0, 1]], true.K[[0, 1], [0, 1]] * 1.05)
    assert torch.allclose(told.K[:2, 2], true.K[:2, 2])
    centre = [-torch.linalg.solve(c.K, c.P[:, 3]) for c in (true, told)]  # where the camera stands
    assert torch.allclose(*centre, atol=1e-5)
