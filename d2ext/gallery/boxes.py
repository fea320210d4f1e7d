"""Rows of ``predictions.json`` and annotations as what the drawings take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from detectron2.structures import Instances

from d2ext.data.image_io import read_image
from d2ext.evaluation import boxes_of
from d2ext.structures import Camera

Rows = Sequence[Mapping[str, Any]]


def read_scene(record: Mapping[str, Any]) -> tuple[Any, Camera]:
    """The image (H, W, 3) uint8 BGR of a dataset dict, and its camera."""
    image = read_image(record["file_name"])
    return image, Camera(torch.tensor(record["camera"]), image.shape[:2])


def instances_of(rows: Rows, plane: Sequence[float] | None, size: tuple[int, int]) -> Instances:
    """Predictions, or annotations (which have no scores).

    Args:
        rows: with ``location``, ``dimensions``, ``yaw`` and ``category_id``.
        plane: on which the boxes stand, None for the camera's x-z plane.
        size: (height, width) of the image.
    """
    found = Instances(size)
    found.pred_boxes3d = boxes_of(rows, plane)
    found.pred_classes = torch.tensor([row["category_id"] for row in rows], dtype=torch.long)
    if all("score" in row for row in rows):
        found.scores = torch.tensor([row["score"] for row in rows])
    return found
