from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.structures import Boxes, Instances
from detectron2.utils import comm
from kitti_text import table_of_texts

from d2ext.evaluation import Detection3DEvaluator
from d2ext.evaluation.average_precision import KITTI_DIFFICULTIES, Comparison
from d2ext.structures import Boxes3D
from d2ext.structures.vocabulary import ROAD

PLANE = [-0.0109, -0.9771, -0.2124, 7.0044]
KINDS = {"kitti": ("car", "pedestrian", "cyclist", "van"), "rope3d": ("car", "van", "truck", "tricyclist")}


def make_annotation(i: int, kind: str, rng: np.random.Generator) -> dict[str, Any]:
    x1, y1 = 90.0 * i, float(rng.uniform(20, 60))
    return {
        "id": i,
        "bbox": [x1, y1, x1 + 60, y1 + 70],
        "category_id": ROAD.id_of(kind),
        "truncated": 0.0,
        "occluded": 0,
        "alpha": 0.5,
        "has_3d": True,
        "location": [6.0 * i - 20, 1.6, float(rng.uniform(15, 80))],
        "dimensions": rng.uniform([1.4, 1.6, 3.5], [1.8, 2.0, 5.0]).tolist(),
        "yaw": float(rng.uniform(-3, 3)),
        "color": None,
    }


def make_records(kind: str, images: int = 6) -> list[dict[str, Any]]:
    rng = np.random.default_rng(1)
    return [
        {
            "file_name": f"{image:06d}.png",
            "image_id": f"{image:06d}",
            "height": 200,
            "width": 900,
            "ground_plane": None if kind == "kitti" else PLANE,
            "annotations": [make_annotation(i, KINDS[kind][i % 4], rng) for i in range(10)],
            "sentences": [],
        }
        for image in range(images)
    ]


@pytest.fixture(params=["kitti", "rope3d"])
def dataset(request) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    name = f"detection_test_{request.param}"
    records = make_records(request.param)
    DatasetCatalog.register(name, lambda: records)
    MetadataCatalog.get(name).set(evaluator_type=request.param, thing_classes=list(ROAD.names))
    yield name, records
    DatasetCatalog.remove(name)
    MetadataCatalog.remove(name)


def instances(annotations: list[dict[str, Any]], plane: list[float] | None) -> Instances:
    rows = [[*a["location"], *a["dimensions"], a["yaw"]] for a in annotations]
    table = torch.tensor(rows).reshape(-1, 7)
    result = Instances((200, 900))
    result.pred_boxes = Boxes(torch.tensor([a["bbox"] for a in annotations]).reshape(-1, 4))
    result.pred_boxes3d = Boxes3D.from_kitti(table[:, :3], table[:, 3:6], table[:, 6], plane)
    result.scores = torch.linspace(0.9, 0.5, len(annotations))
    result.pred_classes = torch.tensor([a["category_id"] for a in annotations], dtype=torch.long)
    return result


def perfect(record: dict[str, Any]) -> Instances:
    return instances(record["annotations"], record["ground_plane"])


def evaluate(name, records, answer, output_dir=None, **options) -> dict[str, dict[str, float]]:
    evaluator = Detection3DEvaluator(name, output_dir, **options)
    evaluator.reset()
    for record in records:
        evaluator.process([mapped(record)], [{"instances": answer(record)}])
    return evaluator.evaluate()


def mapped(record: dict[str, Any]) -> dict[str, Any]:
    plane = record["ground_plane"]
    return {
        "image_id": record["image_id"],
        "box_plane": None if plane is None else torch.tensor(plane),
    }


