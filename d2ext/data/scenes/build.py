"""Data loaders of scenes to be drawn, from a config."""

from __future__ import annotations

from typing import Any

from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog
from torch.utils.data import DataLoader

from d2ext.data.scenes.mapper import SceneMapper
from d2ext.data.stream import Mapper, build_test_loader, build_train_loader


def scene_records(name: str) -> list[dict[str, Any]]:
    """The records of a dataset.

    Raises:
        ValueError: it has none.
    """
    records = DatasetCatalog.get(name)
    if not records:
        raise ValueError(f"dataset {name!r}: no image")
    return records


def build_scene_train_loader(cfg: CfgNode, start_iter: int = 0, mapper: Mapper | None = None) -> DataLoader:
    """Endless loader of lists of model inputs over ``cfg.DATASETS.TRAIN``; see :mod:`d2ext.data.stream`.

    Args:
        cfg: config with the keys of ``add_scene_data_config``.
        start_iter: the batch to begin with, for resuming.
        mapper: in the place of :class:`SceneMapper`.

    Raises:
        FileNotFoundError, ValueError: a dataset or a key is unusable.
    """
    records = [scene_records(name) for name in cfg.DATASETS.TRAIN]
    return build_train_loader(cfg, records, mapper or SceneMapper(cfg, True), start_iter)


def build_scene_test_loader(
    cfg: CfgNode, dataset_name: str, batch_size: int = 1, mapper: Mapper | None = None
) -> DataLoader:
    """Loader that gives every image of a dataset once (over all processes), in order."""
    return build_test_loader(cfg, scene_records(dataset_name), mapper or SceneMapper(cfg, False), batch_size)
