"""The published protocol of MonoMulti3D-ROPE (MonoMulti-3DVG, CyclopsNet), reproduced with its quirks.

Its IoU puts the volume of the convex hull of both boxes in the place of the union, takes the y of a label
(bottom face) for the box centre, and its matching is not one-to-one. ``grounding`` has the metrics to
trust.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import ConvexHull, QhullError
from scipy.special import expit

from .counts import MatchCounts

MAX_DESCRIPTIONS = 3  # of each image; the published script reads no more
IOU_THRESHOLD = 0.7
SCORE_THRESHOLD = 0.6
_SIGNS = np.array([[x, y, z] for x in (1, -1) for y in (1, -1) for z in (1, -1)], dtype=np.float64)


@dataclass
class CandidateImage:
    """One image of the published inference: candidates and, for each description, logits and targets.

    Attributes:
        name: image name; images are taken in natural order of their names.
        candidates: rows of at least 15 KITTI fields (text), one for each candidate box.
        logits: for each description, one logit for each candidate.
        targets: for each description, rows of at least 15 KITTI fields (text).
    """

    name: str
    candidates: list[list[str]]
    logits: list[list[float]]
    targets: list[list[list[str]]]


def hull_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The published IoU, V = hull volume: max(0, V(A) + V(B) - V(A and B together)) / V(A and B together).

    Args:
        a, b: (N, 7) and (M, 7) boxes x, y, z (taken as centre), h, w, l, yaw; metres, radians.

    Returns:
        (N, M) float64; 0 for boxes that Qhull rejects (flat, not finite). Boxes whose circumscribed spheres
        are apart are not given to Qhull: the hull of two disjoint bodies is at least as large as both
        together.
    """
    a = np.asarray(a, dtype=np.float64).reshape(-1, 7)
    b = np.asarray(b, dtype=np.float64).reshape(-1, 7)
    corners_a, corners_b = _corners(a), _corners(b)
    volume_a, volume_b = (np.array([_hull_volume(c) for c in corners]) for corners in (corners_a, corners_b))
    distance = np.linalg.norm(a[:, None, :3] - b[None, :, :3], axis=-1)
    reach = np.linalg.norm(a[:, 3:6], axis=-1)[:, None] / 2 + np.linalg.norm(b[:, 3:6], axis=-1) / 2
    result = np.zeros((len(a), len(b)))
    for i, j in zip(*np.nonzero(distance <= reach), strict=True):
        if not (volume_a[i] > 0 and volume_b[j] > 0):
            continue
        union = _hull_volume(np.concatenate((corners_a[i], corners_b[j])))
        if union > 0:
            result[i, j] = max(0.0, volume_a[i] + volume_b[j] - union) / union
    return result


def published_match(pred: np.ndarray, target: np.ndarray, threshold: float = IOU_THRESHOLD) -> MatchCounts:
    """Match predictions to targets in the published way.

    Each prediction takes the first target with IoU >= threshold, whether or not it was taken before; so
    duplicates are all true positives. Targets that nothing took are false negatives.

    Args:
        pred, target: (N, 7) and (M, 7) boxes x, y, z, h, w, l, yaw.
    """
    hits = hull_iou(pred, target) >= threshold
    tp = int(hits.any(axis=1).sum())
    taken = np.unique(hits[hits.any(axis=1)].argmax(axis=1)) if tp else ()
    return MatchCounts(tp=tp, fp=hits.shape[0] - tp, fn=hits.shape[1] - len(taken))


def box2d_match(pred: Sequence[Sequence], target: Sequence[Sequence]) -> MatchCounts:
    """Match by equality of 2D boxes (ground-truth boxes as candidates); duplicates count each time."""
    tp = sum(list(box) in [list(t) for t in target] for box in pred)
    fn = sum(list(box) not in [list(p) for p in pred] for box in target)
    return MatchCounts(tp=tp, fp=len(pred) - tp, fn=fn)


def published_totals(images: Iterable[CandidateImage], box2d_equality: bool = False) -> MatchCounts:
    """Totals of the published inference over images and their first three descriptions.

    A candidate is selected if the float32 sigmoid of its logit exceeds 0.6. Images without candidates are
    left out with their targets, as published.
    """
    total = MatchCounts()
    for image in sorted(images, key=lambda image: natural_key(image.name)):
        if not image.candidates:
            continue
        answers = zip(image.logits[:MAX_DESCRIPTIONS], image.targets[:MAX_DESCRIPTIONS], strict=True)
        for logits, target in answers:
            scores = expit(np.asarray(logits, dtype=np.float32))
            selected = [image.candidates[i] for i in np.flatnonzero(scores > np.float32(SCORE_THRESHOLD))]
            if box2d_equality:
                total += box2d_match(_fields(selected, 4, 8).tolist(), _fields(target, 4, 8).tolist())
            else:
                total += published_match(_boxes(selected), _boxes(target))
    return total


def natural_key(name: str) -> list[int | str]:
    """Sort key under which frame_9 comes before frame_10."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def split_fields(text: str) -> list[str]:
    """Fields of a label row: plain KITTI text, or the text of a Python list as in ``label_3``."""
    return re.sub(r"[\[\]',]", "", text).split()


def _boxes(rows: list[list[str]]) -> np.ndarray:
    return _fields(rows, 8, 15)[:, [3, 4, 5, 0, 1, 2, 6]]


def _fields(rows: list[list[str]], start: int, stop: int) -> np.ndarray:
    return np.array([row[start:stop] for row in rows], dtype=np.float64).reshape(-1, stop - start)


def _corners(boxes: np.ndarray) -> np.ndarray:
    """(N, 7) -> (N, 8, 3)."""
    local = _SIGNS * boxes[:, None, [5, 3, 4]] / 2
    c, s = np.cos(boxes[:, 6, None]), np.sin(boxes[:, 6, None])
    x, y, z = local[..., 0], local[..., 1], local[..., 2]
    return np.stack((c * x + s * z, y, -s * x + c * z), axis=-1) + boxes[:, None, :3]


def _hull_volume(points: np.ndarray) -> float:
    try:
        return ConvexHull(points).volume
    except (QhullError, ValueError):  # flat or not finite; the published script counts these as no overlap
        return 0.0
