from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from kitti_text import table_of_texts

from d2ext.evaluation.average_precision import ALL, KITTI_DIFFICULTIES, Comparison, Difficulty
from d2ext.evaluation.objects import ObjectTable, overlapping

shapely = pytest.importorskip("shapely")

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


def random_scene(rng: np.random.Generator, images: int) -> tuple[ObjectTable, ObjectTable]:
    """Images crowded with small cars, vans, regions and detections of every quality, scores with ties."""
    texts: tuple[list[str], list[str]] = ([], [])
    for _ in range(images):
        objects = []
        for _ in range(int(rng.integers(0, 9))):
            kind = rng.choice(["Car", "Car", "Car", "Van", "Pedestrian", "DontCare"])
            u, v = rng.uniform([0, 0], [150, 60])
            size = rng.uniform([30, 15], [90, 90])
            numbers = [
                rng.choice([0, 0.2, 0.4]),
                rng.integers(4),
                rng.uniform(-3, 3),
                *(u, v, u + size[0], v + size[1]),
                *rng.uniform([1.4, 1.6, 3.5], [1.8, 2.0, 5.0]),
                *rng.uniform([-5, 1.4, 10], [5, 1.8, 20]),
                rng.uniform(-3, 3),
            ]
            if kind == "Car" and rng.random() < 0.1:
                numbers[7:13] = [0.0] * 6
            objects.append((kind, numbers))
        texts[0].append("\n".join(f"{kind} {' '.join(map(str, row))}" for kind, row in objects))
        found = []
        for _ in range(int(rng.integers(0, 12))):
            kind, row = objects[rng.integers(len(objects))] if objects else ("Car", [0.0] * 14)
            noise = [0, 0, 0.1, *[4.0] * 4, *[0.05] * 3, 0.4, 0.05, 0.4, 0.1]
            moved = np.array(row) + rng.normal(0, noise)
            kind = rng.choice([kind.replace("DontCare", "Car"), "Car", "Pedestrian"], p=[0.8, 0.1, 0.1])
            found.append(f"{kind} {' '.join(map(str, moved))} {rng.integers(1, 20) / 20}")
        texts[1].append("\n".join(found))
    return table_of_texts(texts[0]), table_of_texts(texts[1])


def naive_overlaps(labels: ObjectTable, predictions: ObjectTable, metric: str) -> np.ndarray:
    """(labels, predictions) overlaps of boxes of the same image, pair by pair."""
    result = np.zeros((len(labels), len(predictions)))
    for i, j in np.argwhere(labels.image[:, None] == predictions.image):
        result[i, j] = naive_overlap(labels, i, predictions, j, metric)
    return result


def naive_overlap(a: ObjectTable, i: int, b: ObjectTable, j: int, metric: str) -> float:
    if metric in ("bbox", "covered"):
        boxes = shapely.box(*a.bbox[i]), shapely.box(*b.bbox[j])
        shared = boxes[0].intersection(boxes[1]).area
        return shared / (boxes[1].area if metric == "covered" else boxes[0].union(boxes[1]).area)
    polygons, spans, volumes = [], [], []
    for t, k in ((a, i), (b, j)):
        (h, w, length), (x, y, z), c, s = t.dimensions[k], t.location[k], np.cos(t.yaw[k]), np.sin(t.yaw[k])
        if min(h, w, length) <= 0 or t.kind[k] == "dontcare":
            return 0.0
        half = np.array([[1, 1], [1, -1], [-1, -1], [-1, 1]]) * [length / 2, w / 2]
        polygons.append(shapely.Polygon([(x + c * p + s * q, z - s * p + c * q) for p, q in half]))
        spans.append((y - h, y))
        volumes.append(h * w * length)
    shared = polygons[0].intersection(polygons[1]).area
    if metric == "bev":
        return shared / (polygons[0].area + polygons[1].area - shared)
    shared *= max(0.0, min(spans[0][1], spans[1][1]) - max(spans[0][0], spans[1][0]))
    return shared / (sum(volumes) - shared)


