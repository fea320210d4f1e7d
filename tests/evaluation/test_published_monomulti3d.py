from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.spatial import ConvexHull

from d2ext.evaluation import MatchCounts
from d2ext.evaluation.monomulti3d import (
    CandidateImage,
    box2d_match,
    hull_iou,
    natural_key,
    published_match,
    published_totals,
    split_fields,
)


@pytest.fixture(scope="module")
def golden(golden_dir):
    return json.loads((golden_dir / "monomulti3dvg_f1.json").read_text())


def test_golden_hull_iou(golden):
    for pair, expected in zip(golden["inputs"]["iou"], golden["expected"]["iou"], strict=True):
        assert hull_iou([pair["a"]], [pair["b"]])[0, 0] == pytest.approx(expected, abs=1e-9), pair["kind"]


def test_golden_matching(golden):
    for case, expected in zip(golden["inputs"]["f1"], golden["expected"]["f1"], strict=True):
        counts = published_match(case["pred"], case["gt"], case["iou_threshold"])
        assert (counts.tp, counts.fp, counts.fn) == (expected["tp"], expected["fp"], expected["fn"])
        values = [counts.precision, counts.recall, counts.f1]
        assert values == pytest.approx([expected[k] for k in ("precision", "recall", "f1")], abs=1e-12)


@pytest.mark.parametrize("scenario", [0, 1])
def test_golden_inference(golden, scenario):
    expected = golden["expected"]["inference"][scenario]
    images = [
        CandidateImage(
            name=image["name"],
            candidates=[split_fields(line) for line in image["label_text"].splitlines()],
            logits=image["logits"],
            targets=[[split_fields(t) for t in item["label_3"]] for item in image["description_json"]],
        )
        for image in golden["inputs"]["inference"][scenario]["images"]
    ]
    total = published_totals(images)
    assert (total.tp, total.fp, total.fn) == (expected["TP"], expected["FP"], expected["FN"])
    values = [total.precision, total.recall, total.f1]
    assert values == pytest.approx([expected[k] for k in ("precision", "recall", "f1")], abs=1e-12)
    by_box = published_totals(images, box2d_equality=True)
    assert {"TP": by_box.tp, "FP": by_box.fp, "FN": by_box.fn} == expected["box2d_equality_mode"]
    ordered = sorted((image.name for image in images), key=natural_key)
    assert ordered == sorted(ordered, key=lambda name: int(name.split("_")[1]))


def naive_hull_iou(a: np.ndarray, b: np.ndarray) -> float:
    def corners(box):
        x, y, z, h, w, length, ry = box
        R = np.array([[np.cos(ry), 0, np.sin(ry)], [0, 1, 0], [-np.sin(ry), 0, np.cos(ry)]])
        local = [[i * length, j * h, k * w] for i in (-0.5, 0.5) for j in (-0.5, 0.5) for k in (-0.5, 0.5)]
        return np.array(local) @ R.T + [x, y, z]

    volumes = [ConvexHull(c).volume for c in (corners(a), corners(b), np.vstack((corners(a), corners(b))))]
    return max(0.0, volumes[0] + volumes[1] - volumes[2]) / volumes[2]


def test_rejected_pairs_are_those_without_hull_overlap():
    rng = np.random.default_rng(0)
    low, high = [-4, 0, 10, 0.5, 0.5, 0.5, -4], [4, 2, 18, 2, 2, 5, 4]
    a, b = rng.uniform(low, high, (12, 7)), rng.uniform(low, high, (15, 7))
    tips = np.array(
        [[0, 1, 20, 1.5, 1.8, 5, 0], [4.9, 1, 20, 1.5, 1.8, 5, 0]]
    )  # far centres, still overlapping
    a, b = np.vstack((a, tips[:1])), np.vstack((b, tips[1:]))
    expected = np.array([[naive_hull_iou(p, q) for q in b] for p in a])
    assert 0 < (expected > 0).sum() < expected.size
    assert np.abs(hull_iou(a, b) - expected).max() < 1e-12


def test_boxes_that_qhull_rejects_have_no_overlap():
    flat = [0, 0, 10, 0, 2, 4, 0]
    assert hull_iou([flat, [np.nan] * 7, [0] * 7], [flat, [0, 0, 10, 1, 2, 4, 0]]).max() == 0
    assert hull_iou(np.zeros((0, 7)), [flat]).shape == (0, 1)


def test_matching_is_not_one_to_one():
    """Duplicates of one hit are all true positives, and the first target above the threshold is taken."""
    box = [0, 0, 10, 1.5, 1.8, 4.0, 0.3]
    assert published_match([box] * 3, [box]) == MatchCounts(3, 0, 0)
    assert published_match([box], [box, box]) == MatchCounts(1, 0, 1)
    assert published_match([], [box]) == MatchCounts(0, 0, 1)
    assert published_match([box], []) == MatchCounts(0, 1, 0)


def test_box2d_matching_counts_duplicates():
    assert box2d_match([[1, 2, 3, 4]] * 2 + [[5, 6, 7, 8]], [[1, 2, 3, 4], [9, 9, 9, 9]]) == MatchCounts(
        2, 1, 1
    )


def test_images_without_candidates_do_not_count():
    row = "car 0 0 0 1 2 3 4 1.5 1.8 4.0 0 1.5 20 0.1".split()
    lost = CandidateImage("a", [], [[]], [[row]])
    seen = CandidateImage("b", [row], [[0.41], [0.40], [9.0], [9.0]], [[row]] * 4)
    # sigmoid(0.41) > 0.6 > sigmoid(0.40); the fourth description is not read.
    assert published_totals([lost, seen]) == MatchCounts(2, 0, 1)


def test_counts_add_up():
    total = MatchCounts(3, 1, 0) + MatchCounts(0, 1, 3)
    assert total == MatchCounts(3, 2, 3)
    assert (total.precision, total.recall) == (0.6, 0.5)
    assert total.f1 == pytest.approx(6 / 11)
    assert MatchCounts().f1 == MatchCounts().precision == MatchCounts().recall == 0
