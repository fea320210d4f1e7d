"""Rope3D's similarities and score (X. Ye et al., CVPR 2022): as the released tool has them, and corrected.

A prediction and a label are a pair when they are each other's best 2D overlap, whatever the score. Four
similarities in [0, 1] are averaged over the pairs: of the ground centre (ACS), the orientation (AOS), the
ground area (AAS) and the four ground points (AGS). The released tool

* tilts boxes by the pitch of the ground only and measures distances in the camera's x-z plane;
* rolls x, y, z of the ground points where it should roll the points, and takes the norm over the points of
  each coordinate;
* compares yaws without wrapping, before it turns a prediction that points backwards;
* applies (1 + cos) / 2 to the orientation twice, so AOS is never below 0.5.

:func:`similarities` does all that or, ``corrected``, none of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from d2ext.structures import Boxes3D

from .objects import ObjectTable, overlapping

#: Evaluated classes; other types are left out.
COARSE_CLASSES = {
    "car": "car",
    "van": "car",
    "truck": "big_vehicle",
    "bus": "big_vehicle",
    "cyclist": "cyclist",
    "motorcyclist": "cyclist",
    "tricyclist": "cyclist",
    "pedestrian": "pedestrian",
    "barrow": "pedestrian",
}
RANGES = ((0.0, 30.0), (30.0, 60.0), (60.0, 90.0), (90.0, 120.0))  # metres; the upper edge belongs to a range
NAMES = ("ACS", "AOS", "AAS", "AGS")
_MIN_HEIGHT = 1.0  # metres; lower objects are left out on both sides


@dataclass(frozen=True)
class Similarities:
    """P matched pairs.

    Attributes:
        label, prediction: (P,) indices.
        distance: (P,) ground distance of the label, metres.
        values: (P, 4) ACS, AOS, AAS, AGS of each pair.
        ground_error: (P,) distance of the ground points, metres.
    """

    label: np.ndarray
    prediction: np.ndarray
    distance: np.ndarray
    values: np.ndarray
    ground_error: np.ndarray

    def table(self, name: str) -> dict[str, dict[str, float]]:
        """{name: {"pairs", "ACS", "AOS", "AAS", "AGS", "AS"}} over all pairs, and rows "name/0-30m" and so on
        for the ranges that have pairs; per cent. Empty without pairs."""
        masks = {name: np.ones(len(self.label), dtype=bool)}
        for low, high in RANGES:
            masks[f"{name}/{low:g}-{high:g}m"] = (self.distance > low) & (self.distance <= high)
        return {key: self._row(mask) for key, mask in masks.items() if mask.any()}

    def _row(self, mask: np.ndarray) -> dict[str, float]:
        means = 100.0 * self.values[mask].mean(axis=0)
        row = dict(zip(NAMES, means.tolist(), strict=True))
        return {"pairs": float(mask.sum()), **row, "AS": float(means.mean())}


def rope_score(ap: float, similarity: float) -> float:
    """Weighted mean (8 AP + 2 AS) / 10 of an AP and the mean similarity, both in per cent."""
    return (8 * ap + 2 * similarity) / 10


def mutual_best(
    labels: ObjectTable, predictions: ObjectTable, kinds: Sequence[str], min_overlap: float
) -> tuple[np.ndarray, np.ndarray]:
    """Indices of labels and predictions, ordered by prediction, that are each other's best 2D overlap.

    Args:
        labels, predictions: of the same images.
        kinds: classes that compete; a pair is of one class.
        min_overlap: a pair overlaps by more.
    """
    usable = [
        np.flatnonzero(np.isin(t.kind, kinds) & (t.dimensions[:, 0] > _MIN_HEIGHT) & (t.location[:, 2] > 0))
        for t in (labels, predictions)
    ]
    pairs = overlapping(labels[usable[0]], predictions[usable[1]], "bbox")
    best = np.ones(len(pairs.label), dtype=bool)
    for own, other in ((pairs.label, pairs.prediction), (pairs.prediction, pairs.label)):
        order = np.lexsort((other, -pairs.overlap, own))  # the first of equal overlaps is the best
        best[order[1:][np.diff(own[order]) == 0]] = False
    pairs = pairs[best & (pairs.overlap > min_overlap)]
    label, prediction = usable[0][pairs.label], usable[1][pairs.prediction]
    same = labels.kind[label] == predictions.kind[prediction]
    order = np.argsort(prediction[same])
    return label[same][order], prediction[same][order]


def similarities(
    labels: ObjectTable,
    predictions: ObjectTable,
    planes: np.ndarray,
    kinds: Sequence[str],
    min_overlap: float = 0.5,
    corrected: bool = False,
) -> Similarities:
    """Match the objects of some classes and compare the pairs.

    Pedestrians have no orientation: their predictions get the label's yaw.

    Args:
        labels, predictions: of the same images, with coarse classes (``COARSE_CLASSES``).
        planes: (images, 4) ground plane of each image.
        kinds: classes.
        min_overlap: least 2D IoU of a pair.
        corrected: without the faults of the released tool.
    """
    label, prediction = mutual_best(labels, predictions, kinds, min_overlap)
    g, planes = labels[label], planes[labels.image[label]]
    yaw = np.where(g.kind == "pedestrian", g.yaw, predictions.yaw[prediction])
    p = replace(predictions[prediction], yaw=yaw)
    difference = yaw - g.yaw
    if corrected:
        difference = np.remainder(difference + np.pi, 2 * np.pi) - np.pi
    backwards = np.abs(difference) > np.pi / 2
    turned = np.where(backwards, np.where(yaw >= 0, yaw + np.pi, yaw - np.pi), yaw)
    error = np.abs(g.yaw - turned)
    cos = np.cos(np.minimum(error, 2 * np.pi - error))
    aos = (1 + cos) / 2

    if corrected:
        distance = np.hypot(*g.on_ground(planes).location[:, [0, 2]].T)
        ground_error = _ground_error(g, p, planes)
    else:
        aos = (1 + aos) / 2
        distance = np.hypot(g.location[:, 0], g.location[:, 2])
        corners = _published_corners(g, g.yaw, planes)
        ground_error = np.minimum(
            _published_ground_error(_published_corners(p, yaw, planes), corners),
            _published_ground_error(_published_corners(p, turned, planes), corners),
        )
    centre = np.linalg.norm(g.location - p.location, axis=1) / np.linalg.norm(g.location, axis=1)
    area_g, area_p = (t.dimensions[:, 1] * t.dimensions[:, 2] for t in (g, p))
    area = np.abs(area_g - area_p) / area_g
    ground = ground_error / (distance + 1e-7)
    values = [1 - np.minimum(centre, 1), aos, 1 - np.minimum(area, 1), 1 - np.minimum(ground, 1)]
    return Similarities(label, prediction, distance, np.stack(values, axis=1), ground_error)


def _ground_error(labels: ObjectTable, predictions: ObjectTable, planes: np.ndarray) -> np.ndarray:
    """Mean distance (P,) of the ground points, in the best of the four orders round the box."""
    points = [
        Boxes3D.from_kitti(*map(torch.from_numpy, (t.location, t.dimensions, t.yaw, planes))).corners()[:, :4]
        for t in (labels, predictions)
    ]
    rolled = torch.stack([points[1].roll(shift, dims=1) for shift in range(4)])
    return (rolled - points[0]).norm(dim=-1).mean(dim=-1).amin(dim=0).numpy()


def _published_corners(table: ObjectTable, yaw: np.ndarray, planes: np.ndarray) -> np.ndarray:
    """(P, 4, 3) ground points under the released tool's rotation, which reads b and c of the plane only."""
    half = table.dimensions[:, [2, 1]] / 2
    signs = np.array([[1, 1], [1, -1], [-1, -1], [-1, 1]])
    along, across = np.moveaxis(signs * half[:, None], -1, 0)
    c, s = np.cos(yaw)[:, None], np.sin(yaw)[:, None]
    x, z = c * along + s * across, c * across - s * along
    b, slope = planes[:, 1, None], planes[:, 2, None]
    return np.stack((x, slope * z, -b * z), axis=-1) + table.location[:, None]


def _published_ground_error(points: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """(P,) mean over x, y, z of the norm over the points, least over rolls of the coordinates."""
    rolls = [np.roll(points, -shift, axis=-1) for shift in range(3)]
    return np.min([np.linalg.norm(r - reference, axis=1).mean(axis=-1) for r in rolls], axis=0)