def naive_exact_ap(
    labels: ObjectTable,
    predictions: ObjectTable,
    metric: str,
    overlap: np.ndarray,
    covered: np.ndarray,
    kind: str,
    min_overlap: float,
    difficulty: Difficulty,
) -> float | None:
    """Greedy matching by falling score in plain loops, precision interpolated at 40 recalls."""
    status = []
    for i in range(len(labels)):
        usable = metric == "bbox" or labels.dimensions[i].any()
        if labels.kind[i] == kind and usable:
            hard = labels.occluded[i] > difficulty.max_occluded
            hard |= labels.truncated[i] > difficulty.max_truncated
            hard |= labels.bbox[i, 3] - labels.bbox[i, 1] <= difficulty.min_height
            status.append("ignored" if hard else "counts")
        elif (kind, labels.kind[i]) in KITTI_NEIGHBOURS and usable:
            status.append("ignored")
        else:
            is_region = labels.kind[i] == "dontcare" or not usable
            status.append("region" if is_region else "other")
    total = status.count("counts")
    if total == 0:
        return None
    outcome: list[tuple[float, bool]] = []
    free = [True] * len(labels)
    for j in sorted(np.flatnonzero(predictions.kind == kind), key=lambda j: (-predictions.score[j], j)):
        for wanted in ("counts", "ignored"):
            choices = [
                i
                for i in range(len(labels))
                if status[i] == wanted and free[i] and overlap[i, j] >= min_overlap and overlap[i, j] > 0
            ]
            if choices:
                free[max(choices, key=lambda i: overlap[i, j])] = False
                if wanted == "counts":
                    outcome.append((predictions.score[j], True))
                break
        else:
            small = predictions.bbox[j, 3] - predictions.bbox[j, 1] < difficulty.min_height
            in_region = any(covered[i, j] > 0.5 for i in range(len(labels)) if status[i] == "region")
            if not small and not in_region:
                outcome.append((predictions.score[j], False))
    precision = []
    for step in range(1, 41):
        best = 0.0
        for threshold in {score for score, _ in outcome}:
            kept = [hit for score, hit in outcome if score >= threshold]
            if 40 * sum(kept) >= step * total:
                best = max(best, sum(kept) / len(kept))
        precision.append(best)
    return 100 * float(np.mean(precision))


@pytest.mark.parametrize("metric", ["bbox", "bev", "3d", "covered"])
def test_overlaps_are_those_of_every_pair(metric):
    labels, predictions = random_scene(np.random.default_rng(0), 12)
    pairs = overlapping(labels, predictions, metric)
    dense = np.zeros((len(labels), len(predictions)))
    dense[pairs.label, pairs.prediction] = pairs.overlap
    expected = naive_overlaps(labels, predictions, metric)
    boxes = (labels.kind != "dontcare") | (metric in ("bbox", "covered"))
    assert (expected > 0).sum() > 20
    assert np.abs(dense - expected)[boxes].max() < 1e-9


@pytest.mark.parametrize("metric", ["bbox", "bev", "3d"])
def test_exact_ap_is_that_of_plain_loops(metric):
    different = set()
    for seed in range(4):
        labels, predictions = random_scene(np.random.default_rng(seed), 8)
        overlaps = [naive_overlaps(labels, predictions, m) for m in (metric, "covered")]
        comparison = Comparison(labels, predictions, metric, KITTI_NEIGHBOURS)
        for min_overlap in (0.3, 0.5):
            for difficulty in (*KITTI_DIFFICULTIES, ALL):
                arguments = ("car", min_overlap, difficulty)
                expected = naive_exact_ap(labels, predictions, metric, *overlaps, *arguments)
                assert comparison.exact_ap(*arguments) == (
                    None if expected is None else pytest.approx(expected, abs=1e-9)
                )
                different.add(expected)
    assert len(different) > 15


