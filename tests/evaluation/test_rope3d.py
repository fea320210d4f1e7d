from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from kitti_text import table_of_texts

from d2ext.evaluation.rope3d import NAMES, Similarities, rope_score, similarities
from d2ext.structures import ground_rotation


@pytest.fixture(scope="module")
def golden(golden_dir):
    return json.loads((golden_dir / "rope3d_similarity.json").read_text())


@pytest.mark.parametrize("index", range(10))
def test_golden_similarity(golden, index):
    coarse = golden["expected"]["coarse_label"]
    frames = [f for f in golden["inputs"]["frames"] if f["prediction"] is not None and f["name"] in coarse]
    labels = table_of_texts([coarse[frame["name"]] for frame in frames])
    predictions = table_of_texts([frame["prediction"] for frame in frames])
    planes = np.array([frame["denorm"].split() for frame in frames], dtype=np.float64)
    evaluation = golden["expected"]["similarity"][index]
    result = evaluation["result"]
    found = similarities(labels, predictions, planes, evaluation["set_type"], evaluation["iou_thresh"])
    if result["all"] is None:
        assert len(found.label) == 0 and found.table("x") == {}
        return
    assert len(found.label) == result["matched"]
    by_pair = {
        (frames[labels.image[g]]["name"], p - first(predictions, p), g - first(labels, g)): i
        for i, (g, p) in enumerate(zip(found.label, found.prediction, strict=True))
    }
    for name, p, g, distance, ground_error, _, e_c, cos, e_a, e_g in result["matches"]:
        i = by_pair[name, p, g]
        values = [1 - e_c, (1 + cos) / 2, 1 - e_a, 1 - e_g]
        assert np.abs(found.values[i] - values).max() < 1e-5
        assert found.distance[i] == pytest.approx(distance, abs=1e-5)
        assert found.ground_error[i] == pytest.approx(ground_error, abs=1e-5)
    table = found.table("all")
    rows = {"all": result["all"]} | {f"all/{key}m": row for key, row in result["ranges"].items()}
    assert set(table) == set(rows)
    for key, row in rows.items():
        assert [table[key][n] / 100 for n in NAMES] == pytest.approx([row[n] for n in NAMES], abs=1e-5)


def first(table, row: int) -> int:
    """Index of the first object of a row's image."""
    return int(np.searchsorted(table.image, table.image[row]))


PLANE = np.array([[-0.0109, -0.9771, -0.2124, 7.0044]])
CAR = "car 0 0 0 100 100 200 180 1.5 1.8 4.2"


def compare(prediction: str, label: str, kind: str = "car") -> Similarities:
    tables = [table_of_texts([f"{kind}{text[3:]}"]) for text in (label, prediction)]
    return similarities(*tables, PLANE, [kind], corrected=True)


def test_corrected_similarities_in_closed_form():
    """A shift along the tilted ground, a turn, another width: each similarity by hand."""
    right, forward = ground_rotation(torch.from_numpy(PLANE[0])).numpy()[:, [0, 2]].T
    at = 3 * right + 40 * forward
    label = f"{CAR} {' '.join(map(str, at))} 0.2"
    shift = 0.6 * right + 0.8 * forward
    moved = compare(f"{CAR} {' '.join(map(str, at + shift))} 0.2 0.9", label)
    distance = np.hypot(3, 40)
    assert moved.distance[0] == pytest.approx(distance)
    assert moved.ground_error[0] == pytest.approx(1)
    assert moved.values[0] == pytest.approx([1 - 1 / distance, 1, 1, 1 - 1 / distance])
    turned = compare(f"{CAR} {' '.join(map(str, at))} 0.7 0.9", label)
    error = 2 * np.sin(0.25) * np.hypot(1.8, 4.2) / 2  # every corner moves along a chord
    expected = [1, (1 + np.cos(0.5)) / 2, 1, 1 - error / distance]
    assert turned.values[0] == pytest.approx(expected)
    wide = compare(f"{CAR.replace('1.8 4.2', '2.7 4.2')} {' '.join(map(str, at))} 0.2 0.9", label)
    assert wide.values[0] == pytest.approx([1, 1, 0.5, 1 - 0.45 / distance])


@pytest.mark.parametrize("turns", [-1, 0, 1])
def test_corrected_orientation_has_no_period_and_no_front(turns):
    """Angles that differ by whole turns are equal, and so are boxes that point backwards."""
    label = f"{CAR} 0 0 30 3.0"
    for half in (0, np.pi):
        found = compare(f"{CAR} 0 0 30 {3.0 + half + 2 * np.pi * turns} 0.5", label)
        assert found.values[0] == pytest.approx([1, 1, 1, 1])


def test_pedestrians_have_no_orientation():
    found = compare(f"{CAR} 0 0 30 1.0 0.5", f"{CAR} 0 0 30 -0.5", "pedestrian")
    assert found.values[0] == pytest.approx([1, 1, 1, 1])


def test_rope_score():
    assert rope_score(50.0, 90.0) == 58.0