def test_perfect_predictions(dataset):
    results = evaluate(*dataset, perfect)
    sections = {"bbox", "published", "exact"}
    roadside = {"ground", "published_similarity", "exact_similarity"}
    assert set(results) == sections | (roadside if "rope3d" in dataset[0] else set())
    for key, value in (results["bbox"] | results["exact"]).items():
        assert value == pytest.approx(100), key
    if "rope3d" in dataset[0]:
        scores = {k: v for k, v in results["exact_similarity"].items() if not k.endswith("pairs")}
        assert all(value == pytest.approx(100, abs=1e-3) for value in scores.values())
        # Of ten objects three are cars and three are vans.
        assert results["exact_similarity"]["car/pairs"] == 6 * 6
        assert results["exact_similarity"]["car/Rope@0.5"] == pytest.approx(100, abs=1e-3)


def test_no_predictions_score_0(dataset, caplog):
    results = evaluate(*dataset, lambda record: instances([], record["ground_plane"]))
    for section in ("bbox", "published", "exact"):
        assert set(results[section].values()) == {0.0}
    for section in ("published_similarity", "exact_similarity"):
        assert not results.get(section)


def test_results_are_those_of_the_comparison_of_the_written_files(dataset, tmp_path):
    """KITTI text with the published tools' class names, read back, gives the published table."""
    name, records = dataset
    rng = np.random.default_rng(5)

    def answer(record):
        moved = [
            a | {"location": (np.array(a["location"]) + rng.normal(0, [0.3, 0, 0.5])).tolist()}
            for a in record["annotations"]
        ]
        return instances(moved, record["ground_plane"])

    results = evaluate(name, records, answer, tmp_path)
    assert json.loads((tmp_path / "metrics.json").read_text()) == results
    saved = json.loads((tmp_path / "predictions.json").read_text())
    assert [row["image_id"] for row in saved] == [record["image_id"] for record in records]
    texts = [(tmp_path / "kitti" / f"{record['image_id']}.txt").read_text() for record in records]
    written = {line.split()[0] for text in texts for line in text.splitlines()}
    expected = (
        {"Car", "Van", "Pedestrian", "Cyclist"} if "kitti" in name else {"car", "big_vehicle", "cyclist"}
    )
    assert written == expected
    coarse = {"van": "car", "truck": "big_vehicle", "tricyclist": "cyclist"} if "rope3d" in name else {}
    labels = [
        "\n".join(
            " ".join(
                map(
                    str,
                    [
                        coarse.get(ROAD.names[a["category_id"]], ROAD.names[a["category_id"]]),
                        *(0, 0, a["alpha"], *a["bbox"], *a["dimensions"], *a["location"], a["yaw"]),
                    ],
                )
            )
            for a in record["annotations"]
        )
        for record in records
    ]
    neighbours = (("car", "van"),) if "kitti" in name else ()
    for metric in ("bev", "3d"):
        comparison = Comparison(table_of_texts(labels), table_of_texts(texts), metric, neighbours)
        for difficulty in KITTI_DIFFICULTIES:
            value = results["published"][f"car {metric}@0.5/{difficulty.name}"]
            assert value == pytest.approx(comparison.kitti("car", 0.5, difficulty).ap, abs=1e-6)
            assert 0 < value < 100


@pytest.mark.parametrize("dataset", ["rope3d"], indirect=True)
def test_only_the_published_overlap_ignores_the_tilt_of_the_ground(dataset):
    """Boxes sunk straight into the ground keep their footprint there, not in the camera's x-z plane."""
    name, records = dataset
    for annotation in (a for r in records for a in r["annotations"]):
        annotation |= {"yaw": 0.0, "dimensions": [1.5, 1.8, 4.4]}

    def answer(record):
        found = perfect(record)
        boxes = found.pred_boxes3d
        boxes.center = boxes.center + boxes.rotation[:, :, 1] * 3
        return found

    results = evaluate(name, records, answer)
    assert results["exact"]["car bev@0.7/all"] == pytest.approx(100)
    assert results["ground"]["car bev@0.7/hard"] > 80
    assert (
        results["published"]["car bev@0.5/hard"] == 0
    )  # 3 m by 0.21 back: (1.8 - 0.64) / (1.8 + 0.64) < 0.5
    assert results["ground"]["car 3d@0.5/hard"] == results["exact"]["car 3d@0.5/all"] == 0


