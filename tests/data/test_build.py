from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from detectron2.data import DatasetCatalog, DatasetFromList, MetadataCatalog

from d2ext.data.build import (
    build_detection_test_loader,
    build_detection_train_loader,
    build_grounding_test_loader,
    build_grounding_train_loader,
)
from d2ext.data.builtin import register_dataset
from d2ext.data.stream import ShardedBatches, TrainingStream, interleave
from d2ext.structures.vocabulary import ROAD


@pytest.fixture
def datasets(shared_dir):
    names = {"kitti_for_test": ("mono3drefer", "train"), "rope_for_test": ("monomulti3d", "train")}
    for name, (kind, split) in names.items():
        register_dataset(name, kind, shared_dir / "data" / kind, split)
    yield tuple(names)
    for name in names:
        DatasetCatalog.remove(name)
        MetadataCatalog.remove(name)


@pytest.fixture
def loader_cfg(cfg, datasets):
    cfg.DATASETS.TRAIN = datasets
    return cfg


def fingerprint(batch: list[dict[str, Any]]) -> list[tuple]:
    return [
        (
            sample["image_id"],
            sample["sentences"],
            sample["camera"].P.tolist(),
            int(sample["image"].long().sum()),
            sample["instances"].gt_boxes.tensor.tolist(),
            [targets.tolist() for targets in sample["sentence_targets"]],
        )
        for sample in batch
    ]


def stream(cfg, count: int, start: int = 0) -> list[list[tuple]]:
    return [fingerprint(batch) for batch in islice(build_grounding_train_loader(cfg, start), count)]


def test_resuming_continues_the_stream(loader_cfg):
    whole = stream(loader_cfg, 9)
    for start in (1, 5, 8):
        assert stream(loader_cfg, 9 - start, start) == whole[start:]
    loader_cfg.SEED += 1
    assert stream(loader_cfg, 9) != whole


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_workers_change_nothing(loader_cfg):
    whole = stream(loader_cfg, 5)
    for workers in (1, 3):
        loader_cfg.DATALOADER.NUM_WORKERS = workers
        assert stream(loader_cfg, 5) == whole


def test_ranks_share_one_global_batch(loader_cfg, monkeypatch):
    whole = stream(loader_cfg, 4)
    parts = []
    for rank in range(2):
        monkeypatch.setattr("d2ext.data.stream.comm.get_rank", lambda rank=rank: rank)
        monkeypatch.setattr("d2ext.data.stream.comm.get_world_size", lambda: 2)
        parts.append(stream(loader_cfg, 4))
    assert [one + two for one, two in zip(*parts, strict=True)] == whole


def numbered_batches(processes: int, start: int, end: int) -> list[list[tuple]]:
    """What all processes together get in batches of 4 from 7 numbered images: (image, random draw) pairs."""
    images = DatasetFromList([{"number": i} for i in range(7)])
    stream = TrainingStream([images], [1.0], lambda image, rng: (image["number"], rng.random()), 4, seed=2)
    shares = [ShardedBatches(4, start, rank, processes) for rank in range(processes)]
    batches = islice(zip(*shares, strict=True), end - start)
    return [[stream[item] for share in batch for item in share] for batch in batches]


def test_every_image_comes_once_an_epoch_though_batches_cross_its_end():
    samples = [image for batch in numbered_batches(2, 0, 14) for image, _ in batch]
    epochs = [samples[i : i + 7] for i in range(0, len(samples), 7)]
    assert len(epochs) == 8 and all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 4


@pytest.mark.parametrize("processes", [1, 2, 4])
def test_resuming_inside_an_epoch_on_any_number_of_processes_continues_the_stream(processes):
    whole = numbered_batches(1, 0, 12)
    for start in (1, 6):
        assert numbered_batches(processes, start, 12) == whole[start:]


def test_the_global_random_state_is_left_alone(loader_cfg):
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    stream(loader_cfg, 2)
    assert torch.equal(torch.rand(3), expected)


def test_batches_are_of_one_dataset_and_every_image_comes_once_an_epoch(loader_cfg):
    loader_cfg.SOLVER.IMS_PER_BATCH = 5
    loader_cfg.INPUT.SCALE_RANGE = (1.0, 1.0)  # nothing is cropped away, so nothing is replaced
    batches = stream(loader_cfg, 12)
    kinds = [{image.startswith("0000") for image, *_ in batch} for batch in batches]
    assert all(len(kind) == 1 for kind in kinds)
    kitti = [batch for batch, kind in zip(batches, kinds, strict=True) if kind == {True}]
    assert len(kitti) == 10  # 5 of 6 images are KITTI's
    for batch in kitti:
        assert len({image for image, *_ in batch}) == 5
    assert len({tuple(image for image, *_ in batch) for batch in kitti}) > 5  # orders differ


def test_weights(loader_cfg):
    loader_cfg.DATALOADER.DATASET_WEIGHTS = (1, 3)
    kinds = Counter(batch[0][0].startswith("0000") for batch in stream(loader_cfg, 8))
    assert kinds == {True: 2, False: 6}
    loader_cfg.DATALOADER.DATASET_WEIGHTS = (1,)
    with pytest.raises(ValueError, match="DATASET_WEIGHTS: expected one per dataset"):
        build_grounding_train_loader(loader_cfg)
    loader_cfg.DATALOADER.DATASET_WEIGHTS = (1, 0)
    with pytest.raises(ValueError, match="DATASET_WEIGHTS: expected .* greater than 0"):
        build_grounding_train_loader(loader_cfg)


