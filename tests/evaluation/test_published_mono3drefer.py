from __future__ import annotations

import json

import numpy as np
import pytest

from d2ext.evaluation.mono3drefer import (
    accuracy_by_subset,
    axis_aligned_iou,
    labelled_subsets,
    official_subsets,
    published_iou,
    read_instance_split,
)

SPLIT = {
    "Unique": [1, 2],
    "Near": [1, 3],
    "Medium": [1],
    "Far": [4],
    "Easy": [4],
    "Moderate": [],
    "Hard": [1],
}


@pytest.fixture(scope="module")
def golden(golden_dir):
    return json.loads((golden_dir / "mono3drefer_iou.json").read_text())


def test_golden_iou_of_single_pairs(golden):
    pairs = golden["inputs"]["calc_iou"]
    a, b = (np.array([pair[side] for pair in pairs], dtype=np.float64) for side in ("a", "b"))
    assert np.array_equal(axis_aligned_iou(a, b), golden["expected"]["calc_iou"])


@pytest.mark.parametrize("scenario", [0, 1])
def test_golden_evaluation(golden, scenario):
    inputs, expected = golden["inputs"]["tester"][scenario], golden["expected"]["tester"][scenario]
    pred, target = (np.array([s[side] for s in inputs["samples"]]) for side in ("pred", "gt"))
    ious = published_iou(pred, target)
    assert np.array_equal(ious, expected["sample_iou"])
    assert np.array_equal(published_iou(pred, target, np.float64), expected["sample_iou_float64"])
    subsets = [official_subsets(s["instance_id"], inputs["split"]) for s in inputs["samples"]]
    table = accuracy_by_subset(ious, subsets)
    assert list(table) == list(expected["splits"])
    for name, row in expected["splits"].items():
        n = row["n"]
        assert table[name]["sentences"] == n
        assert round(table[name]["Acc@0.25"] * n / 100, 6) == round(row["acc25"] * n, 6)
        assert round(table[name]["Acc@0.5"] * n / 100, 6) == round(row["acc50"] * n, 6)
        assert table[name]["mIoU"] / 100 == pytest.approx(row["mean_iou"], abs=1e-12)


def test_sizes_lie_on_the_published_axes():
    """h lies along x, w along y, l along z: moving by half of each along that axis gives 1/3."""
    h, w, length = 1.5, 1.75, 4.0
    box = np.array([[h, w, length, 2.0, 1.5, 20.0]])
    for axis, extent in ((3, h), (4, w), (5, length)):
        other = box.copy()
        other[0, axis] += extent / 2
        assert published_iou(box, other)[0] == pytest.approx(1 / 3, abs=1e-6)
        other[0, axis] += extent / 2
        assert published_iou(box, other)[0] == 0


def test_official_subsets_follow_the_order_of_the_lists():
    assert official_subsets(1, SPLIT) == ["Unique", "Overall", "Near", "Hard"]
    assert official_subsets(3, SPLIT) == ["Multiple", "Overall", "Near"]
    assert official_subsets(4, SPLIT) == ["Multiple", "Overall", "Far", "Easy"]
    assert official_subsets(9, SPLIT) == ["Multiple", "Overall"]


def annotation(category_id=0, depth=10.0, truncated=0.0, occluded=0):
    return {
        "category_id": category_id,
        "location": [0, 1.6, depth],
        "truncated": truncated,
        "occluded": occluded,
    }


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (annotation(), ["Multiple", "Overall", "Near", "Easy"]),
        (annotation(category_id=5, depth=15.0), ["Unique", "Overall", "Medium", "Easy"]),
        (annotation(category_id=5, depth=35.0, occluded=1), ["Unique", "Overall", "Far", "Moderate"]),
        (annotation(category_id=5, truncated=0.15), ["Unique", "Overall", "Near", "Moderate"]),
        (annotation(category_id=5, truncated=0.3), ["Unique", "Overall", "Near", "Hard"]),
        (annotation(category_id=5, occluded=2), ["Unique", "Overall", "Near", "Hard"]),
    ],
)
def test_labelled_subsets(target, expected):
    assert labelled_subsets(target, [target, annotation(), annotation(category_id=1)]) == expected


def test_thresholds_are_strict_and_empty_subsets_left_out():
    table = accuracy_by_subset(np.array([0.25, 0.5, 0.75, 0.0]), [["Overall", "Near"]] + [["Overall"]] * 3)
    assert list(table) == ["Overall", "Near"]
    assert table["Overall"] == {"sentences": 4, "Acc@0.25": 50.0, "Acc@0.5": 25.0, "mIoU": 37.5}
    assert table["Near"]["Acc@0.25"] == 0
    assert accuracy_by_subset(np.zeros(0), []) == {}


def test_instance_split_file(tmp_path):
    path = tmp_path / "split.json"
    metadata = {"split": "test", "instance_split_file": str(path)}
    assert read_instance_split(metadata) is None
    path.write_text(json.dumps({**SPLIT, "Multiple": []}))
    assert read_instance_split(metadata)["Near"] == {1, 3}
    assert read_instance_split({**metadata, "split": "val"}) is None
    path.write_text(json.dumps(SPLIT)[:40])
    with pytest.raises(ValueError, match="split.json"):
        read_instance_split(metadata)
    path.write_text(json.dumps({**SPLIT, "Far": "all"}))
    with pytest.raises(ValueError, match="'Far'"):
        read_instance_split(metadata)
