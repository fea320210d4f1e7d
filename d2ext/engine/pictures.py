"""Pictures of what a run answers, from the ``predictions.json`` of its evaluations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.structures import Instances

from d2ext.data.image_io import read_image
from d2ext.evaluation import Answer, boxes_of, read_answers
from d2ext.structures import Camera
from d2ext.visualization import draw_grounding

SENTENCES = 4  # of an image that are drawn into one picture
PICTURE_WIDTH = 1200  # pixels
#: Grounding data by ``evaluator_type``: whether every sentence has exactly one target.
SINGLE_TARGET = {"mono3drefer": True, "monomulti3d": False}


def draw_answers(folder: str | Path, name: str, count: int) -> Iterator[tuple[str, np.ndarray]]:
    """Pictures of what the last evaluation on a dataset found and should have found.

    Args:
        folder: ``OUTPUT_DIR`` of the run.
        name: registered dataset; of one that is not grounding data nothing is drawn.
        count: images, spread evenly over the dataset.

    Yields:
        image id and picture, (H, W, 3) uint8 BGR.
    """
    images = find_answers(Path(folder), name) if count > 0 else []
    for i in np.unique(np.linspace(0, len(images) - 1, min(count, len(images))).round().astype(int)):
        answers = list(images[i].values())[:SENTENCES]
        yield answers[0].record["image_id"], draw(answers, name)


def find_answers(folder: Path, name: str) -> list[dict[int, Answer]]:
    """What the last evaluation on ``name`` left, as ``read_answers`` gives it; nothing without grounding."""
    path = folder / "inference" / name / "predictions.json"
    if MetadataCatalog.get(name).get("evaluator_type") not in SINGLE_TARGET or not path.is_file():
        return []
    return read_answers(path, DatasetCatalog.get(name))


def draw(answers: Sequence[Answer], name: str) -> np.ndarray:
    """Picture of answers to sentences of one image, with their targets in white."""
    record, plane = answers[0].record, answers[0].box_plane
    image = read_image(record["file_name"])
    predictions = []
    for answer in answers:
        found = Instances(image.shape[:2])
        found.pred_boxes3d = boxes_of(answer.predictions, plane)
        found.scores = torch.tensor([row["score"] for row in answer.predictions])
        found.pred_classes = torch.tensor([row["category_id"] for row in answer.predictions])
        predictions.append(found)
    truth = [boxes_of([t for t in answer.targets if t["has_3d"]], plane) for answer in answers]
    camera = Camera(torch.tensor(record["camera"]), image.shape[:2])
    names = MetadataCatalog.get(name).thing_classes
    picture = draw_grounding(
        image, [a.text for a in answers], predictions, camera, record["ground_plane"], truth, names
    )
    size = (PICTURE_WIDTH, round(picture.shape[0] * PICTURE_WIDTH / picture.shape[1]))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
