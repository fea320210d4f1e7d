"""The endless training stream: batch b is a pure function of (seed, b), whatever the workers and processes.

A resumed run sees the same stream as an uninterrupted one, and the number of workers and of processes changes
nothing in it.
"""

from __future__ import annotations

import inspect
import logging
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.data import DatasetFromList
from detectron2.data.build import trivial_batch_collator
from detectron2.data.samplers import InferenceSampler
from detectron2.utils import comm
from torch.utils.data import DataLoader, Dataset, Sampler

from .image_io import one_thread
from .skipping import SkippingLoader, SkippingMapper, skip_broken

#: Turns a dataset dict into model input; None where nothing is left of what it is about.
Mapper = Callable[..., "dict[str, Any] | None"]

_CYCLE = 1000  # at most about so many batches until the interleaving of several datasets repeats
_ATTEMPTS = 100  # draws until a sample of the training stream keeps what it is about


class DrawingMapper:
    """A mapper that draws from the generator that it is given.

    One of this collection takes it as its argument ``rng``, and as ``of_batch`` another one for what the
    samples of a batch have in common. Any other callable, such as Detectron2's ``DatasetMapper``, draws from
    the generators of Python, NumPy and torch: they are seeded by the given one for the time of the call, and
    are as they were afterwards.

    Args:
        mapper: called with a dataset dict; gives the model input, or None where nothing is left.
    """

    def __init__(self, mapper: Mapper) -> None:
        self.mapper = mapper
        self.subject = getattr(mapper, "subject", "anything")
        try:
            self._takes = {"rng", "of_batch"} & inspect.signature(mapper).parameters.keys()
        except ValueError:  # a callable without a signature
            self._takes = set()

    def __call__(
        self,
        dataset_dict: dict[str, Any],
        rng: np.random.Generator,
        of_batch: np.random.Generator | None = None,
    ) -> dict[str, Any] | None:
        """What the mapper gives, drawn from ``rng`` and, where the mapper takes it, ``of_batch`` alone."""
        if "rng" in self._takes:
            given = {"rng": rng, "of_batch": of_batch}
            return self.mapper(dataset_dict, **{name: given[name] for name in self._takes})
        with _seeded(int(rng.integers(1 << 32))):
            return self.mapper(dataset_dict)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    before = random.getstate(), np.random.get_state(), torch.get_rng_state()
    random.seed(seed)
    np.random.seed(seed)
    torch.random.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        torch.set_rng_state(before[2])


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
        mapper: Callable[..., dict[str, Any] | None],
        batch_size: int,
        seed: int,
    ) -> None:
        """
        Args:
            datasets: records of each dataset.
            weights: relative frequency of each dataset.
            mapper: see :class:`DrawingMapper`; the generator depends on (seed, b, i) only.
            batch_size: images in a global batch (over all processes).
            seed: not negative.
        """
        self.datasets = datasets
        self.mapper = DrawingMapper(mapper)
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
            of_batch = np.random.default_rng((self.seed, batch))
            result = self.mapper(records[int(index)], rng, of_batch)
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
        return self.mapper(self.records[index])


def build_train_loader(
    cfg: CfgNode, records: list[list[dict[str, Any]]], mapper: Mapper, start_iter: int = 0
) -> DataLoader:
    """Endless loader of lists of model inputs. Every batch is of one dataset and has ``SOLVER.IMS_PER_BATCH``
    items over all processes.

    Args:
        cfg: config with the keys of ``add_image_config``; a negative ``SEED`` draws one at random.
        records: dataset dicts of each dataset of ``DATASETS.TRAIN``.
        mapper: see :class:`DrawingMapper`.
        start_iter: the batch to begin with, for resuming.

    Raises:
        ValueError: ``DATALOADER.DATASET_WEIGHTS`` or ``SOLVER.IMS_PER_BATCH`` is unusable.
    """
    weights = list(cfg.DATALOADER.DATASET_WEIGHTS) or [float(len(part)) for part in records]
    if not records or len(weights) != len(records):
        raise ValueError(
            f"DATALOADER.DATASET_WEIGHTS: expected one per dataset of DATASETS.TRAIN {cfg.DATASETS.TRAIN}"
        )
    if skip_broken():
        mapper = SkippingMapper(DrawingMapper(mapper))
    seed = cfg.SEED if cfg.SEED >= 0 else comm.shared_random_seed()
    batch_size = cfg.SOLVER.IMS_PER_BATCH
    parts = [DatasetFromList(part, copy=False) for part in records]
    stream = TrainingStream(parts, weights, mapper, batch_size, seed)
    batches = ShardedBatches(batch_size, start_iter, comm.get_rank(), comm.get_world_size())
    return _loader(stream, cfg, batch_sampler=batches)


def build_test_loader(
    cfg: CfgNode, records: list[dict[str, Any]], mapper: Mapper, batch_size: int = 1
) -> DataLoader:
    """Loader that gives what ``mapper`` makes of every record once (over all processes), in order.

    Args:
        batch_size: records at a time in each process.
    """
    if skip_broken():
        mapper = SkippingMapper(mapper)
    dataset, sampler = MappedRecords(records, mapper), InferenceSampler(len(records))
    return _loader(dataset, cfg, sampler=sampler, batch_size=batch_size)


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


def start_loader(loader: Any, iteration: int) -> None:
    """Have a training loader begin with the batch of an iteration.

    The loader, or its ``batch_sampler``, is told by its method ``start_at(iteration)``, before it is iterated
    over: :class:`ShardedBatches` has one. A loader without it is used as it is, from its
    own beginning, with a warning: such a training does not resume exactly.
    """
    for part in (loader, getattr(loader, "batch_sampler", None)):
        start_at = getattr(part, "start_at", None)
        if start_at is not None:
            start_at(iteration)
            return
    if iteration:
        logging.getLogger(__name__).warning(
            f"{type(loader).__name__} has no start_at: training goes on from iteration {iteration} with the "
            "data it began with"
        )
