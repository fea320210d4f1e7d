"""Figures of anomaly maps against loops over thresholds and pairs in float64."""

from __future__ import annotations

import json
import resource
import time

import numpy as np
import pytest
import torch
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.utils import comm
from scipy import ndimage

from d2ext.data.image_io import read_image
from d2ext.evaluation import AnomalyEvaluator
from d2ext.evaluation.anomaly import best_f1
from d2ext.evaluation.rates import area


@pytest.fixture
def dataset():
    MetadataCatalog.get("toy_anomalies").set(evaluator_type="mvtec_ad")
    yield "toy_anomalies"
    MetadataCatalog.remove("toy_anomalies")


def _images(seed: int = 0, count: int = 6, steps: int = 0) -> tuple[list[dict], list[dict]]:
    """Every second one abnormal; with ``steps`` the maps have so many values between 0 and 1 only."""
    rng = np.random.default_rng(seed)
    inputs, outputs = [], []
    for number in range(count):
        mask = ndimage.binary_dilation(rng.random((20, 24)) > 0.99, iterations=2)
        if number % 2 == 0:
            mask[:] = False
        values = (rng.random(mask.shape) + 0.6 * mask).astype(np.float32)
        if steps:
            values = np.round(values * steps) / steps
        kind = ("good", "hole", "good", "dent")[number % 4]
        inputs.append(
            {"image_id": str(number), "mask": torch.from_numpy(mask), "label": number % 2, "kind": kind}
        )
        outputs.append({"anomaly_map": torch.from_numpy(values), "score": float(values.max())})
    return inputs, outputs


def _naive_aupro(inputs: list[dict], outputs: list[dict], limit: float) -> float:
    """The curve threshold by threshold, each region counted on its own; trapezoids, the last one cut off."""
    masks = [x["mask"].numpy() for x in inputs]
    maps = [x["anomaly_map"].double().numpy() for x in outputs]
    parts = []
    for number, mask in enumerate(masks):
        labels, count = ndimage.label(mask, np.ones((3, 3)))
        parts += [maps[number][labels == i] for i in range(1, count + 1)]
    normal = np.concatenate([m[~k] for m, k in zip(maps, masks, strict=True)])
    total, last_rate, last_overlap = 0.0, 0.0, 0.0
    for threshold in np.unique(np.concatenate([m.ravel() for m in maps]))[::-1]:
        rate = (normal >= threshold).mean()
        overlap = np.mean([(part >= threshold).mean() for part in parts])
        if rate >= limit:
            slope = (overlap - last_overlap) / (rate - last_rate)
            overlap, rate = last_overlap + slope * (limit - last_rate), limit
        total += (rate - last_rate) * (overlap + last_overlap) / 2
        last_rate, last_overlap = rate, overlap
        if rate == limit:
            break
    return 100 * total / limit


def test_figures_equal_those_of_loops(dataset, tmp_path):
    inputs, outputs = _images()
    evaluator = AnomalyEvaluator(dataset, tmp_path)
    evaluator.reset()
    evaluator.process(inputs, outputs)
    found = evaluator.evaluate()["anomaly"]
    assert found["AUPRO"] == pytest.approx(_naive_aupro(inputs, outputs, 0.3), abs=1e-9)
    masks = np.stack([x["mask"].numpy() for x in inputs])
    maps = np.stack([x["anomaly_map"].double().numpy() for x in outputs])
    pairs = maps[masks][:, None] > maps[~masks][None]
    assert found["pixel AUROC"] == pytest.approx(100 * pairs.mean(), abs=1e-9)
    scores = np.array([x["score"] for x in outputs])
    pairs = scores[1::2][:, None] > scores[::2][None]
    assert found["image AUROC"] == pytest.approx(100 * pairs.mean(), abs=1e-9)
    assert {"hole/AUPRO", "dent/AUPRO"} <= found.keys() and "good/AUPRO" not in found
    assert json.loads((tmp_path / "metrics.json").read_text()) == {"anomaly": found}
    rows = json.loads((tmp_path / "predictions.json").read_text())
    assert [row["score"] for row in rows] == scores.tolist()


def test_a_kind_is_compared_with_all_normal_images(dataset):
    inputs, outputs = _images(count=8)
    evaluator = AnomalyEvaluator(dataset)
    evaluator.process(inputs, outputs)
    whole = evaluator.evaluate()["anomaly"]
    evaluator.reset()
    kept = [i for i in range(8) if inputs[i]["kind"] in ("good", "hole")]
    evaluator.process([inputs[i] for i in kept], [outputs[i] for i in kept])
    part = evaluator.evaluate()["anomaly"]
    for name in ("image AUROC", "pixel AUROC", "AUPRO", "F1"):
        assert whole[f"hole/{name}"] == part[name]


@pytest.mark.parametrize("steps", [1, 2, 7, 50])
def test_aupro_of_equal_values_is_the_area_under_trapezoids(dataset, steps):
    inputs, outputs = _images(seed=steps, steps=steps)
    evaluator = AnomalyEvaluator(dataset)
    evaluator.process(inputs, outputs)
    found = evaluator.evaluate()["anomaly"]["AUPRO"]
    assert found == pytest.approx(_naive_aupro(inputs, outputs, 0.3), abs=1e-9)


def test_a_map_without_information_has_the_area_under_the_diagonal():
    normal = np.zeros(1000)
    regions = [np.zeros(1), np.zeros(5)]
    assert area(normal, regions) == pytest.approx(0.5)
    assert area(normal, regions, 0.3) == pytest.approx(0.15)


def test_regions_count_alike_whatever_their_size():
    normal = np.zeros(10)
    assert area(normal, [np.ones(1), -np.ones(99)]) == pytest.approx(0.5)