def test_objects_with_a_2d_label_only_are_neither_missed_nor_wrong_in_3d(dataset):
    name, records = dataset
    for record in records:
        record["annotations"][0] |= {
            "has_3d": False,
            "location": [0.0] * 3,
            "dimensions": [0.0] * 3,
            "yaw": 0.0,
        }

    def answer(record):
        return instances(
            [
                a if a["has_3d"] else a | {"location": [9.0, 1, 30], "dimensions": [1.5, 2, 4]}
                for a in record["annotations"]
            ],
            record["ground_plane"],
        )

    results = evaluate(name, records, answer)
    assert results["exact"]["car 3d@0.5/all"] == pytest.approx(100)
    assert results["exact"]["car bbox@0.7/all"] == pytest.approx(100)
    assert results["bbox"]["car/AP"] == pytest.approx(100)
    assert results["published"]["car 3d@0.5/hard"] < 100


def test_regions_without_labels_excuse_detections(dataset):
    name, records = dataset
    extra = make_annotation(9, "car", np.random.default_rng(0)) | {"bbox": [0.0, 120.0, 60.0, 190.0]}
    answer = lambda r: instances([extra, *r["annotations"]], r["ground_plane"])  # noqa: E731
    wrong = evaluate(name, records, answer)
    for record in records:
        record["ignored_boxes"] = [[0.0, 110.0, 200.0, 200.0]]
    right = evaluate(name, records, answer)
    for section, key in (("exact", "car 3d@0.5/all"), ("exact", "car bbox@0.7/all"), ("bbox", "car/AP")):
        assert right[section][key] == pytest.approx(100) and wrong[section][key] < 95
    assert right["published"]["car bbox@0.7/easy"] > wrong["published"]["car bbox@0.7/easy"]


def test_region_masks(dataset, tmp_path):
    """Objects right of the mask's edge are left out, found or not."""
    name, records = dataset
    mask = np.zeros((200, 900), dtype=np.uint8)
    mask[:, :450] = 255
    for record in records:
        cv2.imwrite(str(tmp_path / f"{record['image_id']}.png"), mask)
    left = lambda r: instances([a for a in r["annotations"] if a["bbox"][0] < 420], r["ground_plane"])  # noqa: E731
    results = evaluate(name, records, left, region_masks=tmp_path)
    assert results["exact"]["car 3d@0.5/all"] == pytest.approx(100)
    assert results["bbox"]["AP"] == pytest.approx(100)
    assert evaluate(name, records, left)["exact"]["car 3d@0.5/all"] < 90
    cv2.imwrite(str(tmp_path / f"{records[1]['image_id']}.png"), mask[:100])
    with pytest.raises(ValueError, match="000001.png: expected 900x200 pixels, got 900x100"):
        evaluate(name, records, left, region_masks=tmp_path)
    (tmp_path / "000000.png").unlink()
    with pytest.raises(FileNotFoundError, match="000000.png"):
        evaluate(name, records, left, region_masks=tmp_path)


def test_images_count_once_over_ranks(dataset, monkeypatch):
    name, records = dataset
    parts = []
    for chosen in (records[:4], records[2:]):
        evaluator = Detection3DEvaluator(name)
        evaluator.process([mapped(r) for r in chosen], [{"instances": perfect(r)} for r in chosen])
        parts.append(evaluator)
    monkeypatch.setattr(comm, "gather", lambda rows, dst: [part._rows for part in parts])
    assert parts[0].evaluate() == evaluate(name, records, perfect)
    monkeypatch.setattr(comm, "is_main_process", lambda: False)
    assert parts[0].evaluate() == {}


def test_images_without_predictions_are_misses_and_said(dataset, caplog):
    name, records = dataset
    with caplog.at_level(logging.WARNING):
        results = evaluate(name, records[:3], perfect)
    assert results["exact"]["car 3d@0.5/all"] == pytest.approx(50)
    assert "3 of 6 images have no predictions" in caplog.text


