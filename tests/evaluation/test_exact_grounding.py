from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from d2ext.evaluation import (
    CAR_DISTANCES,
    ROADSIDE_DISTANCES,
    compare_image,
    difficulty,
    distance_range,
    flatten_table,
    format_table,
    grounding_metrics,
    match_greedy,
    target_group,
)

shapely = pytest.importorskip("shapely")

DISTANCES = (30.0, 60.0, 90.0)


def random_record(rng: np.random.Generator, index: int) -> tuple[dict[str, Any], dict[int, list[dict]]]:
    """An image with sentences of 0 to 5 targets and predictions of every quality."""
    annotations = [
        {
            "id": 10 * i,
            "has_3d": True,
            "category_id": 0,
            "location": [float(rng.uniform(-20, 20)), 1.5, float(rng.uniform(5, 120))],
            "dimensions": rng.uniform([1.2, 1.5, 3], [1.8, 2.5, 6]).tolist(),
            "yaw": float(rng.uniform(-3, 3)),
            "truncated": float(rng.choice([0, 0.2, 0.5])),
            "occluded": int(rng.integers(3)),
        }
        for i in range(8)
    ]
    sentences, predictions = [], {}
    for i in range(6):
        ids = rng.choice(8, size=int(rng.integers(0, 6)), replace=False)
        kinds = rng.choice(["place : left", "appearance : white", "distance : 30"], int(rng.integers(0, 3)))
        sentences.append({"id": i, "target_ids": [10 * int(k) for k in ids], "properties": kinds.tolist()})
        rows = [
            {**a, "location": (np.array(a["location"]) + rng.normal(0, s, 3) * [1, 0.1, 1]).tolist()}
            for a, s in ((annotations[int(rng.integers(8))], 3.0), *((annotations[k], 0.4) for k in ids))
            if rng.random() < 0.7
        ]
        scores = sorted(rng.random(len(rows)), reverse=True)
        predictions[i] = [{**row, "score": s} for row, s in zip(rows, scores, strict=True)]
    return {"image_id": str(index), "annotations": annotations, "sentences": sentences}, predictions


def naive_iou(p: dict[str, Any], q: dict[str, Any]) -> float:
    def polygon(box):
        c, s = math.cos(box["yaw"]), math.sin(box["yaw"])
        _, w, length = box["dimensions"]
        halves = [(length / 2, w / 2), (length / 2, -w / 2), (-length / 2, -w / 2), (-length / 2, w / 2)]
        x, _, z = box["location"]
        return shapely.Polygon([(x + c * a + s * b, z - s * a + c * b) for a, b in halves])

    area = polygon(p).intersection(polygon(q)).area
    low = min(p["location"][1], q["location"][1])
    high = max(p["location"][1] - p["dimensions"][0], q["location"][1] - q["dimensions"][0])
    shared = area * max(0.0, low - high)
    return shared / (math.prod(p["dimensions"]) + math.prod(q["dimensions"]) - shared)


def naive_counts(cases: list[tuple[dict, dict]], threshold: float) -> dict[str, list[int]]:
    """{row: [tp, fp, fn]} by plain loops."""
    counts: dict[str, list[int]] = {}

    def add(name, which):
        counts.setdefault(name, [0, 0, 0])[which] += 1

    for record, predictions in cases:
        objects = {a["id"]: a for a in record["annotations"]}
        for sentence in record["sentences"]:
            n = len(sentence["target_ids"])
            names = ["Overall", "targets=" + ("0", "1", "2-3", "2-3", "4+", "4+")[n]]
            names += {"kind=" + p.split(" ")[0] for p in sentence["properties"]}
            free = [objects[i] for i in sentence["target_ids"]]
            for prediction in predictions[sentence["id"]]:
                best = max(free, key=lambda t: naive_iou(prediction, t), default=None)
                if best is not None and naive_iou(prediction, best) >= threshold:
                    free.remove(best)
                    for name in (*names, depth_name(best), hardness(best)):
                        add(name, 0)
                else:
                    for name in (*names, depth_name(prediction)):
                        add(name, 1)
            for target in free:
                for name in (*names, depth_name(target), hardness(target)):
                    add(name, 2)
    return counts


def depth_name(box: dict[str, Any]) -> str:
    z = box["location"][2]
    return "0-30m" if z < 30 else "30-60m" if z < 60 else "60-90m" if z < 90 else ">90m"


def hardness(target: dict[str, Any]) -> str:
    if target["occluded"] == 0 and target["truncated"] < 0.15:
        return "Easy"
    return "Moderate" if target["occluded"] <= 1 and target["truncated"] < 0.3 else "Hard"


