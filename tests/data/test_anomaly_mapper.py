"""Images and graphs for anomaly detection: what is drawn, which label it gets, and who sees which record."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from detectron2.config import CfgNode, get_cfg
from detectron2.data import DatasetCatalog, MetadataCatalog

from d2ext.data.anomaly_mapper import AnomalyMapper, graph_records, graph_spec, normal_records
from d2ext.data.build import build_anomaly_test_loader, build_anomaly_train_loader, build_normal_loader
from d2ext.data.builtin import register_dataset
from d2ext.data.config import add_anomaly_data_config, add_grounding_data_config
from d2ext.data.formats import load_mvtec_ad, load_trajectories
from d2ext.data.synthtraffic.generate import generate


@pytest.fixture(scope="module")
def traffic(tmp_path_factory) -> Path:
    """SynthTraffic: 4 recordings to train on, 1 for validation, 2 in the test set, one of them abnormal."""
    root = tmp_path_factory.mktemp("synthtraffic")
    generate(root, 3, 4, 1, 2, progress=False)
    return root


@pytest.fixture
def cfg() -> CfgNode:
    cfg = get_cfg()
    add_grounding_data_config(cfg)
    add_anomaly_data_config(cfg)
    cfg.SEED = 1
    cfg.INPUT.SIZE = (256, 256)
    cfg.SOLVER.IMS_PER_BATCH = 1
    cfg.DATALOADER.NUM_WORKERS = 0
    for key in ("BRIGHTNESS", "CONTRAST", "SATURATION"):
        cfg.INPUT.COLOR_JITTER[key] = 0.0
    return cfg


@pytest.fixture
def registered(traffic):
    """The splits as ``flow_train``, ``flow_val`` and ``flow_test``; yields the names."""
    names = {split: f"flow_{split}" for split in ("train", "val", "test")}
    for split, name in names.items():
        register_dataset(name, "trajectories", traffic / "trajectories", split)
    yield names
    for name in names.values():
        DatasetCatalog.remove(name)
        MetadataCatalog.remove(name)


def test_a_recording_gives_the_graph_and_mask_of_the_image_folder(cfg, traffic):
    """SynthTraffic writes both; the files are drawn when it is made."""
    mapper = AnomalyMapper(cfg, False)
    recordings = graph_records(load_trajectories(traffic / "trajectories", "test"), graph_spec(cfg), 256, 64)
    images = {r["image_id"].split("/")[1]: r for r in load_mvtec_ad(traffic / "mvtec_ad/arterial", "test")}
    assert len(recordings) == len(images) == 2
    for record in recordings:
        drawn, read = mapper(record), mapper(images[record["image_id"]])
        assert torch.equal(drawn["image"], read["image"]) and torch.equal(drawn["mask"], read["mask"])
        assert (drawn["label"], drawn["kind"]) == (read["label"], read["kind"])
        assert drawn["label"] == int(drawn["mask"].any())


def test_a_long_recording_gives_graphs_that_cover_it_with_labels_of_their_own(cfg, tmp_path):
    rows = [f"1,{t / 5},1,{50 + t / 5}" for t in range(0, 1280)]
    folder = tmp_path / "test"
    folder.mkdir()
    (folder / "long.csv").write_text("track_id,time,lane,position\n" + "\n".join(rows) + "\n")
    anomaly = {"kind": "stopped", "tracks": [{"id": "1", "start": 200, "end": 210}]}
    (folder / "long.json").write_text(json.dumps({"anomalies": [anomaly]}))
    records = graph_records(load_trajectories(tmp_path, "test"), graph_spec(cfg), 256, 64)
    assert [r["image_id"] for r in records] == ["long@0", "long@192", "long@256"]
    found = [AnomalyMapper(cfg, False)(record) for record in records]
    assert [(x["label"], x["kind"]) for x in found] == [(0, "good"), (1, "stopped"), (1, "stopped")]
    # 200 to 210 s at 0.5 s a column, and the mask's margin
    columns = found[2]["mask"].any(0).nonzero()[:, 0] + 256
    assert columns.min() == 400 - 2 and columns.max() == 420 + 2


@pytest.mark.parametrize("count, share", [(10, 0.1), (30, 0.1), (7, 0.5), (9, 0.3)])
def test_the_parts_of_a_dataset_are_disjoint_and_complete(count, share):
    records = [{"label": 0, "file_name": str(i)} for i in range(count)]
    kept, held = (normal_records(records, "d", share, part) for part in (False, True))
    assert sorted((*kept, *held), key=records.index) == records
    assert len(held) == int(round(count * share, 6))


def test_a_part_without_images_and_an_abnormal_record_are_errors():
    records = [{"label": 0, "file_name": "a.png"}, {"label": 0, "file_name": "b.png"}]
    with pytest.raises(ValueError, match="'d': of its 2 images none is held out, DATASETS.HELD_OUT is 0.1"):
        normal_records(records, "d", 0.1, True)
    records[1]["label"] = 1
    for part in (False, True):
        with pytest.raises(ValueError, match="dataset 'd': b.png: an anomaly, expected normal data"):
            normal_records(records, "d", 0.5, part)


def _seen(batches) -> set[str]:
    return {x["file_name"] for batch in batches for x in batch}


def _files(name: str) -> list[str]:
    return [record["file_name"] for record in DatasetCatalog.get(name)]


def test_each_step_sees_its_own_records_only(cfg, registered):
    cfg.DATASETS.TRAIN = (registered["train"],)
    cfg.DATASETS.TEST = (registered["test"],)
    cfg.DATASETS.HELD_OUT = 0.25
    stream = iter(build_anomaly_train_loader(cfg))
    trained = _seen([next(stream) for _ in range(12)])
    train = _files(registered["train"])
    assert trained == _seen(build_normal_loader(cfg, held_out=False)) == set(train[:3])
    assert _seen(build_normal_loader(cfg, held_out=True)) == {train[3]}
    cfg.DATASETS.NORMAL = (registered["val"],)
    assert _seen(build_normal_loader(cfg, held_out=False)) == set(train)
    assert _seen(build_normal_loader(cfg, held_out=True)) == set(_files(registered["val"]))
    assert _seen(build_anomaly_test_loader(cfg, registered["test"])) == set(_files(registered["test"]))


@pytest.mark.parametrize("key, held_out", [("TRAIN", False), ("NORMAL", True)])
def test_a_test_set_cannot_be_trained_on_or_normalised_with(cfg, registered, key, held_out):
    cfg.DATASETS.TRAIN = (registered["train"],)
    cfg.DATASETS[key] = (registered["test"],)
    with pytest.raises(ValueError, match=r"dataset 'flow_test': .*000001.csv: an anomaly, expected normal"):
        build_normal_loader(cfg, held_out)
    cfg.DATASETS.NORMAL = cfg.DATASETS.TRAIN
    with pytest.raises(ValueError, match="DATASETS.NORMAL: .* is in DATASETS.TRAIN too"):
        build_normal_loader(cfg, True)


def test_training_inputs_have_no_labels_and_the_published_extras(cfg, traffic, tmp_path):
    record = load_mvtec_ad(traffic / "mvtec_ad/arterial", "train")[0]
    plain = AnomalyMapper(cfg, True)(record, np.random.default_rng(0))
    assert set(plain) == {"file_name", "image_id", "image"}
    cv2.imwrite(str(tmp_path / "other.png"), np.full((40, 60, 3), (10, 60, 200), np.uint8))
    cfg.INPUT.PENALTY_FOLDER = str(tmp_path)
    cfg.INPUT.COLOR_JITTER.CONTRAST = 0.2
    mapper = AnomalyMapper(cfg, True)
    drawn = [mapper(record, np.random.default_rng(seed)) for seed in range(40)]
    assert all(torch.equal(x["image"], plain["image"]) for x in drawn)
    changed = sum(not torch.equal(x["branch_image"], x["image"]) for x in drawn)
    assert 4 <= changed <= 24  # one of three changes, of which contrast alone is on
    gray = sum(bool((x["penalty_image"][0] == x["penalty_image"][2]).all()) for x in drawn)
    assert 4 <= gray <= 22
    assert all(x["penalty_image"].shape == (3, 256, 256) for x in drawn)


def test_a_missing_penalty_folder_is_one_line(cfg, tmp_path):
    cfg.INPUT.PENALTY_FOLDER = str(tmp_path)
    with pytest.raises(FileNotFoundError, match="expected a folder of images"):
        AnomalyMapper(cfg, True)


def test_graph_keys_that_cannot_be_are_one_line(cfg):
    cfg.INPUT.GRAPH.TOP_SPEED = 0.0
    with pytest.raises(ValueError, match="INPUT.GRAPH: top_speed must be positive, got 0.0"):
        AnomalyMapper(cfg, True)