def test_broken_images_that_are_skipped_count_nowhere(dataset, monkeypatch, caplog):
    name, records = dataset
    monkeypatch.setenv("D2EXT_SKIP_BROKEN", "1")
    with caplog.at_level(logging.WARNING):
        results = evaluate(name, records[:2] + records[3:], perfect)
    assert "1 of 6 images are broken and left out" in caplog.text
    assert results["images"] == {"evaluated": 5, "left out": 1}
    for key, value in (results["bbox"] | results["exact"]).items():
        assert value == pytest.approx(100), key


def test_labels_without_an_angle_are_counted(dataset, monkeypatch, caplog):
    """An object with a 2D label only, whose alpha is not known, cannot be wrong in it."""
    name, records = dataset
    flat = {"alpha": -10.0, "yaw": 0.0, "has_3d": False, "location": [0.0] * 3, "dimensions": [0.0] * 3}
    changed = [
        r | {"annotations": [a | flat if a["id"] == 0 else a for a in r["annotations"]]} for r in records
    ]
    monkeypatch.setattr(Detection3DEvaluator, "records", changed)
    with caplog.at_level(logging.WARNING):
        found = evaluate(name, records, perfect)["published"]
    assert "6 labels have no angle and are left out of AOS" in caplog.text
    for difficulty in ("easy", "moderate", "hard"):
        assert np.isfinite(found[f"car aos@0.7/{difficulty}"])


def test_other_datasets_are_refused():
    MetadataCatalog.get("detection_test_grounding").set(evaluator_type="mono3drefer")
    try:
        with pytest.raises(ValueError, match="expected data for .*, got 'mono3drefer'"):
            Detection3DEvaluator("detection_test_grounding")
    finally:
        MetadataCatalog.remove("detection_test_grounding")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["kitti", "rope3d"])
def test_5000_images_of_40_boxes_take_less_than_a_minute_of_one_core(kind):
    rng = np.random.default_rng(0)
    name, images, boxes = f"detection_test_large_{kind}", 5000, 40
    kinds = [ROAD.id_of(k) for k in ("car", "truck", "cyclist", "pedestrian")]
    records, rows = [], {}
    for image in range(images):
        corner, size = rng.uniform(0, [1800, 900], (boxes, 2)), rng.uniform(30, 150, (boxes, 2))
        bbox = np.concatenate((corner, corner + size), axis=1)
        location = rng.uniform([-30, 1, 10], [30, 2, 120], (boxes, 3))
        dimensions = rng.uniform([1.4, 1.6, 3.8], [1.8, 2.0, 4.8], (boxes, 3))
        category = rng.choice(kinds, boxes, p=[0.7, 0.1, 0.1, 0.1]).tolist()
        plain = {"yaw": 0.3, "alpha": 0.3, "truncated": 0.0, "occluded": 0, "has_3d": True}

        def table(noise: float, category=category, bbox=bbox, location=location, dimensions=dimensions):
            keys = ("category_id", "bbox", "location", "dimensions")
            columns = (
                category,
                (bbox + noise * rng.normal(0, 4, bbox.shape)).tolist(),
                (location + noise * rng.normal(0, [0.3, 0.1, 0.6], location.shape)).tolist(),
                dimensions.tolist(),
            )
            return [dict(zip(keys, row, strict=True)) for row in zip(*columns, strict=True)]

        records.append(
            {
                "image_id": str(image),
                "ground_plane": PLANE,
                "annotations": [row | plain for row in table(0.0)],
            }
        )
        found = [row | plain | {"score": float(rng.random())} for row in table(1.0)]
        rows[str(image)] = {"predictions": sorted(found, key=lambda row: -row["score"])}
    MetadataCatalog.get(name).set(evaluator_type=kind, thing_classes=list(ROAD.names))
    try:
        evaluator = Detection3DEvaluator(name)
        start = time.process_time()
        evaluator.compare(records, rows)
        assert time.process_time() - start < 60
    finally:
        MetadataCatalog.remove(name)
