"""A tiny road in front of a camera: pictures without content, labels of what is there, and its files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from detectron2.config import CfgNode, get_cfg
from small_road import FRAMES, HEIGHT, SIZE, traffic

from d2ext.data.given_camera import GivenCamera, GivenGround
from d2ext.projects.road_watch import add_road_watch_config
from d2ext.projects.road_watch.setup import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """The files of the camera, its road and what is on it."""
    folder = tmp_path / "place"
    folder.mkdir()
    (folder / "calib.txt").write_text("P2: 60 0 32 0 0 60 20 0 0 0 1 0\n")
    (folder / "denorm.txt").write_text(f"0 -1 0 {HEIGHT}\n")
    lanes = {"1": [[0, 5], [0, 100]], "2": [[3.5, 5], [3.5, 100]]}
    (folder / "road.json").write_text(json.dumps({"lanes": lanes, "half_width": 1.75}))
    (folder / "labels.txt").write_text(traffic(FRAMES))
    camera, ground = GivenCamera(folder / "calib.txt"), GivenGround(folder / "denorm.txt")
    return Place(camera, ground, folder / "road.json", "", folder / "labels.txt")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of small pictures."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(FRAMES):
        cv2.imwrite(str(folder / f"{number:06d}.png"), np.full((*SIZE, 3), number % 200, np.uint8))
    return folder


@pytest.fixture
def settings() -> Callable[..., CfgNode]:
    """The config of the chain, with some keys changed."""

    def make(*options: object) -> CfgNode:
        cfg = get_cfg()
        add_road_watch_config(cfg)
        cfg.merge_from_list(["ROAD_WATCH.OUTPUT.VIDEO_SECONDS", 0.0, *options])
        cfg.ROAD_WATCH.RULES.STANDING_SECONDS = 2.0
        return cfg

    return make
