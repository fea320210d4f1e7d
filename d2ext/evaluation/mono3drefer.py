"""The published protocol of Mono3DRefer (Zhan et al., Mono3DVG, AAAI 2024), reproduced with its quirks.

Its IoU compares axis-aligned boxes, ignores yaw, and lays the sizes on the wrong axes: h along x, w along
y, l along z, around a centre that was moved up by h / 2. Numbers in the literature are made this way;
``d2ext.structures.iou3d`` is the IoU to trust.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from d2ext.reading import read_json

from .subsets import CAR_DISTANCES, difficulty

SUBSETS = ("Unique", "Multiple", "Overall", "Near", "Medium", "Far", "Easy", "Moderate", "Hard")
_RANGES = ("Near", "Medium", "Far")
_DIFFICULTIES = ("Easy", "Moderate", "Hard")


def axis_aligned_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """IoU of axis-aligned boxes, 0 when they do not strictly overlap (touching, zero or negative extents).

    Args:
        a, b: (N, 6) centre and full extents along the three axes. Arithmetic stays in their dtype; only the
        last
            division is in float64, as in the published evaluation under numpy < 2.

    Returns:
        (N,) float64.
    """
    low = np.maximum(a[:, :3] - a[:, 3:] / 2, b[:, :3] - b[:, 3:] / 2)
    high = np.minimum(a[:, :3] + a[:, 3:] / 2, b[:, :3] + b[:, 3:] / 2)
    overlap = (high > low).all(axis=1)
    intersection = _volume(high - low)
    union = (_volume(a[:, 3:]) + _volume(b[:, 3:]) - intersection).astype(np.float64)
    return np.where(overlap, intersection, 0).astype(np.float64) / np.where(overlap, union, 1.0)


def published_iou(pred: np.ndarray, target: np.ndarray, dtype: type = np.float32) -> np.ndarray:
    """The published IoU of predictions and targets.

    Args:
        pred, target: (N, 6) h, w, l, x, y (of the bottom face), z in metres.
        dtype: float32 as published; float64 gives the same formula without its rounding.

    Returns:
        (N,) float64.
    """
    return axis_aligned_iou(_published_box(pred, dtype), _published_box(target, dtype))


def read_instance_split(metadata: Any) -> dict[str, set[int]] | None:
    """The released split of instances into subsets, which covers the test set only.

    Args:
        metadata: dataset metadata with ``split`` and ``instance_split_file``.

    Returns:
        {subset: instance ids}, None when the dataset is another split or has no such file.

    Raises:
        ValueError: the file is not JSON, or a subset's list of ids is missing.
    """
    path = Path(metadata.get("instance_split_file", ""))
    if metadata.get("split") != "test" or not path.is_file():
        return None
    content = read_json(path)
    split = {}
    for name in ("Unique", *_RANGES, *_DIFFICULTIES):
        ids = content.get(name) if isinstance(content, dict) else None
        if not isinstance(ids, list) or not all(isinstance(i, int) for i in ids):
            raise ValueError(f"{path}: field {name!r}: expected a list of instance ids")
        split[name] = set(ids)
    return split


def official_subsets(instance_id: int, split: Mapping[str, Collection[int]]) -> list[str]:
    """Subsets of an instance by the released split file.

    The list "Multiple" is never read (it is empty in the release): what is not Unique is Multiple. Of Near,
    Medium, Far, and of Easy, Moderate, Hard, the first list that has the instance counts.
    """
    names = ["Unique" if instance_id in split["Unique"] else "Multiple", "Overall"]
    for group in (_RANGES, _DIFFICULTIES):
        names += [name for name in group if instance_id in split[name]][:1]
    return names


def labelled_subsets(annotation: Mapping, annotations: Sequence[Mapping]) -> list[str]:
    """Subsets of an annotation by the paper's definitions, for data without a released split file.

    Unique: the only object of its class in the image. Near, Medium, Far: depth under 15 m, 35 m, beyond.
    """
    same_class = sum(other["category_id"] == annotation["category_id"] for other in annotations)
    depth = annotation["location"][2]
    return [
        "Unique" if same_class == 1 else "Multiple",
        "Overall",
        _RANGES[sum(depth >= edge for edge in CAR_DISTANCES)],
        difficulty(annotation["truncated"], annotation["occluded"]),
    ]


def accuracy_by_subset(
    ious: np.ndarray,
    subsets: Sequence[Sequence[str]],
    thresholds: Sequence[float] = (0.25, 0.5),
    order: Sequence[str] = SUBSETS,
) -> dict[str, dict[str, float]]:
    """Accuracy (IoU strictly above the threshold) and mean IoU of every subset.

    Args:
        ious: (N,) IoU of each sentence's prediction; 0 for a sentence without one.
        subsets: names of the subsets of each sentence.
        thresholds: IoU thresholds.
        order: names of the subsets to report, in this order.

    Returns:
        {subset: {"sentences": count, "Acc@0.25": percent, ..., "mIoU": percent}}; empty subsets are left out.
    """
    result = {}
    for name in order:
        chosen = ious[np.array([name in names for names in subsets], dtype=bool)]
        if len(chosen) == 0:
            continue
        row = {"sentences": float(len(chosen))}
        row |= {f"Acc@{t:g}": 100.0 * np.count_nonzero(chosen > t) / len(chosen) for t in thresholds}
        result[name] = row | {"mIoU": 100.0 * float(chosen.mean())}
    return result


def _published_box(hwlxyz: np.ndarray, dtype: type) -> np.ndarray:
    box = np.asarray(hwlxyz, dtype=dtype).reshape(-1, 6)[:, [3, 4, 5, 0, 1, 2]].copy()
    box[:, 1] -= box[:, 3] / 2
    return box


def _volume(extent: np.ndarray) -> np.ndarray:
    return extent[:, 0] * extent[:, 1] * extent[:, 2]
