"""Labels and predictions of a whole dataset as columns, and the pairs of them that overlap.

A protocol that matches objects image by image runs on these without a loop over images or pairs: the columns
hold all images one after the other, and only pairs with an overlap are ever looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from d2ext.structures import Boxes3D, bev_iou, ground_rotation, iou3d

_CHUNK = 1 << 20  # pairs of one image compared at a time

#: Type of rows that mark a region whose objects are not labelled.
REGION = "dontcare"
#: KITTI's alpha of objects for which it was not worked out.
NOT_COMPUTED = -10.0


@dataclass(frozen=True)
class ObjectTable:
    """N labels or N predictions, grouped by image.

    Attributes:
        image: (N,) index of the image, never falling.
        kind: (N,) class names, lower case; ``REGION`` marks a region instead of an object.
        bbox: (N, 4) x1, y1, x2, y2, pixels.
        location: (N, 3) centres of the bottom faces, metres.
        dimensions: (N, 3) height, width, length, metres; 0 for objects without a 3D label.
        yaw, alpha: (N,) radians; alpha is NaN where nothing tells it.
        truncated, occluded: (N,) as in the label files; 0 for predictions.
        score: (N,) 0 for labels.
        outside: (N,) True for what lies outside the region to evaluate.
    """

    image: np.ndarray
    kind: np.ndarray
    bbox: np.ndarray
    location: np.ndarray
    dimensions: np.ndarray
    yaw: np.ndarray
    alpha: np.ndarray
    truncated: np.ndarray
    occluded: np.ndarray
    score: np.ndarray
    outside: np.ndarray

    @classmethod
    def from_rows(cls, images: Sequence[Sequence[Mapping[str, Any]]], names: Sequence[str]) -> ObjectTable:
        """Columns of dataset annotations or of predictions. An ``alpha`` of -10 (KITTI: not computed) follows
        from yaw and place; objects without a 3D label have neither.

        Args:
            images: rows of each image with ``bbox``, ``location``, ``dimensions``, ``yaw``, ``alpha`` and
                ``category_id``; ``score``, ``truncated`` and ``occluded`` where there are any.
            names: class name of each category id.
        """
        rows = [row for image in images for row in image]
        vectors = [[*row["bbox"], *row["location"], *row["dimensions"]] for row in rows]
        numbers = np.array(vectors, dtype=np.float64).reshape(-1, 10)
        columns = {
            field: np.array([row.get(field, 0.0) for row in rows], dtype=np.float64)
            for field in ("yaw", "alpha", "truncated", "occluded", "score")
        }
        computed = columns["yaw"] - np.arctan2(numbers[:, 4], numbers[:, 6])
        computed[(numbers[:, 7:] == 0).all(axis=1)] = np.nan
        columns["alpha"] = np.where(columns["alpha"] == NOT_COMPUTED, computed, columns["alpha"])
        return cls(
            image=np.repeat(np.arange(len(images)), [len(image) for image in images]),
            kind=np.array([names[row["category_id"]] for row in rows], dtype=np.str_),
            bbox=numbers[:, :4],
            location=numbers[:, 4:7],
            dimensions=numbers[:, 7:],
            outside=np.zeros(len(rows), dtype=bool),
            **columns,
        )

    def __len__(self) -> int:
        return len(self.image)

    def __getitem__(self, item: np.ndarray) -> ObjectTable:
        """Rows by mask or index."""
        return ObjectTable(*(getattr(self, name)[item] for name in self.__dataclass_fields__))

    @property
    def height2d(self) -> np.ndarray:
        """(N,) heights of the 2D boxes, pixels."""
        return self.bbox[:, 3] - self.bbox[:, 1]

    @property
    def has_3d(self) -> np.ndarray:
        """(N,) whether there is a 3D box."""
        return (self.dimensions != 0).any(axis=1)

    def renamed(self, kinds: Mapping[str, str]) -> ObjectTable:
        """The same objects with every class name that is a key of ``kinds`` replaced."""
        old, inverse = np.unique(self.kind, return_inverse=True)
        new = np.array([kinds.get(name, name) for name in old.tolist()], dtype=np.str_)
        return replace(self, kind=new[inverse])

    def on_ground(self, planes: np.ndarray) -> ObjectTable:
        """The same objects in the frame of the ground, in which boxes that stand on it are level.

        Args:
            planes: (N, 4) ground plane under each object.
        """
        rotation = ground_rotation(torch.from_numpy(planes)).numpy()
        return replace(self, location=np.einsum("nij,ni->nj", rotation, self.location))

    def level_boxes(self) -> Boxes3D:
        """Boxes that stand on the x-z plane of their frame."""
        return Boxes3D.from_kitti(*map(torch.from_numpy, (self.location, self.dimensions, self.yaw)))


@dataclass(frozen=True)
class Pairs:
    """P pairs of a label and a prediction of the same image: their indices and how much they overlap."""

    label: np.ndarray
    prediction: np.ndarray
    overlap: np.ndarray

    def __getitem__(self, item: np.ndarray) -> Pairs:
        return Pairs(self.label[item], self.prediction[item], self.overlap[item])


def same_image(labels: ObjectTable, predictions: ObjectTable) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """All pairs of label and prediction of the same image, as chunks of two index arrays."""
    images = np.arange(max(labels.image[-1:].sum(), predictions.image[-1:].sum()) + 2)
    start = np.searchsorted(predictions.image, images)
    number = np.diff(start)[labels.image]
    ends = np.cumsum(number)
    cuts = np.searchsorted(ends, np.arange(_CHUNK, ends[-1:].sum(), _CHUNK))
    for rows in np.split(np.arange(len(labels)), np.unique(cuts)):
        first = np.repeat(rows, number[rows])
        position = np.arange(len(first)) - np.repeat(np.cumsum(number[rows]) - number[rows], number[rows])
        yield first, start[labels.image[first]] + position


def overlapping(labels: ObjectTable, predictions: ObjectTable, metric: str) -> Pairs:
    """Pairs with an overlap.

    Args:
        labels, predictions: objects of the same images.
        metric: "bbox" for the IoU of the 2D boxes, "covered" for the part of the prediction's 2D box that the
            label's covers, "bev" and "3d" for the IoU of level boxes seen from above and of their volumes.
    """
    compare = _compare_2d if metric in ("bbox", "covered") else _compare_3d
    parts = []
    for first, second in same_image(labels, predictions):
        pairs = compare(labels, predictions, first, second, metric)
        parts.append(pairs[pairs.overlap > 0])
    columns = ("label", "prediction", "overlap")
    return Pairs(*(np.concatenate([getattr(part, column) for part in parts]) for column in columns))


def _compare_2d(
    labels: ObjectTable, predictions: ObjectTable, first: np.ndarray, second: np.ndarray, metric: str
) -> Pairs:
    a, b = labels.bbox[first], predictions.bbox[second]
    size = np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2])
    near = (size > 0).all(axis=1)
    a, b, shared = a[near], b[near], size[near].prod(axis=1)
    area = (b[:, 2:] - b[:, :2]).prod(axis=1)
    if metric == "bbox":
        area = area + (a[:, 2:] - a[:, :2]).prod(axis=1) - shared
    return Pairs(first[near], second[near], shared / area)


def _compare_3d(
    labels: ObjectTable, predictions: ObjectTable, first: np.ndarray, second: np.ndarray, metric: str
) -> Pairs:
    # Only boxes whose circumscribed circles meet are compared further. What has no volume overlaps nothing.
    reach_a, reach_b = (
        np.where(
            (t.dimensions > 0).all(axis=1), np.hypot(t.dimensions[:, 1], t.dimensions[:, 2]) / 2, -np.inf
        )
        for t in (labels, predictions)
    )
    offset = labels.location[first][:, [0, 2]] - predictions.location[second][:, [0, 2]]
    near = np.hypot(offset[:, 0], offset[:, 1]) < reach_a[first] + reach_b[second]
    first, second = first[near], second[near]
    iou = {"bev": bev_iou, "3d": iou3d}[metric]
    values = iou(labels[first].level_boxes(), predictions[second].level_boxes(), aligned=True)
    return Pairs(first, second, values.numpy())
