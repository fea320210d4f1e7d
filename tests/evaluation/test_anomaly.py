"""Figures of anomaly maps against loops over thresholds and pairs in float64."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from detectron2.data import DatasetCatalog, MetadataCatalog
from scipy import ndimage

from d2ext.evaluation import AnomalyEvaluator
from d2ext.evaluation.anomaly import area, best_f1, false_positive_rates


@pytest.fixture
def dataset():
    MetadataCatalog.get("toy_anomalies").set(evaluator_type="mvtec_ad")
    yield "toy_anomalies"
    MetadataCatalog.remove("toy_anomalies")


def _images(seed: int = 0, count: int = 6) -> tuple[list[dict], list[dict]]:
    rng = np.random.default_rng(seed)
    inputs, outputs = [], []
    for number in range(count):
        mask = ndimage.binary_dilation(rng.random((20, 24)) > 0.99, iterations=2)
        if number % 2 == 0:
            mask[:] = False
        values = (rng.random(mask.shape) + 0.6 * mask).astype(np.float32)
        kind = ("good", "hole", "good", "dent")[number % 4]
        inputs.append(
            {"image_id": str(number), "mask": torch.from_numpy(mask), "label": number % 2, "kind": kind}
        )
        outputs.append({"anomaly_map": torch.from_numpy(values), "score": float(values.max())})
    return inputs, outputs


def _naive_aupro(inputs: list[dict], outputs: list[dict], limit: float) -> float:
    """The curve point by point, over every value as threshold, each region counted on its own."""
    masks = [x["mask"].numpy() for x in inputs]
    maps = [x["anomaly_map"].double().numpy() for x in outputs]
    parts = []
    for number, mask in enumerate(masks):
        labels, count = ndimage.label(mask, np.ones((3, 3)))
        parts += [maps[number][labels == i] for i in range(1, count + 1)]
    normal = np.concatenate([m[~k] for m, k in zip(maps, masks, strict=True)])
    total, last_rate = 0.0, 0.0
    for threshold in sorted(np.concatenate([m.ravel() for m in maps]), reverse=True):
        rate = (normal >= threshold).mean()
        overlap = np.mean([(part >= threshold).mean() for part in parts])
        step = min(rate, limit) - min(last_rate, limit)
        total += step * overlap  # no two values are equal: it does not change while the rate does
        last_rate = rate
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


def test_equal_values_count_half():
    rates = false_positive_rates(np.array([0.0, 1.0, 1.0, 2.0]), np.array([1.0, 3.0, -1.0]))
    assert rates.tolist() == [0.5, 0.0, 1.0]
    assert area(rates, 1.0) == pytest.approx(0.5)
    assert area(rates, 0.25) == pytest.approx(1 / 3)


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