def naive_kitti_ap(
    labels: ObjectTable,
    predictions: ObjectTable,
    metric: str,
    overlap: np.ndarray,
    covered: np.ndarray,
    kind: str,
    min_overlap: float,
    difficulty: Difficulty,
) -> float:
    """KITTI's two passes in plain loops, threshold by threshold."""
    hard = (labels.occluded > difficulty.max_occluded) | (labels.truncated > difficulty.max_truncated)
    hard |= labels.bbox[:, 3] - labels.bbox[:, 1] <= difficulty.min_height
    neighbour = [(kind, other) in KITTI_NEIGHBOURS for other in labels.kind]
    truth = np.where(labels.kind == kind, "counts", np.where(neighbour, "ignored", "other"))
    truth = np.where((truth == "counts") & hard, "ignored", truth).tolist()
    low = np.abs(predictions.bbox[:, 3] - predictions.bbox[:, 1]) < difficulty.min_height
    found = np.where(low, "ignored", np.where(predictions.kind == kind, "counts", "other")).tolist()

    def match(threshold: float, by_overlap: bool) -> tuple[list[float], int]:
        """Scores of the true positives, and the number of false ones."""
        alive = {j for j, s in enumerate(predictions.score) if s >= threshold and found[j] != "other"}
        scores = []
        for i in range(len(labels)):
            choices = [j for j in sorted(alive) if overlap[i, j] > min_overlap]
            if truth[i] == "other" or not choices:
                continue
            if by_overlap:
                counting = [j for j in choices if found[j] == "counts"]
                best = max(counting, key=lambda j: overlap[i, j]) if counting else choices[0]
            else:
                best = max(choices, key=lambda j: predictions.score[j])
            alive.remove(best)
            if truth[i] == "counts" and found[best] == "counts":
                scores.append(predictions.score[best])
        regions = np.flatnonzero(labels.kind == "dontcare") if metric == "bbox" else []
        wrong = [j for j in alive if found[j] == "counts"]
        return scores, sum(not any(covered[i, j] > min_overlap for i in regions) for j in wrong)

    scores = sorted(match(0.0, by_overlap=False)[0], reverse=True)
    total, recall, curve = truth.count("counts"), 0.0, []
    for i, score in enumerate(scores):
        right = (i + 2) / total if i + 1 < len(scores) else (i + 1) / total
        if i + 1 < len(scores) and right - recall < recall - (i + 1) / total:
            continue
        recall += 1 / 40
        hits, wrong = match(score, by_overlap=True)
        curve.append(len(hits) / (len(hits) + wrong) if hits else 0.0)
    curve = [max(curve[i:]) for i in range(len(curve))] + [0.0] * 41
    return 100 * float(np.mean(curve[1:41]))


@pytest.mark.parametrize("metric", ["bbox", "bev", "3d"])
def test_kitti_ap_is_that_of_plain_loops(metric):
    different = set()
    for seed in range(4):
        labels, predictions = random_scene(np.random.default_rng(seed), 30)
        overlaps = [naive_overlaps(labels, predictions, m) for m in (metric, "covered")]
        comparison = Comparison(labels, predictions, metric, KITTI_NEIGHBOURS)
        for difficulty in KITTI_DIFFICULTIES:
            arguments = ("car", 0.4, difficulty)
            expected = naive_kitti_ap(labels, predictions, metric, *overlaps, *arguments)
            assert comparison.kitti(*arguments).ap == pytest.approx(expected, abs=1e-9)
            different.add(expected)
    assert len(different) > 8


def test_a_class_with_few_objects_reaches_100_only_in_the_exact_ap():
    row = "0 0 1.5 100 100 200 180 1.5 1.8 4.2"
    text = "\n".join(f"Car {row} {4 * i} 1.6 20 0.3" for i in range(10))
    found = "\n".join(f"{line} 0.{9 - i}" for i, line in enumerate(text.splitlines()))
    comparison = Comparison(table_of_texts([text]), table_of_texts([found]), "3d")
    easy = KITTI_DIFFICULTIES[0]
    assert comparison.exact_ap("car", 0.7, easy) == 100
    assert comparison.kitti("car", 0.7, easy).ap == pytest.approx(100 * 9 / 40)


