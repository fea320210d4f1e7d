"""Detections against labels, image by image: which are right, which are false, and what was missed."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .average_precision import Matching
from .objects import ObjectTable

PredictedRows = Sequence[Mapping[str, Any]]


@dataclass
class JudgedImage:
    """What was found in an image.

    Attributes:
        record: the image's dataset dict.
        right, false: predictions by falling score, rows as in ``predictions.json``.
        missed: annotations that were not found.
        threshold: least score of the predictions that were looked at.
    """

    record: Mapping[str, Any]
    right: PredictedRows
    false: PredictedRows
    missed: Sequence[Mapping[str, Any]]
    threshold: float

    @property
    def verdict(self) -> str:
        """How good that is, in words."""
        counts = f"{len(self.false)} false, {len(self.missed)} missed, {len(self.right)} right"
        return f"{counts} at scores from {self.threshold:.2f} on"


def judge_images(
    records: Sequence[Mapping[str, Any]],
    found: Sequence[PredictedRows],
    labels: ObjectTable,
    predictions: ObjectTable,
    match: Matching,
) -> list[JudgedImage]:
    """Sort the predictions and labels of each image into right, false and missed ones.

    Args:
        records: the dataset.
        found: the predictions for each record.
        labels: of the annotations of each record, in their order; other rows may follow in an image.
        predictions: of ``found``.
        match: of the two tables.
    """
    hit = match.label >= 0
    threshold = best_threshold(predictions.score[match.judged], hit[match.judged], int(match.counted.sum()))
    kept = match.judged & (predictions.score >= threshold)
    missed = match.counted.copy()
    missed[match.label[kept & hit]] = False
    first = np.searchsorted(labels.image, np.arange(len(records)))
    start = np.searchsorted(predictions.image, np.arange(len(records)))
    images = []
    for record, rows, i, j in zip(records, found, first, start, strict=True):
        own = slice(j, j + len(rows))
        right, false = (
            [rows[k] for k in np.flatnonzero(mask[own]).tolist()] for mask in (kept & hit, kept & ~hit)
        )
        objects = record["annotations"]
        lost = [objects[k] for k in np.flatnonzero(missed[i : i + len(objects)]).tolist()]
        images.append(JudgedImage(record, right, false, lost, threshold))
    return images


def best_threshold(scores: np.ndarray, hit: np.ndarray, count: int) -> float:
    """The score from which on the predictions have the greatest F1; 0 without predictions.

    Args:
        scores, hit: (P,) score of each prediction, and whether it is right.
        count: labels to find.
    """
    if not len(scores):
        return 0.0
    order = np.argsort(-scores, kind="stable")
    f1 = 2 * np.cumsum(hit[order]) / (np.arange(1, len(scores) + 1) + count)
    f1[:-1][np.diff(scores[order]) == 0] = -1  # equal scores are on the same side: only the last counts
    return float(scores[order][f1.argmax()])


def worst_images(images: Sequence[JudgedImage], count: int) -> list[JudgedImage]:
    """The images with the most false and missed objects, then those whose false objects have the greatest
    scores; images without a mistake are left out.

    Args:
        count: how many at most.
    """
    wrong = [image for image in images if image.false or image.missed]
    return heapq.nlargest(
        count,
        wrong,
        key=lambda image: (len(image.false) + len(image.missed), sum(row["score"] for row in image.false)),
    )
