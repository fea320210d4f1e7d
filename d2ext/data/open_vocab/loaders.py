"""Loaders of images with prompts, from a config."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog
from torch.utils.data import DataLoader

from d2ext.data.open_vocab.mapper import PromptMapper
from d2ext.data.stream import Mapper, build_test_loader, build_train_loader
from d2ext.structures.vocabulary import ROAD, Vocabulary


def class_names_of(name: str) -> list[str]:
    """What a dataset calls its classes."""
    return list((Vocabulary.of_metadata(MetadataCatalog.get(name)) or ROAD).names)


def prompt_records(name: str) -> list[dict[str, Any]]:
    """The dicts of a dataset with the ``names`` of its classes.

    Raises:
        FileNotFoundError, ValueError: the dataset is unusable.
    """
    names = class_names_of(name)
    return [record | {"names": names} for record in DatasetCatalog.get(name)]


def build_prompt_train_loader(cfg: CfgNode, start_iter: int = 0, mapper: Mapper | None = None) -> DataLoader:
    """Endless loader of lists of model inputs over ``cfg.DATASETS.TRAIN``, with prompts; each dataset has its
    own classes. ``mapper`` is in the place of :class:`PromptMapper`.

    Raises:
        FileNotFoundError, ValueError: a dataset or a key is unusable.
    """
    records = []
    for name in cfg.DATASETS.TRAIN:
        own = prompt_records(name)
        if cfg.DATALOADER.FILTER_EMPTY_ANNOTATIONS:
            own = [record for record in own if record["annotations"]]
        if not own:
            raise ValueError(f"dataset {name!r}: no image has {PromptMapper.subject}")
        records.append(own)
    return build_train_loader(cfg, records, mapper or PromptMapper(cfg, True), start_iter)


def build_prompt_test_loader(
    cfg: CfgNode,
    dataset_name: str,
    prompts: Sequence[str],
    batch_size: int = 1,
    mapper: Mapper | None = None,
) -> DataLoader:
    """Loader that gives every image of a dataset once (over all processes), in order, and asks each the same
    prompts. ``mapper`` is in the place of :class:`PromptMapper`."""
    mapper = mapper or PromptMapper(cfg, False, prompts=prompts)
    return build_test_loader(cfg, prompt_records(dataset_name), mapper, batch_size)
