"""Data loaders. Training batch b is a pure function of (seed, b), so a resumed run sees the same stream."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, DatasetFromList, MetadataCatalog
from detectron2.data.build import trivial_batch_collator
from detectron2.data.samplers import InferenceSampler
from detectron2.utils import comm
from torch.utils.data import DataLoader, Dataset, Sampler

from d2ext.structures.vocabulary import ROAD, Vocabulary

from .anomaly_mapper import AnomalyMapper, normal_records
from .image_io import one_thread
from .mapper import DetectionMapper, GroundingMapper
from .recordings import column_map, graph_records, graph_spec
from .skipping import SkippingLoader, SkippingMapper, skip_broken

_CYCLE = 1000  # at most about so many batches until the interleaving of several datasets repeats
_ATTEMPTS = 100  # draws until a sample of the training stream keeps what it is about


class Mapper(Protocol):
    """Turns a record into model input, None where augmentation left nothing of the ``subject``."""

    subject: str

    def __call__(
        self, dataset_dict: dict[str, Any], rng: np.random.Generator | None
    ) -> dict[str, Any] | None:
        """``rng`` is None in evaluation."""


def interleave(weights: list[float]) -> np.ndarray:
    """A fixed cycle of dataset indices: each in proportion to its weight (at least once), evenly spread.

    Raises:
        ValueError: a weight is not positive.
    """
    if min(weights) <= 0:
        raise ValueError(f"DATALOADER.DATASET_WEIGHTS: expected positive numbers, got {weights}")
    if len(weights) == 1:
        return np.zeros(1, dtype=np.int64)
    counts = np.maximum(1, np.rint(np.array(weights) / sum(weights) * _CYCLE)).astype(int)
    counts //= np.gcd.reduce(counts)
    times = np.concatenate([(np.arange(count) + 0.5) / count for count in counts])
    owners = np.repeat(np.arange(len(counts)), counts)
    return owners[np.argsort(times, kind="stable")]


class TrainingStream(Dataset):
    """The endless training stream: item (b, i) is sample i of the global batch b.

    Batch b is of one dataset, given by a fixed cycle. Within a dataset samples follow one permutation per
    epoch. A record of which augmentation leaves nothing (the mapper gives None) is replaced by the next one.
    """

    def __init__(
        self,
        datasets: list[DatasetFromList],
        weights: list[float],
        mapper: Mapper,
        batch_size: int,
        seed: int,
    ) -> None:
        """
        Args:
            datasets: records of each dataset.
            weights: relative frequency of each dataset.
            mapper: called with a record and a random generator that depends on (seed, b, i) only.
            batch_size: images in a global batch (over all processes).
            seed: not negative.
        """
        self.datasets = datasets
        self.mapper = mapper
        self.batch_size = batch_size
        self.seed = seed
        self.cycle = interleave(weights)
        self._permutations: dict[int, tuple[int, np.ndarray]] = {}  # dataset -> (epoch, permutation)

    def __getitem__(self, item: tuple[int, int]) -> dict[str, Any]:
        batch, sample = item
        turns, phase = divmod(batch, len(self.cycle))
        which = int(self.cycle[phase])
        own = turns * int((self.cycle == which).sum()) + int((self.cycle[:phase] == which).sum())
        records = self.datasets[which]
        epoch, start = divmod(own * self.batch_size + sample, len(records))
        for attempt in range(_ATTEMPTS):
            index = self._permutation(which, epoch, len(records))[(start + attempt) % len(records)]
            rng = np.random.default_rng((self.seed, batch * self.batch_size + sample, attempt))
            result = self.mapper(records[int(index)], rng)
            if result is not None:
                return result
        raise ValueError(
            f"no image keeps {self.mapper.subject} after cropping: "
            "check INPUT.SCALE_RANGE and INPUT.MIN_VISIBLE"
        )

    def _permutation(self, which: int, epoch: int, length: int) -> np.ndarray:
        if self._permutations.get(which, (-1,))[0] != epoch:
            order = np.random.default_rng((self.seed, which, epoch)).permutation(length)
            self._permutations[which] = (epoch, order)
        return self._permutations[which][1]


class ShardedBatches(Sampler):
    """Endless items of ``TrainingStream``: from each global batch the slice of one process.

    Raises:
        ValueError: the batch cannot be divided evenly.
    """

    def __init__(self, batch_size: int, start: int = 0, rank: int = 0, world_size: int = 1) -> None:
        if batch_size <= 0 or batch_size % world_size:
            raise ValueError(
                f"SOLVER.IMS_PER_BATCH: expected a multiple of {world_size} processes, got {batch_size}"
            )
        self.start = start
        share = batch_size // world_size
        self.samples = range(rank * share, (rank + 1) * share)

    def start_at(self, batch: int) -> None:
        """Begin with a global batch: a training that goes on at an iteration."""
        self.start = batch

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        batch = self.start
        while True:
            yield [(batch, sample) for sample in self.samples]
            batch += 1


def build_detection_train_loader(cfg: CfgNode, start_iter: int = 0) -> DataLoader:
    """Endless loader of lists of model inputs over ``cfg.DATASETS.TRAIN``, for detection.

    Every batch is of one dataset and has ``SOLVER.IMS_PER_BATCH`` images over all processes. The number of
    workers and of processes changes nothing in the stream. Objects of other classes than ``INPUT.CLASSES``
    are left out, and with ``DATALOADER.FILTER_EMPTY_ANNOTATIONS`` images that then have none.

    Args:
        cfg: config with the keys of ``add_grounding_data_config``; a negative ``SEED`` draws one at random.
        start_iter: the batch to begin with, for resuming.

    Raises:
        FileNotFoundError, ValueError: a dataset or a key is unusable.
    """
    return _annotated_train_loader(cfg, start_iter, DetectionMapper(cfg, True), cfg.INPUT.CLASSES)


def build_grounding_train_loader(cfg: CfgNode, start_iter: int = 0) -> DataLoader:
    """The same for grounding: with ``DATALOADER.FILTER_EMPTY_ANNOTATIONS`` images without sentences are left
    out."""
    return _annotated_train_loader(cfg, start_iter, GroundingMapper(cfg, True))


def build_anomaly_train_loader(cfg: CfgNode, start_iter: int = 0) -> DataLoader:
    """The same for anomaly detection: normal images and graphs, without those held out."""
    datasets = [DatasetFromList(_normal_records(cfg, name, False), copy=False) for name in cfg.DATASETS.TRAIN]
    return _train_loader(cfg, start_iter, AnomalyMapper(cfg, True), datasets)


def _annotated_train_loader(
    cfg: CfgNode, start_iter: int, mapper: DetectionMapper, classes: Sequence[str] = ()
) -> DataLoader:
    datasets = [_training_records(cfg, name, mapper, classes) for name in cfg.DATASETS.TRAIN]
    return _train_loader(cfg, start_iter, mapper, datasets)


def _train_loader(
    cfg: CfgNode, start_iter: int, mapper: Mapper, datasets: list[DatasetFromList]
) -> DataLoader:
    weights = list(cfg.DATALOADER.DATASET_WEIGHTS) or [float(len(records)) for records in datasets]
    if not datasets or len(weights) != len(datasets):
        raise ValueError(
            f"DATALOADER.DATASET_WEIGHTS: expected one per dataset of DATASETS.TRAIN {cfg.DATASETS.TRAIN}"
        )
    if skip_broken():
        mapper = SkippingMapper(mapper)
    seed = cfg.SEED if cfg.SEED >= 0 else comm.shared_random_seed()
    batch_size = cfg.SOLVER.IMS_PER_BATCH
    stream = TrainingStream(datasets, weights, mapper, batch_size, seed)
    batches = ShardedBatches(batch_size, start_iter, comm.get_rank(), comm.get_world_size())
    return _loader(stream, cfg, batch_sampler=batches)


def _training_records(
    cfg: CfgNode, name: str, mapper: DetectionMapper, names: Sequence[str]
) -> DatasetFromList:
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
    return DatasetFromList(records, copy=False)


def build_detection_test_loader(cfg: CfgNode, dataset_name: str, batch_size: int = 1) -> DataLoader:
    """Loader that gives every image of a dataset once (over all processes), in order, for detection.

    Args:
        cfg: config with the keys of ``add_grounding_data_config``.
        dataset_name: a registered name.
        batch_size: images at a time in each process.
    """
    return _test_loader(cfg, DatasetCatalog.get(dataset_name), DetectionMapper(cfg, False), batch_size)


def build_grounding_test_loader(cfg: CfgNode, dataset_name: str, batch_size: int = 1) -> DataLoader:
    """The same for grounding: every image with all its sentences."""
    records = DatasetCatalog.get(dataset_name)
    if cfg.TEST.SHUFFLE_SENTENCES:
        records = [shuffle_sentences(record) for record in records]
    return _test_loader(cfg, records, GroundingMapper(cfg, False), batch_size)


def build_anomaly_test_loader(cfg: CfgNode, dataset_name: str, batch_size: int = 1) -> DataLoader:
    """The same for anomaly detection: every image, and every graph of a recording."""
    records = evaluated_records(cfg, DatasetCatalog.get(dataset_name))
    return _test_loader(cfg, records, AnomalyMapper(cfg, False), batch_size)


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
    return _test_loader(cfg, records, AnomalyMapper(cfg, False), 1)


def _normal_records(cfg: CfgNode, name: str, held_out: bool) -> list[dict[str, Any]]:
    if name in cfg.DATASETS.NORMAL and name in cfg.DATASETS.TRAIN:
        raise ValueError(f"DATASETS.NORMAL: {name!r} is in DATASETS.TRAIN too, expected data not trained on")
    share = float(held_out) if cfg.DATASETS.NORMAL else cfg.DATASETS.HELD_OUT
    records = normal_records(DatasetCatalog.get(name), name, share, held_out)
    return _graphs(cfg, records)


def _graphs(cfg: CfgNode, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    g = cfg.INPUT.GRAPH
    return graph_records(records, graph_spec(cfg), g.WIDTH, g.OVERLAP, column_map(cfg), skip_broken())


def _test_loader(cfg: CfgNode, records: list[dict[str, Any]], mapper: Mapper, batch_size: int) -> DataLoader:
    if skip_broken():
        mapper = SkippingMapper(mapper)
    dataset = MappedRecords(records, mapper)
    sampler = InferenceSampler(len(records))
    return _loader(dataset, cfg, sampler=sampler, batch_size=batch_size)


class MappedRecords(Dataset):
    """What a mapper makes of each record in evaluation.

    Not Detectron2's ``MapDataset``, which puts another record in the place of one of which nothing is left.
    """

    def __init__(self, records: list[dict[str, Any]], mapper: Mapper) -> None:
        self.records = DatasetFromList(records, copy=False)
        self.mapper = mapper

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> dict[str, Any] | None:
        return self.mapper(self.records[index], None)


def shuffle_sentences(record: dict[str, Any]) -> dict[str, Any]:
    """The control that shows whether words are used: every sentence's text becomes one about other objects.

    Sentences are put in order of their targets and the texts move on by the largest number of sentences that
    share their targets, so that no text stays with its own targets unless most of the image's sentences share
    theirs. Ids, targets and order stay.
    """
    sentences = record["sentences"]
    groups = Counter(tuple(sentence["target_ids"]) for sentence in sentences)
    order = sorted(range(len(sentences)), key=lambda i: tuple(sentences[i]["target_ids"]))
    step = max(groups.values(), default=0)
    moved = list(sentences)
    for position, i in enumerate(order):
        moved[i] = {**sentences[i], "text": sentences[order[(position + step) % len(order)]]["text"]}
    return {**record, "sentences": moved}


def _loader(dataset: Dataset, cfg: CfgNode, **kwargs: Any) -> DataLoader:
    on_gpu = torch.device(cfg.MODEL.DEVICE).type == "cuda" and torch.cuda.is_available()
    loader = SkippingLoader if skip_broken() else DataLoader
    return loader(
        dataset,
        num_workers=cfg.DATALOADER.NUM_WORKERS,
        collate_fn=trivial_batch_collator,
        worker_init_fn=one_thread,
        generator=torch.Generator(),  # leaves the global random state to the model
        pin_memory=on_gpu,  # images are then copied while the GPU computes
        **kwargs,
    )
