"""Right, false and missed detections against a loop over the boxes of each image."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog

from d2ext.evaluation import Detection3DEvaluator, boxes_of, worst_images
from d2ext.evaluation.judged import JudgedImage, best_threshold
from d2ext.structures import iou3d
from d2ext.structures.vocabulary import ROAD

NAME = "judged_test"
PLANE = [-0.0109, -0.9771, -0.2124, 7.0044]
KINDS = ("car", "truck", "pedestrian")  # of three evaluated classes


def place(kind: str, x: float, z: float, rng: np.random.Generator) -> dict[str, Any]:
    return {
        "category_id": ROAD.id_of(kind),
        "bbox": [100.0, 50.0, 160.0, 110.0],
        "location": [x, 1.6, z],
        "dimensions": [1.6, 1.8, 4.2],
        "yaw": float(rng.uniform(-0.2, 0.2)),
        "alpha": 0.0,
    }


def make_image(number: int, rng: np.random.Generator) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A record of objects in a row, and predictions near some of them."""
    annotations, predictions = [], []
    for i in range(6):
        kind = KINDS[rng.integers(3)]
        label = {"id": i, "has_3d": True, "truncated": 0.0, "occluded": 0, "color": None}
        annotations.append(place(kind, 9.0 * i - 25, 30.0, rng) | label)
        for _ in range(rng.integers(3)):
            other = kind if rng.random() < 0.7 else KINDS[rng.integers(3)]
            shift = rng.uniform(-1.5, 1.5, 2)
            found = place(other, 9.0 * i - 25 + shift[0], 30 + shift[1], rng)
            predictions.append(found | {"score": round(float(0.9 - 0.5 * np.abs(shift).mean()), 1)})
    record = {
        "file_name": f"{number}.png",
        "image_id": f"{number}",
        "height": 200,
        "width": 900,
        "ground_plane": PLANE,
        "annotations": annotations,
        "sentences": [],
    }
    return record, sorted(predictions, key=lambda row: -row["score"])


@pytest.fixture
def dataset() -> Iterator[list[tuple[dict[str, Any], list[dict[str, Any]]]]]:
    rng = np.random.default_rng(3)
    images = [make_image(i, rng) for i in range(12)]
    DatasetCatalog.register(NAME, lambda: [record for record, _ in images])
    MetadataCatalog.get(NAME).set(evaluator_type="rope3d", thing_classes=list(ROAD.names))
    yield images
    DatasetCatalog.remove(NAME)
    MetadataCatalog.remove(NAME)


def judge(images: list[tuple[dict[str, Any], list[dict[str, Any]]]]) -> list[JudgedImage]:
    rows = {record["image_id"]: {"predictions": found} for record, found in images}
    return Detection3DEvaluator(NAME).judge([record for record, _ in images], rows)


def naive(record: dict[str, Any], found: list[dict[str, Any]], least: float) -> tuple[list, list, list]:
    """Right and false scores and missed ids; each prediction takes the free label it overlaps most."""
    labels = record["annotations"]
    overlaps = iou3d(boxes_of(found, PLANE), boxes_of(labels, PLANE)).tolist()
    free = set(range(len(labels)))
    right, false = [], []
    for row, overlap in zip(found, overlaps, strict=True):
        if row["score"] >= least:
            same = [i for i in free if labels[i]["category_id"] == row["category_id"] and overlap[i] >= 0.25]
            (right if same else false).append(row["score"])
            free -= {max(same, key=lambda i: overlap[i])} if same else set()
    return right, false, [labels[i]["id"] for i in sorted(free)]


def test_every_image_is_judged_as_by_a_loop_over_boxes(dataset) -> None:
    judged = judge(dataset)
    assert 0 < judged[0].threshold < 1
    for image, (record, found) in zip(judged, dataset, strict=True):
        right, false, missed = naive(record, found, image.threshold)
        assert image.record is record
        assert [row["score"] for row in image.right] == right
        assert [row["score"] for row in image.false] == false
        assert [row["id"] for row in image.missed] == missed
        assert image.verdict.startswith(f"{len(false)} false, {len(missed)} missed, {len(right)} right")


def test_the_threshold_gives_the_greatest_f1(dataset) -> None:
    """Of all images together, whatever threshold is tried."""

    def f1(least: float) -> float:
        counts = [[len(part) for part in naive(record, found, least)] for record, found in dataset]
        right, false, missed = np.sum(counts, axis=0)
        return 2 * right / (2 * right + false + missed)

    best = max(f1(score) for score in {row["score"] for _, found in dataset for row in found})
    assert f1(judge(dataset)[0].threshold) == pytest.approx(best)


def test_no_predictions_and_no_labels_are_no_mistakes(dataset) -> None:
    for record, found in dataset:
        found.clear()
        record["annotations"].clear()
    assert worst_images(judge(dataset), 9) == []
    assert best_threshold(np.zeros(0), np.zeros(0, bool), 3) == 0


def test_objects_that_cannot_count_are_neither_missed_nor_false(dataset) -> None:
    """Cut off, hidden, of a class that is not evaluated, or where nothing is labelled."""
    record, found = dataset[0]
    for i, change in enumerate(
        [{"truncated": 0.9}, {"occluded": 3}, {"category_id": ROAD.id_of("person_sitting")}]
    ):
        record["annotations"][i].update(change)
    found[:] = [row | {"score": 1.0} for row in found]
    record["ignored_boxes"] = [[90.0, 40.0, 170.0, 120.0]]
    judged = judge(dataset)[0]
    assert not {0, 1, 2} & {row["id"] for row in judged.missed}
    assert not judged.false


def test_the_worst_have_most_mistakes_then_the_surest() -> None:
    def image(name: str, missed: int, *scores: float) -> JudgedImage:
        return JudgedImage({"image_id": name}, [], [{"score": s} for s in scores], [{}] * missed, 0.1)

    images = [image("a", 1), image("b", 1, 0.3), image("c", 0, 0.9, 0.8), image("d", 2), image("e", 0)]
    assert [i.record["image_id"] for i in worst_images(images, 9)] == ["c", "b", "d", "a"]
    assert [i.record["image_id"] for i in worst_images(images, 1)] == ["c"]
