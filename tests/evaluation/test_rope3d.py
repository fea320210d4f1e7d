from __future__ import annotations

import json

import numpy as np
import pytest
from kitti_text import table_of_texts

from d2ext.evaluation.rope3d import NAMES, similarities


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
