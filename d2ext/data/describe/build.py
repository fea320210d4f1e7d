"""Loaders of the data of models that describe."""

from __future__ import annotations

from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog
from torch.utils.data import DataLoader

from d2ext.data.describe.mapper import DescribeMapper
from d2ext.data.stream import Mapper, build_test_loader, build_train_loader


def build_describe_train_loader(
    cfg: CfgNode, start_iter: int = 0, mapper: Mapper | None = None
) -> DataLoader:
    """Endless loader of lists of samples over ``cfg.DATASETS.TRAIN``; see :mod:`d2ext.data.stream`.

    Raises:
        FileNotFoundError, ValueError: a dataset or a key is unusable.
    """
    records = []
    for name in cfg.DATASETS.TRAIN:
        found = [r for r in DatasetCatalog.get(name) if r["annotations"]]
        if not found:
            raise ValueError(f"dataset {name!r}: no image has an object")
        records.append(found)
    return build_train_loader(cfg, records, mapper or DescribeMapper(cfg, True), start_iter)


def build_describe_test_loader(
    cfg: CfgNode, dataset_name: str, batch_size: int = 1, mapper: Mapper | None = None
) -> DataLoader:
    """Loader that gives every image of a dataset with its tasks once (over all processes), in order."""
    records = DatasetCatalog.get(dataset_name)
    return build_test_loader(cfg, records, mapper or DescribeMapper(cfg, False), batch_size)
