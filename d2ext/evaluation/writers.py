"""Prediction files, written atomically: JSON, KITTI text, the submission of the MonoMulti3D challenge."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from d2ext.files import write_bytes
from d2ext.structures import iou3d

from .grounding import boxes_of

_ZIP_DATE = (1980, 1, 1, 0, 0, 0)  # a fixed date: equal predictions give equal bytes


def write_kitti(path: str | Path, rows: Sequence[Mapping[str, Any]], class_names: Sequence[str]) -> None:
    """Write the predictions of one image (:func:`kitti_text`)."""
    write_bytes(path, kitti_text(rows, class_names).encode())


def kitti_text(rows: Sequence[Mapping[str, Any]], class_names: Sequence[str]) -> str:
    """The predictions of one image as KITTI text, 16 columns with the score last.

    Args:
        rows: predictions with ``category_id``, ``alpha``, ``bbox``, ``dimensions``, ``location``, ``yaw``,
            ``score``. Truncation and occlusion are not predicted: -1.
        class_names: name of each category id.
    """
    lines = []
    for row in rows:
        numbers = [row["alpha"], *row["bbox"], *row["dimensions"], *row["location"], row["yaw"], row["score"]]
        lines.append(f"{class_names[row['category_id']]} -1 -1 " + " ".join(f"{n:.4f}" for n in numbers))
    return "".join(line + "\n" for line in lines)


def assign_objects(iou: np.ndarray) -> np.ndarray:
    """Which candidate objects the predictions of one sentence mean.

    Args:
        iou: (P, M) of predictions and candidates.

    Returns:
        (M,) 0/1: candidates matched one-to-one so that the summed IoU is largest; no overlap is no match.
    """
    flags = np.zeros(iou.shape[1], dtype=np.int64)
    i, j = linear_sum_assignment(iou, maximize=True)
    flags[j[iou[i, j] > 0]] = 1
    return flags


def submission_flags(
    record: Mapping[str, Any], predictions: Mapping[int, Sequence[Mapping[str, Any]]]
) -> np.ndarray:
    """What a submission says of one image: which object is meant by which description.

    Args:
        record: dataset dict; an annotation's ``id`` is its row in the label file.
        predictions: sentence id -> predictions.

    Returns:
        (objects, descriptions) array of 0 and 1.
    """
    ids = [a["id"] for a in record["annotations"] if a["has_3d"]]
    objects = boxes_of([a for a in record["annotations"] if a["has_3d"]], record["ground_plane"])
    rows = 1 + max((a["id"] for a in record["annotations"]), default=-1)
    flags = np.zeros((rows, len(record["sentences"])), dtype=np.int64)
    for column, sentence in enumerate(record["sentences"]):
        predicted = boxes_of(predictions.get(sentence["id"], ()), record["ground_plane"])
        flags[ids, column] = assign_objects(iou3d(predicted, objects).numpy())
    return flags


def write_submission(path: str | Path, images: Mapping[str, np.ndarray]) -> None:
    """Write the challenge's zip: NAME.txt with one row for each object and one 0/1 for each description.

    Args:
        images: image name -> (objects, descriptions) array of 0 and 1, objects in the order of the label
            file.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, flags in images.items():
            text = "".join(" ".join(map(str, row)) + "\n" for row in flags.astype(int).tolist())
            archive.writestr(zipfile.ZipInfo(f"{name}.txt", _ZIP_DATE), text, zipfile.ZIP_DEFLATED)
    write_bytes(path, buffer.getvalue())
