"""Figures at the images' own size against loops over thresholds on maps that are enlarged by hand."""

from __future__ import annotations

import resource

import numpy as np
import pytest
import torch
from detectron2.data import MetadataCatalog
from scipy import ndimage

from d2ext.evaluation import AnomalyEvaluator, original_size
from d2ext.evaluation.original_size import Original, original_figures

NAMES = ("original pixel AUROC", "original AUPRO")


@pytest.fixture
def dataset():
    MetadataCatalog.get("toy_originals").set(evaluator_type="mvtec_ad")
    yield "toy_originals"
    MetadataCatalog.remove("toy_originals")


def _enlarge(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bilinear between the middles of the pixels, one axis after the other, in float64."""
    values = values.astype(np.float64)
    for axis, length in enumerate(size):
        old = values.shape[axis]
        place = ((np.arange(length) + 0.5) * old / length - 0.5).clip(0, old - 1)
        low = np.minimum(place.astype(int), old - 2)
        share = np.expand_dims(place - low, 1 - axis)
        values = (1 - share) * values.take(low, axis) + share * values.take(low + 1, axis)
    return values


def _naive(maps: list[np.ndarray], masks: list[np.ndarray], limit: float, by_region: bool) -> float:
    """The curve threshold by threshold: trapezoids, the last one cut off."""
    parts = []
    for heat, mask in zip(maps, masks, strict=True):
        labels, count = ndimage.label(mask, np.ones((3, 3)))
        parts += [heat[labels == i] for i in range(1, count + 1)]
    if not by_region:
        parts = [np.concatenate(parts)]
    normal = np.concatenate([m[~k] for m, k in zip(maps, masks, strict=True)])
    total, last_rate, last_found = 0.0, 0.0, 0.0
    for threshold in np.unique(np.concatenate([m.ravel() for m in maps]))[::-1]:
        rate = (normal >= threshold).mean()
        found = np.mean([(part >= threshold).mean() for part in parts])
        if rate >= limit:
            found = last_found + (found - last_found) / (rate - last_rate) * (limit - last_rate)
            rate = limit
        total += (rate - last_rate) * (found + last_found) / 2
        last_rate, last_found = rate, found
        if rate == limit:
            break
    return 100 * total / limit


def _images(count: int = 6) -> tuple[list[dict], list[dict]]:
    """Maps of 8 x 6 whole numbers; images twice and four times as large, so that enlarged values are exact;
    of the abnormal ones some have a defect of one pixel."""
    rng = np.random.default_rng(5)
    inputs, outputs = [], []
    for number in range(count):
        size = [(16, 12), (32, 24), (16, 24)][number % 3]
        mask = np.zeros(size, bool)
        if number % 2:
            mask[3:7, 2 : 4 + number] = True
            mask[size[0] - 2, size[1] - 3] = True
        heat = rng.integers(0, 30, (8, 6)).astype(np.float32)
        heat[1:3, 1:3] += 20 * (number % 2)
        inputs.append(
            {
                "image_id": str(number),
                "label": number % 2,
                "kind": ("good", "hole", "good", "dent")[number % 4],
                "mask": torch.from_numpy(np.zeros((8, 6), bool)),
                "original_mask": torch.from_numpy(mask),
            }
        )
        outputs.append({"anomaly_map": torch.from_numpy(heat), "score": float(heat.max())})
    return inputs, outputs


@pytest.mark.parametrize("most", [original_size.MAX_VALUES, 30, 1])
def test_figures_equal_those_of_loops_in_one_pass_and_in_many(dataset, monkeypatch, most):
    monkeypatch.setattr(original_size, "MAX_VALUES", most)
    inputs, outputs = _images()
    evaluator = AnomalyEvaluator(dataset)
    evaluator.process(inputs, outputs)
    found = evaluator.evaluate()["anomaly"]
    assert "pixel AUROC" not in found  # at their size the masks of this test are empty
    masks = [x["original_mask"].numpy() for x in inputs]
    maps = [_enlarge(y["anomaly_map"].numpy(), m.shape) for y, m in zip(outputs, masks, strict=True)]
    for prefix, kinds in (("", ("good", "hole", "dent")), ("hole/", ("good", "hole"))):
        chosen = [i for i, x in enumerate(inputs) if x["kind"] in kinds]
        some = [maps[i] for i in chosen], [masks[i] for i in chosen]
        assert found[f"{prefix}{NAMES[0]}"] == pytest.approx(_naive(*some, 1.0, False), abs=1e-9)
        assert found[f"{prefix}{NAMES[1]}"] == pytest.approx(_naive(*some, 0.3, True), abs=1e-9)


def test_a_defect_of_one_pixel_counts_as_much_as_any_other():
    """Of two regions, one of a single pixel in 512 x 512, the small one is found and the other is not."""
    mask = np.zeros((512, 512), bool)
    mask[100:300, 100:300] = True
    mask[400, 401] = True
    heat = np.zeros((64, 64), np.float32)
    heat[12:38, 12:38] = -1
    heat[49:52, 49:52] = 1
    row = {"label": 1, "kind": "dot", "original": Original.pack(heat, mask)}
    found = original_figures([row], "all")["all"]
    assert found[NAMES[1]] == pytest.approx(50, abs=0.3) and found[NAMES[0]] < 1
    mask[100:300, 100:300] = False
    row["original"] = Original.pack(heat, mask)
    assert original_figures([row], "all")["all"][NAMES[1]] > 99


def test_images_without_masks_leave_out_their_rows_only(dataset):
    inputs, outputs = _images(8)
    evaluator = AnomalyEvaluator(dataset)
    evaluator.process(inputs, outputs)
    whole = evaluator.evaluate()["anomaly"]
    for x in inputs:
        if x["kind"] == "dent":
            x["mask"] = x["original_mask"] = None
    evaluator.reset()
    evaluator.process(inputs, outputs)
    found = evaluator.evaluate()["anomaly"]
    for name in NAMES:
        assert name in whole and f"dent/{name}" in whole
        assert name not in found and f"dent/{name}" not in found
        assert found[f"hole/{name}"] == whole[f"hole/{name}"]


def test_it_can_be_left_out(dataset):
    evaluator = AnomalyEvaluator(dataset, original_size=False)
    evaluator.process(*_images())
    assert not [name for name in evaluator.evaluate()["anomaly"] if "original" in name]


@pytest.mark.slow
def test_a_category_of_1024_pixels_needs_less_than_512_mib_more(dataset):
    """The maps alone would fill 480 MiB, and 960 MiB in float64."""
    rng = np.random.default_rng(0)
    evaluator = AnomalyEvaluator(dataset)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(120):
        mask = np.zeros((1024, 1024), bool)
        mask[:200, :300] = number % 2
        record = {
            "image_id": str(number),
            "label": number % 2,
            "kind": f"kind {number % 6}" if number % 2 else "good",
            "mask": torch.from_numpy(mask[::4, ::4].copy()),
            "original_mask": torch.from_numpy(mask),
        }
        heat = torch.from_numpy(rng.random((256, 256), np.float32))
        evaluator.process([record], [{"anomaly_map": heat, "score": 0.5}])
    assert evaluator.evaluate()["anomaly"]["original pixel AUROC"] == pytest.approx(50, abs=0.5)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**19
