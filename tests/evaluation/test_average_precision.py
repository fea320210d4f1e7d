from __future__ import annotations

import json

import numpy as np
import pytest
from kitti_text import table_of_texts

from d2ext.evaluation.average_precision import KITTI_DIFFICULTIES, Comparison

KITTI_NEIGHBOURS = (("car", "van"), ("pedestrian", "person_sitting"))


def test_golden_kitti_ap(golden_dir):
    golden = json.loads((golden_dir / "kitti_ap_r40.json").read_text())
    frames, expected = golden["inputs"]["frames"], golden["expected"]
    labels = table_of_texts([frame["label"] for frame in frames])
    predictions = table_of_texts([frame["prediction"] for frame in frames])
    compared = {m: Comparison(labels, predictions, m, KITTI_NEIGHBOURS) for m in ("bbox", "bev", "3d")}
    for key, by_difficulty in expected["AP_R40"].items():
        kind, metric, overlap = key.replace("_", " ").replace("@", " ").split()
        comparison = compared[metric.replace("aos", "bbox")]
        for difficulty in KITTI_DIFFICULTIES:
            curve = comparison.kitti(kind.lower(), float(overlap), difficulty)
            value = curve.aos if metric == "aos" else curve.ap
            assert value == pytest.approx(by_difficulty[difficulty.name], abs=1e-6), (key, difficulty.name)
            assert curve.counted == expected["num_valid_gt"][kind][difficulty.name]
            if metric != "aos" and key in expected["precision_41"]:
                reference = expected["precision_41"][key][difficulty.name]
                assert np.abs(curve.precision - reference).max() < 1e-9


@pytest.mark.parametrize("kind", ["car", "big_vehicle"])
def test_golden_rope3d_ap(golden_dir, kind):
    golden = json.loads((golden_dir / "rope3d_ap_r40.json").read_text())
    frames, expected = golden["inputs"]["frames"], golden["expected"][kind]["num_parts_1"]
    labels = table_of_texts([frame["label"] for frame in frames])
    predictions = table_of_texts([frame["prediction"] for frame in frames])
    compared = {m: Comparison(labels, predictions, m, ()) for m in ("bbox", "bev", "3d")}
    for key, by_difficulty in expected["AP_R40"].items():
        metric, overlap = key.split("@")
        for difficulty in KITTI_DIFFICULTIES:
            curve = compared[metric.replace("aos", "bbox")].kitti(kind, float(overlap), difficulty)
            value = curve.aos if metric == "aos" else curve.ap
            assert value == pytest.approx(by_difficulty[difficulty.name], abs=1e-4), (key, difficulty)
