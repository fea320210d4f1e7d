"""COCO's average precision of 2D boxes, by pycocotools."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from .objects import REGION, ObjectTable

_MAX_DETECTIONS = 100  # of a class in an image, by score


def coco_ap(
    labels: ObjectTable, predictions: ObjectTable, kinds: Sequence[str]
) -> dict[str, dict[str, float]]:
    """AP over IoU 0.5 to 0.95, AP50 and AP75 for boxes of any area, per cent.

    Regions without labels are crowd regions of every class, and so are labels outside the region to evaluate,
    of their own class; predictions outside are left out.

    Args:
        labels, predictions: objects of the same images.
        kinds: classes.

    Returns:
        {"Overall": {"AP", "AP50", "AP75"}, class: ...}; classes without labels are left out.
    """
    category = {kind: i + 1 for i, kind in enumerate(kinds)}
    regions = labels.kind == REGION
    truth = [_annotations(labels, labels.kind == kind, i, labels.outside) for kind, i in category.items()]
    truth += [_annotations(labels, regions, i, regions) for i in category.values()]
    found = [
        _annotations(predictions, (predictions.kind == kind) & ~predictions.outside, i, predictions.outside)
        for kind, i in category.items()
    ]
    images = np.union1d(labels.image, predictions.image).tolist()
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(_coco(images, category, truth), _coco(images, category, found), "bbox")
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
        evaluation.params.maxDets = [_MAX_DETECTIONS]
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"][:, :, :, 0, 0]  # (thresholds, recalls, classes), -1: no labels
    table = {}
    for name, chosen in (("Overall", list(range(len(kinds)))), *((k, [i]) for i, k in enumerate(kinds))):
        values = precision[:, :, chosen]
        if (values > -1).any():
            parts = {"AP": values, "AP50": values[:1], "AP75": values[5:6]}
            table[name] = {key: 100.0 * float(part[part > -1].mean()) for key, part in parts.items()}
    return table


def _annotations(
    table: ObjectTable, chosen: np.ndarray, category: int, crowd: np.ndarray
) -> list[dict[str, Any]]:
    boxes = np.concatenate((table.bbox[:, :2], table.bbox[:, 2:] - table.bbox[:, :2]), axis=1)[chosen]
    columns = (table.image[chosen], boxes, boxes[:, 2:].prod(axis=1), table.score[chosen], crowd[chosen])
    keys = ("image_id", "bbox", "area", "score", "iscrowd")
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [dict(zip(keys, row, strict=True)) | {"category_id": category} for row in rows]


def _coco(images: list[int], category: dict[str, int], annotations: list[list[dict[str, Any]]]) -> COCO:
    coco = COCO()
    coco.dataset = {
        "images": [{"id": i} for i in images],
        "categories": [{"id": i, "name": kind} for kind, i in category.items()],
        "annotations": [row | {"id": i} for i, row in enumerate(sum(annotations, []), start=1)],
    }
    coco.createIndex()
    return coco
