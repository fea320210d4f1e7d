from __future__ import annotations

import numpy as np
import pytest
from kitti_text import table_of_texts

from d2ext.evaluation.coco2d import coco_ap

REST = "1.5 1.8 4.2 0 1.6 20 0.3"


def row(kind: str, box: tuple[float, ...], score: float | None = None) -> str:
    return f"{kind} 0 0 0 {' '.join(map(str, box))} {REST} {'' if score is None else score}"


BOXES = [(100.0 * i, 50.0, 100.0 * i + 60, 90.0) for i in range(10)]


def test_half_of_the_objects_found_and_no_more():
    """Precision 1 up to recall 0.5: 51 of COCO's 101 recalls."""
    labels = table_of_texts(["\n".join(row("car", box) for box in BOXES)])
    predictions = table_of_texts(["\n".join(row("car", box, 0.9) for box in BOXES[:5])])
    table = coco_ap(labels, predictions, ("car", "bus"))
    assert list(table) == ["Overall", "car"]
    assert table["car"] == pytest.approx(dict.fromkeys(("AP", "AP50", "AP75"), 100 * 51 / 101))


def test_overlap_decides_which_thresholds_are_met():
    """Boxes of IoU 0.78 are right at 0.5 to 0.75, which is 6 of 10 thresholds."""
    labels = table_of_texts(["\n".join(row("car", box) for box in BOXES)])
    narrow = [(x1, y1, x1 + 0.78 * (x2 - x1), y2) for x1, y1, x2, y2 in BOXES]
    predictions = table_of_texts(["\n".join(row("car", box, 0.9) for box in narrow)])
    expected = {"AP": 60.0, "AP50": 100.0, "AP75": 100.0}
    assert coco_ap(labels, predictions, ("car",))["car"] == pytest.approx(expected)


def test_regions_and_what_lies_outside_change_nothing():
    label_rows = [row("car", box) for box in BOXES[:5]]
    found = [row("car", box, 0.5) for box in BOXES[:5]]
    region = row("dontcare", (600.0, 0.0, 1000.0, 200.0))
    extra = [row("car", box, 0.9) for box in BOXES[6:]]
    labels = table_of_texts(["\n".join([*label_rows, region])])
    predictions = table_of_texts(["\n".join([*found, *extra])])
    assert coco_ap(labels, predictions, ("car",))["car"]["AP"] == pytest.approx(100)
    labels, predictions = (table_of_texts(["\n".join(rows)]) for rows in (label_rows, [*found, *extra]))
    assert coco_ap(labels, predictions, ("car",))["car"]["AP"] < 70
    predictions.outside[5:] = True
    assert coco_ap(labels, predictions, ("car",))["car"]["AP"] == pytest.approx(100)


def test_no_predictions_and_no_labels():
    labels = table_of_texts([row("car", BOXES[0])])
    none = table_of_texts([""])
    assert coco_ap(labels, none, ("car",))["car"]["AP"] == 0
    assert coco_ap(none, none, ("car",)) == {}
    assert np.isfinite(coco_ap(labels, labels, ("car",))["car"]["AP"])