def test_a_region_goes_on_over_corners(dataset):
    mask = np.eye(8, dtype=bool)
    evaluator = AnomalyEvaluator(dataset)
    evaluator.process(
        [{"image_id": "0", "mask": torch.from_numpy(mask), "label": 1, "kind": "line"}],
        [{"anomaly_map": torch.from_numpy(mask * 2.0), "score": 2.0}],
    )
    assert len(evaluator._rows[0]["regions"]) == 1


def test_images_count_once_over_processes(dataset, monkeypatch):
    inputs, outputs = _images()
    evaluators = []
    for chosen in (slice(None), slice(0, 4), slice(3, 6)):
        evaluators.append(AnomalyEvaluator(dataset))
        evaluators[-1].process(inputs[chosen], outputs[chosen])
    whole, first, second = evaluators
    expected = whole.evaluate()
    monkeypatch.setattr(comm, "gather", lambda rows, dst: [first._rows, second._rows])
    assert first.evaluate() == expected
    monkeypatch.setattr(comm, "is_main_process", lambda: False)
    assert second.evaluate() == {}


def test_normal_images_alone_have_no_figures(dataset):
    inputs, outputs = _images()
    evaluator = AnomalyEvaluator(dataset)
    evaluator.process(inputs[::2], outputs[::2])
    assert evaluator.evaluate() == {"anomaly": {}}


def test_broken_images_that_are_skipped_are_counted(dataset, monkeypatch):
    """A recording is left out when none of its graphs is there."""
    names = ["0", "1", "2", "3", "4@0", "4@192"]
    inputs, outputs = _images()
    inputs = [record | {"image_id": name} for record, name in zip(inputs, names, strict=True)]
    evaluator = AnomalyEvaluator(dataset)
    evaluator.records = [{"image_id": str(i)} for i in range(7)]
    evaluator.process(inputs[1:], outputs[1:])
    expected = evaluator.evaluate()
    assert set(expected) == {"anomaly"}
    monkeypatch.setenv("D2EXT_SKIP_BROKEN", "1")
    assert evaluator.evaluate() == expected | {"images": {"evaluated": 4, "left out": 3}}


def test_heat_maps_are_written_by_image(dataset, tmp_path):
    inputs, outputs = _images(count=2)
    inputs[1]["image_id"] = "hole/001"
    evaluator = AnomalyEvaluator(
        dataset, tmp_path, lambda record, _: np.full((4, 5, 3), record["label"], np.uint8)
    )
    evaluator.process(inputs, outputs)
    assert (read_image(tmp_path / "heat_maps/hole/001.png") == np.ones((4, 5, 3))).all()
    assert (read_image(tmp_path / "heat_maps/0.png") == 0).all()


def test_the_fixed_threshold_is_judged_beside_the_best(dataset, tmp_path):
    """Normal 1, 2, 4 and abnormal 3, 5, 6 against 3.5: two hits, one false alarm, one missed."""
    inputs, outputs = _images()
    for score, output in zip((1, 3, 2, 5, 4, 6), outputs, strict=True):
        output |= {"score": float(score), "threshold": 3.5}
    evaluator = AnomalyEvaluator(dataset, tmp_path)
    evaluator.process(inputs, outputs)
    found = evaluator.evaluate()["anomaly"]
    expected = {"threshold": 3.5, "precision": 200 / 3, "recall": 200 / 3, "F1": 200 / 3}
    assert {name: found[f"fixed {name}"] for name in expected} == pytest.approx(expected)
    assert found["threshold"] == 3.0 and found["F1"] == pytest.approx(600 / 7)
    rows = json.loads((tmp_path / "predictions.json").read_text())
    assert {row["threshold"] for row in rows} == {3.5}
    for output in outputs:
        output["threshold"] = 9.0
    evaluator.reset()
    evaluator.process(inputs, outputs)
    found = evaluator.evaluate()["anomaly"]
    assert found["fixed recall"] == found["fixed F1"] == 0 and "fixed precision" not in found


@pytest.mark.slow
def test_500_graphs_of_256_pixels_take_less_than_a_minute_and_2_gib_more(dataset):
    rng = np.random.default_rng(0)
    evaluator = AnomalyEvaluator(dataset)
    mask = np.zeros((256, 256), bool)
    mask[100:140, 50:60] = True
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    for number in range(500):
        abnormal = number % 2
        record = {
            "image_id": str(number),
            "mask": torch.from_numpy(mask & bool(abnormal)),
            "label": abnormal,
            "kind": f"kind {number % 20}" if abnormal else "good",
        }
        evaluator.process(
            [record], [{"anomaly_map": torch.from_numpy(rng.random((256, 256), np.float32)), "score": 0.5}]
        )
    assert evaluator.evaluate()["anomaly"]["pixel AUROC"] == pytest.approx(50, abs=0.5)
    assert time.process_time() - start < 60
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2 * 2**20


def test_best_f1_equals_the_best_of_all_thresholds():
    rng = np.random.default_rng(3)
    for _ in range(20):
        scores = rng.integers(0, 8, 30) / 4
        labels = rng.random(30) < 0.3
        labels[0] = True
        expected = max(
            2 * (labels & (scores >= t)).sum() / ((scores >= t).sum() + labels.sum()) for t in scores
        )
        best, threshold = best_f1(scores, labels)
        found = scores >= threshold
        assert best == pytest.approx(expected)
        assert 2 * (labels & found).sum() / (found.sum() + labels.sum()) == pytest.approx(expected)


def test_another_kind_of_dataset_is_refused():
    assert "kitti_val" in DatasetCatalog
    with pytest.raises(ValueError, match="'kitti_val': expected data for .*, got 'kitti'"):
        AnomalyEvaluator("kitti_val")