def test_objects_outside_the_region_are_neither_missed_nor_found():
    labels, predictions = random_scene(np.random.default_rng(3), 20)
    outside = predictions.image % 2 == 0
    masked = [replace(t, outside=t.image % 2 == 0) for t in (labels, predictions)]
    inside = [t[t.image % 2 == 1] for t in (labels, predictions)]
    assert outside.any()
    for metric in ("bbox", "3d"):
        whole, part = (Comparison(*tables, metric) for tables in (masked, inside))
        for difficulty in (*KITTI_DIFFICULTIES, ALL):
            arguments = ("car", 0.4, difficulty)
            assert whole.exact_ap(*arguments) == pytest.approx(part.exact_ap(*arguments))
            assert whole.kitti(*arguments).ap == pytest.approx(part.kitti(*arguments).ap)


@pytest.mark.parametrize("which", [0, 1, 2])
def test_an_alpha_that_was_not_computed_follows_from_yaw_and_place(which):
    """Perfect boxes have full AOS whichever side leaves alpha out."""
    rng, rows = np.random.default_rng(0), []
    for _ in range(50):
        x, z, yaw = rng.uniform(-9, 9), rng.uniform(8, 40), rng.uniform(-3, 3)
        box = [*rng.uniform(0, 50, 2), *rng.uniform(100, 200, 2)]
        place = {"location": [x, 1.6, z], "dimensions": [1.5, 1.6, 4.0], "yaw": yaw}
        rows.append({"bbox": box, "category_id": 0, "alpha": yaw - np.arctan2(x, z), "score": 0.9} | place)
    unknown = [row | {"alpha": -10.0} for row in rows]
    labels, predictions = ((unknown, rows), (rows, unknown), (unknown, unknown))[which]
    tables = [ObjectTable.from_rows([[row] for row in side], ["car"]) for side in (labels, predictions)]
    comparison = Comparison(*tables, "bbox", ())
    curve = comparison.kitti("car", 0.7, KITTI_DIFFICULTIES[0])
    assert curve.ap == pytest.approx(100) and curve.aos == pytest.approx(100)
    for table in tables:
        expected = np.array([row["alpha"] for row in rows])
        assert np.abs(np.cos(table.alpha - expected) - 1).max() < 1e-9


def test_labels_without_an_angle_are_left_out_of_aos():
    """Whatever such labels are predicted as, AOS is as high as the other labels make it."""
    place = {"location": [0.0, 1.6, 20.0], "dimensions": [1.5, 1.6, 4.0], "yaw": 0.3}
    nowhere = {"location": [0.0] * 3, "dimensions": [0.0] * 3, "yaw": 0.0}
    labels, predictions = [], []
    for i in range(60):
        row = {"bbox": [0, 0, 50, 50], "category_id": 0, "score": 0.99 - 0.01 * i}
        labels.append([row | (nowhere | {"alpha": -10.0} if i % 3 == 0 else place | {"alpha": 0.3})])
        predictions.append([row | place | {"alpha": -10.0 if i % 3 == 0 else 0.3}])
    tables = [ObjectTable.from_rows(rows, ["car"]) for rows in (labels, predictions)]
    assert np.isnan(tables[0].alpha).sum() == 20 and not np.isnan(tables[1].alpha).any()
    curve = Comparison(*tables, "bbox", ()).kitti("car", 0.7, KITTI_DIFFICULTIES[0])
    assert curve.ap == pytest.approx(100) and curve.aos == pytest.approx(100)
    opposite = [[row | {"alpha": 0.3 + np.pi} for row in rows] for rows in predictions]
    curve = Comparison(tables[0], ObjectTable.from_rows(opposite, ["car"]), "bbox", ()).kitti(
        "car", 0.7, KITTI_DIFFICULTIES[0]
    )
    assert curve.ap == pytest.approx(100) and curve.aos == pytest.approx(0)