@pytest.mark.parametrize("weights", [[1.0], [5, 1], [1, 1e6], [2025, 40000, 50000]])
def test_cycle_is_proportional_and_even(weights):
    cycle = interleave(weights)
    for index, weight in enumerate(weights):
        mine = cycle == index
        share = weight / sum(weights)
        assert mine.any()
        assert mine.mean() == pytest.approx(share, abs=0.002)
        ahead = np.abs(np.cumsum(mine) - mine.mean() * np.arange(1, len(cycle) + 1))
        assert ahead.max() <= len(weights)


def test_a_crop_without_sentences_is_replaced(loader_cfg):
    loader_cfg.DATASETS.TRAIN = ("rope_for_test",)
    loader_cfg.INPUT.SCALE_RANGE = (1.0, 1.6)
    assert all(sample[1] for batch in stream(loader_cfg, 5) for sample in batch)
    loader_cfg.INPUT.SCALE_RANGE = (200.0, 200.0)
    with pytest.raises(ValueError, match="no image keeps a sentence after cropping"):
        stream(loader_cfg, 1)


def test_batch_must_be_divisible():
    with pytest.raises(ValueError, match="IMS_PER_BATCH: expected a multiple of 3 processes, got 4"):
        ShardedBatches(4, world_size=3)


def test_loader_for_testing_gives_every_image_once(loader_cfg, datasets):
    batches = list(build_grounding_test_loader(loader_cfg, datasets[0]))
    expected = [record["image_id"] for record in DatasetCatalog.get(datasets[0])]
    assert [len(batch) for batch in batches] == [1] * 5
    assert [batch[0]["image_id"] for batch in batches] == expected
    batches = list(build_grounding_test_loader(loader_cfg, datasets[0], batch_size=2))
    assert [sample["image_id"] for batch in batches for sample in batch] == expected


@pytest.mark.parametrize("batch_size", [1, 2])
@pytest.mark.parametrize("processes", [1, 2, 3, 5, 8])
def test_processes_evaluate_every_image_once_and_in_order(cfg, monkeypatch, processes, batch_size):
    DatasetCatalog.register("seven_for_test", lambda: [{"number": i} for i in range(7)])
    try:
        monkeypatch.setattr("detectron2.utils.comm.get_world_size", lambda: processes)
        images = []
        for rank in range(processes):
            monkeypatch.setattr("detectron2.utils.comm.get_rank", lambda rank=rank: rank)
            loader = build_grounding_test_loader(cfg, "seven_for_test", batch_size)
            images += [image for batch in loader.batch_sampler for image in batch]
    finally:
        DatasetCatalog.remove("seven_for_test")
    assert images == list(range(7))


@pytest.fixture
def detection_cfg(loader_cfg, shared_dir):
    register_dataset("detection_for_test", "rope3d", shared_dir / "data" / "rope3d", "train")
    loader_cfg.DATASETS.TRAIN = ("detection_for_test",)
    yield loader_cfg
    DatasetCatalog.remove("detection_for_test")
    MetadataCatalog.remove("detection_for_test")


def test_detection_keeps_images_without_sentences(detection_cfg):
    with pytest.raises(ValueError, match="'detection_for_test': no image has a sentence"):
        build_grounding_train_loader(detection_cfg)
    loader = build_detection_train_loader(detection_cfg)
    whole = [[sample["camera"].P.tolist() for sample in batch] for batch in islice(loader, 3)]
    loader = build_detection_train_loader(detection_cfg, start_iter=1)
    assert [[s["camera"].P.tolist() for s in batch] for batch in islice(loader, 2)] == whole[1:]
    ((sample,),) = build_detection_test_loader(detection_cfg, "detection_for_test")
    assert sample["box_plane"] is not None and "sentences" not in sample
    detection_cfg.INPUT.SCALE_RANGE = (500.0, 500.0)
    with pytest.raises(ValueError, match="no image keeps an object after cropping"):
        next(iter(build_detection_train_loader(detection_cfg)))


def test_a_detector_learns_the_chosen_classes_only(detection_cfg, shared_dir):
    detection_cfg.INPUT.SCALE_RANGE = (1.0, 1.0)
    (label,) = (shared_dir / "data/rope3d/training/label_2").glob("*.txt")
    types = Counter(line.split()[0] for line in label.read_text().splitlines())
    assert types["trafficcone"] > types["car"] > types["cyclist"] > 0
    for chosen in (["car", "cyclist"], ["trafficcone"], []):
        detection_cfg.INPUT.CLASSES = chosen
        sample = next(iter(build_detection_train_loader(detection_cfg)))[0]
        names = Counter(ROAD.names[i] for i in sample["instances"].gt_classes.tolist())
        assert names == {name: count for name, count in types.items() if name in (chosen or types)}
    detection_cfg.INPUT.CLASSES = ["tram"]
    with pytest.raises(ValueError, match="'detection_for_test': no image has an object"):
        build_detection_train_loader(detection_cfg)
    detection_cfg.INPUT.CLASSES = ["automobile"]
    with pytest.raises(ValueError, match="INPUT.CLASSES: unknown class 'automobile', expected one of car"):
        build_detection_train_loader(detection_cfg)
