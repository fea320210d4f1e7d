"""The evaluator of a detector with the tracker, on a written sequence."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.structures import Boxes, Instances

from d2ext.data.builtin import register_dataset
from d2ext.data.formats import read_kitti_tracks
from d2ext.evaluation import TrackingEvaluator
from d2ext.structures import Boxes3D
from d2ext.tracking import Detections, GroundFrame

GROUND, NAME = [0.0, -0.98, -0.199, 6.0], "tracks_for_test"


def records():
    """Two cars that drive away, in two sequences, on a tilted ground."""
    found, frame_of = [], GroundFrame(GROUND)
    for sequence in ("a", "b"):
        for frame in range(20):
            places = np.array([[0.0, 20 + frame], [4.0, 50 + frame]])
            cars = Detections(
                np.ones(2), np.zeros(2, int), places, np.full(2, np.pi / 2), np.tile([1.5, 1.8, 4.2], (2, 1))
            )
            annotations = [
                {
                    "id": i, "track_id": str(i), "bbox": [0.0, 0.0, 9.0, 9.0], "category_id": 0,
                    "truncated": 0.0, "occluded": 0, "has_3d": True, "location": location.tolist(),
                    "dimensions": size.tolist(), "yaw": float(yaw),
                }
                for i, (location, size, yaw) in enumerate(zip(*frame_of.to_kitti(cars), strict=True))
            ]  # fmt: skip
            found.append(
                {
                    "image_id": f"{sequence}/{frame}", "sequence": sequence, "frame": frame,
                    "time": frame / 10, "ground_plane": GROUND, "annotations": annotations, "height": 360,
                    "width": 640, "camera": [[400.0, 0, 320, 0], [0, 400.0, 180, 0], [0, 0, 1, 0]],
                }
            )  # fmt: skip
    return found


@pytest.fixture
def dataset():
    register_dataset(NAME, records, evaluator_type="rope3d")
    yield records()
    DatasetCatalog.remove(NAME)
    MetadataCatalog.remove(NAME)


def instances(record):
    names = ("location", "dimensions", "yaw")
    column = {k: torch.tensor([a[k] for a in record["annotations"]]) for k in names}
    found = Instances((40, 90))
    found.pred_boxes3d = Boxes3D.from_kitti(column["location"], column["dimensions"], column["yaw"], GROUND)
    found.pred_boxes = Boxes(torch.zeros(2, 4))
    found.pred_classes, found.scores = torch.zeros(2, dtype=torch.int64), torch.full((2,), 0.9)
    return found


def test_a_perfect_detector_is_tracked_and_written(dataset, tmp_path):
    evaluator = TrackingEvaluator(NAME, output_dir=tmp_path)
    evaluator.reset()
    order = np.random.default_rng(0).permutation(len(dataset))  # loaders of several processes
    for i in order:
        inputs = [{"image_id": dataset[i]["image_id"], "box_plane": torch.tensor(GROUND)}]
        evaluator.process(inputs, [{"instances": instances(dataset[i])}])
    results = evaluator.evaluate()
    overall = results["tracking"]
    assert overall["Recall"] == pytest.approx(100 * 19 / 20) and overall["Precision"] == 100
    assert overall["IDSW"] == 0 and overall["HOTA"] > 85
    assert overall["car/HOTA"] == overall["HOTA"]
    assert {"a/HOTA", "b/HOTA"} <= set(results["tracking_by_sequence"])
    written = read_kitti_tracks(tmp_path / "label_02/a.txt", ground=GROUND)
    assert set(written.ids) == {"1", "2"} and len(written) == 38
    assert json.loads((tmp_path / "metrics.json").read_text())["tracking"]["IDSW"] == 0


def test_frames_without_predictions_count(dataset):
    evaluator = TrackingEvaluator(NAME)
    evaluator.reset()
    assert evaluator.evaluate()["tracking"]["Recall"] == 0