def test_metrics_equal_plain_loops():
    rng = np.random.default_rng(0)
    cases = [random_record(rng, i) for i in range(8)]
    results = [r for record, p in cases for r in compare_image(record, p, None, DISTANCES)]
    table = grounding_metrics(results, DISTANCES)
    for threshold in (0.25, 0.5, 0.7):
        counts = naive_counts(cases, threshold)
        assert set(table) == set(counts)
        for name, (tp, fp, fn) in counts.items():
            if name == "targets=0":
                assert f"F1@{threshold}" not in table[name]
                continue
            expected = {"R": tp / (tp + fn)}
            if name not in ("Easy", "Moderate", "Hard"):
                expected |= {"P": tp / (tp + fp), "F1": 2 * tp / (2 * tp + fp + fn)}
            for metric, value in expected.items():
                assert table[name][f"{metric}@{threshold:g}"] == pytest.approx(100 * value, abs=1e-9), name
    empty = [len(p[s["id"]]) == 0 for r, p in cases for s in r["sentences"] if not s["target_ids"]]
    assert table["Overall"]["none_acc"] == table["targets=0"]["none_acc"] == 100 * np.mean(empty)
    assert 0 < np.mean(empty) < 1


def test_matching_is_one_to_one_and_greedy_by_score():
    iou = np.array([[0.6, 0.9], [0.8, 0.95], [0.7, 0.0]])
    assert match_greedy(iou, 0.5).tolist() == [1, 0, -1]
    assert match_greedy(iou, 0.85).tolist() == [1, -1, -1]
    assert match_greedy(np.zeros((2, 0)), 0.5).tolist() == [-1, -1]
    assert match_greedy(np.zeros((0, 2)), 0.5).tolist() == []


def target(i: int, **changes) -> dict[str, Any]:
    base = {
        "id": i,
        "has_3d": True,
        "location": [3.0 * i, 1.5, 20.0],
        "dimensions": [1.5, 1.8, 4.2],
        "yaw": 1.5,
        "truncated": 0.0,
        "occluded": 0,
    }
    return base | changes


def test_targets_without_3d_label_or_unpublished_are_left_out():
    record = {
        "annotations": [target(0), target(1, has_3d=False, location=[0, 0, 0], dimensions=[0, 0, 0])],
        "sentences": [
            {"id": 0, "target_ids": [0, 1], "properties": []},
            {"id": 1, "target_ids": [1], "properties": []},
            {"id": 2, "target_ids": None, "properties": []},
            {"id": 3, "target_ids": [], "properties": []},
        ],
    }
    results = compare_image(record, {0: [target(0)], 1: [target(0)]}, None, CAR_DISTANCES)
    assert [r.iou.shape for r in results] == [(1, 1), (0, 0)]
    assert results[0].iou[0, 0] == pytest.approx(1)
    assert results[0].target_ranges == ["15-35m"]


def test_boxes_are_compared_on_their_ground():
    """With a tilted ground, a shift along it leaves the vertical overlap whole."""
    plane = [0.0, -math.cos(0.3), -math.sin(0.3), 7.0]
    along = np.array([0.0, math.sin(0.3) * -1.0, math.cos(0.3)])
    shifted = target(0, yaw=math.pi / 2)
    shifted["location"] = (np.array(target(0)["location"]) + 2.1 * along).tolist()
    record = {
        "annotations": [target(0, yaw=math.pi / 2)],
        "sentences": [{"id": 0, "target_ids": [0], "properties": []}],
    }
    (result,) = compare_image(record, {0: [shifted]}, plane, ROADSIDE_DISTANCES)
    assert result.iou[0, 0] == pytest.approx(1 / 3, abs=1e-9)
    (level,) = compare_image(record, {0: [shifted]}, None, ROADSIDE_DISTANCES)
    assert level.iou[0, 0] < 0.3


def test_subset_names():
    assert [distance_range(z, ROADSIDE_DISTANCES) for z in (0, 29.9, 30, 60, 90, 200)] == [
        "0-30m",
        "0-30m",
        "30-60m",
        "60-90m",
        ">90m",
        ">90m",
    ]
    assert [target_group(n) for n in (0, 1, 2, 3, 4, 9)] == ["0", "1", "2-3", "2-3", "4+", "4+"]
    assert [difficulty(0.1, 0), difficulty(0.15, 0), difficulty(0.0, 1), difficulty(0.3, 0)] == [
        "Easy",
        "Moderate",
        "Moderate",
        "Hard",
    ]


def test_nothing_to_measure_gives_an_empty_table():
    assert flatten_table(grounding_metrics([], CAR_DISTANCES)) == {}


def test_tables():
    table = {"Near": {"sentences": 2.0, "Acc": 50.0}, "Overall": {"sentences": 3.0, "mIoU": 12.25}}
    flat = {"sentences": 3.0, "mIoU": 12.25, "Near/sentences": 2.0, "Near/Acc": 50.0}
    assert flatten_table(table) == flat and list(flatten_table(table)) == list(flat)
    lines = format_table("exact", table).splitlines()
    assert lines[0].split() == ["exact", "sentences", "Acc", "mIoU"]
    assert lines[2].split() == ["Near", "2", "50.00", "-"]
    assert lines[3].split() == ["Overall", "3", "-", "12.25"]
