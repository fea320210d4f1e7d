"""Writable copies of the real frames, and a config."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from detectron2.config import CfgNode, get_cfg

from d2ext.data.config import add_grounding_data_config


def link_images_copy_rest(source: Path, target: Path) -> Path:
    """Copy a dataset; images become links, which a test may replace but not write through."""

    def copy(src: str, dst: str) -> str:
        if Path(src).suffix in (".png", ".jpg"):
            os.symlink(Path(src).resolve(), dst)
        else:
            shutil.copyfile(src, dst)
        return dst

    shutil.copytree(source, target, copy_function=copy)
    for folder in [target, *(path for path in target.rglob("*") if path.is_dir())]:
        folder.chmod(0o755)
    return target


@pytest.fixture
def mono3drefer(shared_dir: Path, tmp_path: Path) -> Path:
    return link_images_copy_rest(shared_dir / "data" / "mono3drefer", tmp_path / "mono3drefer")


@pytest.fixture
def monomulti3d(shared_dir: Path, tmp_path: Path) -> Path:
    return link_images_copy_rest(shared_dir / "data" / "monomulti3d", tmp_path / "monomulti3d")


@pytest.fixture
def rope3d(shared_dir: Path, tmp_path: Path) -> Path:
    return link_images_copy_rest(shared_dir / "data" / "rope3d", tmp_path / "rope3d")


@pytest.fixture
def cfg() -> CfgNode:
    cfg = get_cfg()
    add_grounding_data_config(cfg)
    cfg.SEED = 3
    cfg.INPUT.SIZE = (96, 320)
    cfg.SOLVER.IMS_PER_BATCH = 4
    cfg.INPUT.CROP_SHIFT = 1.0
    cfg.DATALOADER.NUM_WORKERS = 0
    return cfg
