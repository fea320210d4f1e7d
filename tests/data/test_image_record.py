"""What predictors are given: an image, its camera, its ground, or one line that says what is wrong."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
from detectron2.utils import logger

from d2ext.data import image_record
from d2ext.data.config import add_grounding_data_config
from d2ext.structures import Camera

IMAGE = np.zeros((375, 1242, 3), np.uint8)
P = [[721.5, 0, 609.6, 44.9], [0, 721.5, 172.9, 0.2], [0, 0, 1, 0.003]]
PLANE = [0.01, -0.99, -0.02, 1.65]


@pytest.fixture
def cfg():
    from detectron2.config import get_cfg

    cfg = get_cfg()
    add_grounding_data_config(cfg)
    return cfg


@pytest.fixture(autouse=True)
def not_yet_warned():
    logger._LOG_COUNTER.clear()


def one_line(cfg, *arguments) -> str:
    with pytest.raises(ValueError) as error:
        image_record(cfg, *arguments)
    message = str(error.value)
    assert "\n" not in message and len(message) < 300
    return message


@pytest.mark.parametrize(
    "image",
    [
        None,
        "a.png",
        IMAGE[..., 0],
        IMAGE.astype(np.float32),
        np.zeros((375, 1242, 4), np.uint8),
        torch.zeros(375, 1242, 3, dtype=torch.uint8),
        IMAGE[:0],
        [[1, 2], [3, 4]],
    ],
    ids=lambda x: type(x).__name__ + str(getattr(x, "shape", "")),
)
def test_what_is_no_image(cfg, image):
    assert one_line(cfg, image, Camera(P, (375, 1242)), None).startswith("image: expected (H, W, 3) uint8")


def test_what_is_no_camera_of_the_image(cfg):
    assert one_line(cfg, IMAGE, None, None).startswith("camera: expected a d2ext.structures.Camera")
    assert one_line(cfg, IMAGE, P, None).startswith("camera: expected a d2ext.structures.Camera")
    assert "made for (370, 1242)" in one_line(cfg, IMAGE, Camera(P, (370, 1242)), None)
    shrunk = IMAGE[:100, :300]  # the calibration was not
    assert "principal point (609.6, 172.9)" in one_line(cfg, shrunk, Camera(P, (100, 300)), None)
    half = Camera(torch.tensor(P).half(), (375, 1242))  # pixels would be half of one apart
    assert "float32 or float64" in one_line(cfg, IMAGE, half, None)
    tiny = [[1e-30, 0, 600, 0], [0, 1e-30, 170, 0], [0, 0, 1, 0]]
    assert "focal length" in one_line(cfg, IMAGE, Camera(torch.tensor(tiny).double(), (375, 1242)), None)


@pytest.mark.parametrize(
    "plane",
    [
        [0.0, -1.0, 0.0, 1650.0],
        [0.0, -1.0, 0.0, -1.65],
        [0.0, 0.0, 1.0, 1.65],
        [0.0, -1.0, 0.0],
        [[0.0, -1.0, 0.0, 1.65]],
        [0.0, -1.0, 0.0, float("nan")],
        "denorm.txt",
        [None] * 4,
    ],
    ids=str,
)
def test_what_is_no_ground(cfg, plane):
    assert one_line(cfg, IMAGE, Camera(P, (375, 1242)), plane).startswith("ground plane: expected ")


def test_a_plane_is_normalised(cfg):
    record = image_record(cfg, IMAGE, Camera(P, (375, 1242)), [-2 * x for x in PLANE])
    unit = torch.tensor(PLANE) / torch.tensor(PLANE[:3]).norm()
    assert torch.allclose(record["ground_plane"], unit) and record["ground_plane"].dtype == torch.float32


def test_a_model_that_reads_the_ground_says_once_that_there_is_none(cfg, caplog):
    camera = Camera(P, (375, 1242))
    image_record(cfg, IMAGE, camera, PLANE, ["direct", "ground"])
    image_record(cfg, IMAGE, camera, None, ["direct", "height"])
    image_record(cfg, IMAGE, camera, None)
    assert not caplog.records
    for _ in range(3):
        image_record(cfg, IMAGE, camera, None, ["direct", "ground"])
    (record,) = caplog.records
    assert record.levelno == logging.WARNING and "--ground" in record.getMessage()
