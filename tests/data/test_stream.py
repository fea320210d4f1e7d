"""Detectron2's mappers and loaders beside this collection's."""

from __future__ import annotations

import random
from itertools import islice

import numpy as np
import pytest
import torch
from detectron2.data import DatasetFromList, DatasetMapper
from detectron2.data import build_detection_train_loader as detectron2_loader
from detectron2.data import transforms as T

from d2ext.data import DetectionMapper, GroundingMapper
from d2ext.data.formats import load_mono3drefer
from d2ext.data.stream import DrawingMapper, build_train_loader


@pytest.fixture
def records(shared_dir):
    return load_mono3drefer(shared_dir / "data/mono3drefer", "train")


@pytest.mark.parametrize("kind", [DetectionMapper, GroundingMapper])
def test_a_mapper_works_in_detectron2s_loader(cfg, records, kind):
    loader = detectron2_loader(
        DatasetFromList(records),
        mapper=kind(cfg, True),
        total_batch_size=2,
        num_workers=0,
        aspect_ratio_grouping=False,
    )
    batch = next(iter(loader))
    assert len(batch) == 2 and all(x["image"].dtype == torch.uint8 and len(x["instances"]) for x in batch)


def detectron2_mapper() -> DatasetMapper:
    crop = T.RandomCrop("relative_range", (0.5, 0.5))
    return DatasetMapper(True, augmentations=[crop, T.RandomFlip()], image_format="BGR")


@pytest.mark.parametrize("workers", [0, 2])
def test_detectron2s_mapper_gives_one_stream_for_any_number_of_workers_and_any_start(cfg, records, workers):
    cfg.DATALOADER.NUM_WORKERS, cfg.SOLVER.IMS_PER_BATCH = 0, 2
    expected = list(islice(build_train_loader(cfg, [records], detectron2_mapper()), 3))
    assert len({x["image"].shape for batch in expected for x in batch}) > 1  # it draws
    cfg.DATALOADER.NUM_WORKERS = workers
    again = list(islice(build_train_loader(cfg, [records], detectron2_mapper(), start_iter=1), 2))
    for one, two in zip(expected[1:], again, strict=True):
        assert all(torch.equal(a["image"], b["image"]) for a, b in zip(one, two, strict=True))


@pytest.mark.parametrize("workers", [0, 2])
def test_the_images_of_a_batch_have_one_of_the_sizes_to_train_with(cfg, records, workers):
    """Whatever their own, and the same in a loader that begins later."""
    cfg.INPUT.TRAIN_SIZES = [[64, 192], [96, 128], [128, 160]]
    cfg.DATALOADER.NUM_WORKERS, cfg.SOLVER.IMS_PER_BATCH = workers, 3
    mapper = GroundingMapper(cfg, True)
    batches = list(islice(build_train_loader(cfg, [records], mapper), 12))
    sizes = [{tuple(x["image"].shape[-2:]) for x in batch} for batch in batches]
    assert all(len(size) == 1 for size in sizes)
    assert {size for one in sizes for size in one} == {(64, 192), (96, 128), (128, 160)}
    again = next(iter(build_train_loader(cfg, [records], mapper, start_iter=7)))
    assert all(torch.equal(a["image"], b["image"]) for a, b in zip(batches[7], again, strict=True))


def test_global_generators_are_left_as_they_were():
    def draws(record):
        return {"drawn": (random.random(), np.random.rand(), torch.rand(1).item())}

    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    expected = random.random(), np.random.rand(), torch.rand(1).item()
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    mapper = DrawingMapper(draws)
    first, second = (mapper({}, np.random.default_rng(seed))["drawn"] for seed in (3, 4))
    assert first == mapper({}, np.random.default_rng(3))["drawn"] != second
    assert expected == (random.random(), np.random.rand(), torch.rand(1).item())


def test_a_mapper_without_a_generator_follows_numpys(cfg, records):
    mapper = DetectionMapper(cfg, True)
    np.random.seed(5)
    first, second = mapper(records[0]), mapper(records[0])
    np.random.seed(5)
    assert torch.equal(mapper(records[0])["image"], first["image"])
    assert not torch.equal(first["image"], second["image"])
