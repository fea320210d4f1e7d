"""Data loaders of the tasks, from a config."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog
from torch.utils.data import DataLoader

from d2ext.structures.vocabulary import ROAD, Vocabulary

from .anomaly_mapper import AnomalyMapper, normal_records
from .grounding_mapper import GroundingMapper, shuffle_sentences
from .mapper import DetectionMapper
from .recordings import column_map, graph_records, graph_spec
from .skipping import skip_broken
from .stream import Mapper, build_test_loader, build_train_loader


def build_detection_train_loader(
    cfg: CfgNode, start_iter: int = 0, mapper: Mapper | None = None
) -> DataLoader:
    """Endless loader of lists of model inputs over ``cfg.DATASETS.TRAIN``, for detection; see
    :mod:`d2ext.data.stream`.

    Objects of other classes than ``INPUT.CLASSES`` are left out, and with
    ``DATALOADER.FILTER_EMPTY_ANNOTATIONS`` images that then have none.

    Args:
        cfg: config with the keys of ``add_detection_data_config``.
        start_iter: the batch to begin with, for resuming.
        mapper: in the place of :class:`DetectionMapper`.

    Raises:
        FileNotFoundError, ValueError: a dataset or a key is unusable.
    """
    names = cfg.DATASETS.TRAIN
    records = [_training_records(cfg, n, DetectionMapper, cfg.INPUT.CLASSES) for n in names]
    return build_train_loader(cfg, records, mapper or DetectionMapper(cfg, True), start_iter)


def build_grounding_train_loader(
    cfg: CfgNode, start_iter: int = 0, mapper: Mapper | None = None
) -> DataLoader:
    """The same for grounding: with ``DATALOADER.FILTER_EMPTY_ANNOTATIONS`` images without sentences are left
    out. ``mapper`` is in the place of :class:`GroundingMapper`."""
    records = [_training_records(cfg, name, GroundingMapper) for name in cfg.DATASETS.TRAIN]
    return build_train_loader(cfg, records, mapper or GroundingMapper(cfg, True), start_iter)


def build_anomaly_train_loader(cfg: CfgNode, start_iter: int = 0, mapper: Mapper | None = None) -> DataLoader:
    """The same for anomaly detection: normal images and graphs, without those held out. ``mapper`` is in the
    place of :class:`AnomalyMapper`."""
    records = [_normal_records(cfg, name, False) for name in cfg.DATASETS.TRAIN]
    return build_train_loader(cfg, records, mapper or AnomalyMapper(cfg, True), start_iter)


def _training_records(
    cfg: CfgNode, name: str, mapper: type[DetectionMapper], names: Sequence[str] = ()
) -> list[dict[str, Any]]:
    records = DatasetCatalog.get(name)
    if names:
        vocabulary = Vocabulary.of_metadata(MetadataCatalog.get(name)) or ROAD
        try:
            classes = {vocabulary.id_of(n) for n in names}
        except ValueError as e:
            raise ValueError(f"INPUT.CLASSES: {e}") from e
        records = [
            record | {"annotations": [a for a in record["annotations"] if a["category_id"] in classes]}
            for record in records
        ]
    if cfg.DATALOADER.FILTER_EMPTY_ANNOTATIONS:
        records = [record for record in records if record[mapper.subject_key]]
    if not records:
        raise ValueError(f"dataset {name!r}: no image has {mapper.subject}")
    return records


def build_detection_test_loader(
    cfg: CfgNode, dataset_name: str, batch_size: int = 1, mapper: Mapper | None = None
) -> DataLoader:
    """Loader that gives every image of a dataset once (over all processes), in order, for detection.

    Args:
        cfg: config with the keys of ``add_detection_data_config``.
        dataset_name: a registered name.
        batch_size: images at a time in each process.
        mapper: in the place of :class:`DetectionMapper`.
    """
    records = DatasetCatalog.get(dataset_name)
    return build_test_loader(cfg, records, mapper or DetectionMapper(cfg, False), batch_size)


def build_grounding_test_loader(
    cfg: CfgNode, dataset_name: str, batch_size: int = 1, mapper: Mapper | None = None
) -> DataLoader:
    """The same for grounding: every image with all its sentences."""
    records = DatasetCatalog.get(dataset_name)
    if cfg.TEST.SHUFFLE_SENTENCES:
        records = [shuffle_sentences(record) for record in records]
    return build_test_loader(cfg, records, mapper or GroundingMapper(cfg, False), batch_size)


def build_anomaly_test_loader(
    cfg: CfgNode, dataset_name: str, batch_size: int = 1, mapper: Mapper | None = None
) -> DataLoader:
    """The same for anomaly detection: every image, and every graph of a recording."""
    records = evaluated_records(cfg, DatasetCatalog.get(dataset_name))
    return build_test_loader(cfg, records, mapper or AnomalyMapper(cfg, False), batch_size)


def evaluated_records(cfg: CfgNode, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What is evaluated of the records of a dataset for anomaly detection, as the mapper takes it."""
    return _graphs(cfg, records)


def build_normal_loader(cfg: CfgNode, held_out: bool) -> DataLoader:
    """The images that a model is fitted to, once each (over all processes), as they are in evaluation.

    Args:
        held_out: the images that training does not see, for the normalisation of anomaly maps: those of
            ``DATASETS.NORMAL``, or where that is empty the held-out part of ``DATASETS.TRAIN``. False: those
            that it sees.

    Raises:
        FileNotFoundError, ValueError: a dataset is unusable, or holds an anomaly.
    """
    names = cfg.DATASETS.NORMAL if held_out and cfg.DATASETS.NORMAL else cfg.DATASETS.TRAIN
    records = [record for name in names for record in _normal_records(cfg, name, held_out)]
    return build_test_loader(cfg, records, AnomalyMapper(cfg, False))


def _normal_records(cfg: CfgNode, name: str, held_out: bool) -> list[dict[str, Any]]:
    if name in cfg.DATASETS.NORMAL and name in cfg.DATASETS.TRAIN:
        raise ValueError(f"DATASETS.NORMAL: {name!r} is in DATASETS.TRAIN too, expected data not trained on")
    share = float(held_out) if cfg.DATASETS.NORMAL else cfg.DATASETS.HELD_OUT
    records = normal_records(DatasetCatalog.get(name), name, share, held_out)
    return _graphs(cfg, records)


def _graphs(cfg: CfgNode, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    g = cfg.INPUT.GRAPH
    return graph_records(records, graph_spec(cfg), g.WIDTH, g.OVERLAP, column_map(cfg), skip_broken())
