"""A Janus of a few thousand weights on made-up pictures of 64 x 96 pixels."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from detectron2.config import CfgNode, get_cfg
from detectron2.data import DatasetCatalog, MetadataCatalog

from d2ext.data.builtin import register_dataset
from d2ext.projects.janus import add_janus_config
from d2ext.structures.vocabulary import ROAD

HAS_JANUS = importlib.util.find_spec("transformers.models.janus") is not None
TOY = "toy_janus_train"
HEIGHT, WIDTH = 64, 96


@pytest.fixture(autouse=True)
def needs_janus() -> None:
    if not HAS_JANUS:
        pytest.skip("this transformers has no Janus")


def annotation(number: int, category: str, x: float, z: float, color: str) -> dict:
    u, v, side = WIDTH / 2 + 60 * x / z, HEIGHT / 2 + 60 * 1.6 / z, 90 / z
    return {
        "id": number, "category_id": ROAD.names.index(category), "color": color, "occluded": 0,
        "bbox": [u - side, v - side, u + side, v], "bbox_mode": 0, "truncated": 0.0, "has_3d": True,
        "location": [x, 1.6, z], "dimensions": [1.5, 1.7, 4.2], "yaw": -math.pi / 2,
        "alpha": -math.pi / 2 - math.atan2(x, z),
    }  # fmt: skip


def records(folder: Path) -> list[dict]:
    rng, found = np.random.default_rng(0), []
    for index in range(4):
        image = rng.integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        path = folder / f"{index}.png"
        cv2.imwrite(str(path), image)
        annotations = [
            annotation(0, "car", -3.0, 10.0 + index, "red"),
            annotation(1, "car", 3.0, 16.0, "white"),
            annotation(2, "bus", 0.2, 30.0, "blue"),
        ]
        texts = [
            (f"The red car {10 + index} meters ahead of me, on the left.", [0]),
            ("在我右侧约3.0米处的白色轿车。", [1]),
            ("All cars within 20 m.", [0, 1]),
        ]
        sentences = [{"id": i, "text": t, "target_ids": ids} for i, (t, ids) in enumerate(texts)]
        found.append(
            {
                "file_name": str(path),
                "image_id": str(index),
                "height": HEIGHT,
                "width": WIDTH,
                "camera": [[60.0, 0, 48, 0], [0, 60.0, 32, 0], [0, 0, 1, 0]],
                "level_boxes": True,
                "ground_plane": [0.0, -1.0, 0.0, 1.6],
                "annotations": annotations,
                "sentences": sentences,
            }  # fmt: skip
        )
    return found


@pytest.fixture(scope="session")
def toy_data(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("toy")
    made = records(folder)
    register_dataset(TOY, lambda: made, evaluator_type="monomulti3d", level_boxes=True)
    yield TOY
    DatasetCatalog.remove(TOY)
    MetadataCatalog.remove(TOY)


SIZES = {
    "IMAGE_SIZE": 64, "VISION_WIDTH": 32, "VISION_LAYERS": 1, "VISION_HEADS": 2, "WIDTH": 32, "LAYERS": 2,
    "HEADS": 2, "VQ_MULTIPLIERS": [1, 1, 1, 1, 1], "VQ_LATENT": 8, "CODES": 16, "CODE_WIDTH": 4,
    "MAX_ANSWER": 8, "MAX_TOKENS": 256,
}  # fmt: skip


@pytest.fixture
def toy_cfg(toy_data, tmp_path):
    """Makes a config; options override it."""

    def make(*options: object) -> CfgNode:
        cfg = get_cfg()
        add_janus_config(cfg)
        cfg.MODEL.DEVICE = "cpu"
        for key, value in SIZES.items():
            cfg.MODEL.JANUS[key] = value
        cfg.INPUT.SIZE = (64, 64)
        cfg.DATASETS.TRAIN, cfg.DATASETS.TEST = (toy_data,), (toy_data,)
        cfg.DATALOADER.NUM_WORKERS = 0
        cfg.SOLVER.IMS_PER_BATCH, cfg.SOLVER.MAX_ITER, cfg.SOLVER.WARMUP_ITERS = 6, 3, 0
        cfg.SOLVER.BASE_LR, cfg.SOLVER.AMP.ENABLED = 0.01, False
        cfg.TEST.DTYPE, cfg.TEST.PICTURES, cfg.SEED = "float32", 0, 7
        cfg.OUTPUT_DIR = str(tmp_path / "output")
        cfg.merge_from_list(list(options))
        cfg.freeze()
        return cfg

    return make


@pytest.fixture
def toy_model(toy_cfg):
    """Makes a model, always the same."""
    from detectron2.modeling import build_model

    def make(*options: object):
        torch.manual_seed(0)
        return build_model(toy_cfg(*options))

    return make
