"""IoU of pairs of boxes on the ground or in the image."""

from __future__ import annotations

import numpy as np
import torch

from d2ext.structures import rectangle_intersection

from .detections import Detections


@torch.inference_mode()
def overlap_3d(
    position: np.ndarray,
    heading: np.ndarray,
    size: np.ndarray,
    elevation: np.ndarray,
    other_position: np.ndarray,
    other_heading: np.ndarray,
    other_size: np.ndarray,
    other_elevation: np.ndarray,
) -> np.ndarray:
    """(K,) exact IoU of K pairs of upright boxes: x, y (K, 2) of the middle, heading (K,), height, width and
    length (K, 3), height of the lower face (K,)."""
    if not len(position):
        return np.zeros(0)
    angles = np.stack([heading, other_heading])
    headings = torch.from_numpy(np.stack([np.cos(angles), np.sin(angles)], -1))
    halves = torch.from_numpy(np.stack([size[:, [2, 1]], other_size[:, [2, 1]]]) / 2)
    offset = torch.from_numpy(other_position - position)
    area = rectangle_intersection(halves[0], halves[1], offset, headings[0], headings[1]).numpy()
    top = np.minimum(elevation + size[:, 0], other_elevation + other_size[:, 0])
    shared = area * np.maximum(top - np.maximum(elevation, other_elevation), 0)
    union = size.prod(1) + other_size.prod(1) - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def overlap_2d(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """IoU of boxes (..., 4) x1, y1, x2, y2; leading dimensions broadcast."""
    low, high = np.maximum(boxes[..., :2], others[..., :2]), np.minimum(boxes[..., 2:], others[..., 2:])
    shared = np.maximum(high - low, 0).prod(-1)
    union = area_2d(boxes) + area_2d(others) - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def area_2d(boxes: np.ndarray) -> np.ndarray:
    """Areas of boxes (..., 4)."""
    return np.maximum(boxes[..., 2:] - boxes[..., :2], 0).prod(-1)


def doubled(found: Detections, taken: Detections) -> np.ndarray:
    """(M,) bool: detections whose middle lies on the ground of one that a track has, or the other way round;
    in the image well inside of it. Two things do not stand in one place."""
    if found.position is not None:
        assert taken.position is not None
        apart = found.position[:, None] - taken.position
        return (_inside(apart, taken, 0) | _inside(-apart, found, 1)).any(1)
    assert found.boxes is not None and taken.boxes is not None
    low, high = taken.boxes[:, :2], taken.boxes[:, 2:]
    middle = (found.boxes[:, None, :2] + found.boxes[:, None, 2:]) / 2
    return (np.abs(middle - (low + high) / 2) < (high - low) / 4).all(-1).any(1)


def repeated(found: Detections) -> np.ndarray:
    """(M,) bool: detections on the ground that repeat one of a higher score which repeats none, as
    :func:`doubled` has it, of whatever class: a detector may call one thing a car and a van."""
    if found.position is None or not len(found):
        return np.zeros(len(found), bool)
    apart = found.position[:, None] - found.position
    same = _inside(apart, found, 0) | _inside(-apart, found, 1)
    rank = np.empty(len(found), np.int64)
    rank[np.argsort(-found.scores, kind="stable")] = np.arange(len(found))
    covered = same & (rank < rank[:, None])
    kept = np.ones(len(found), bool)
    for _ in range(len(found)):  # once more for each that stands on one that stands on one
        kept, before = ~(covered & kept).any(1), kept
        if (kept == before).all():
            break
    return ~kept


def _inside(offset: np.ndarray, boxes: Detections, axis: int) -> np.ndarray:
    """(M, N) bool: offsets (M, N, 2) m that end on the ground of boxes, which lie along N (0) or M (1)."""
    assert boxes.heading is not None and boxes.size is not None
    heading, half = np.expand_dims(boxes.heading, axis), np.expand_dims(boxes.size[:, [2, 1]] / 2, axis)
    cosine, sine = np.cos(heading), np.sin(heading)
    along = np.abs(offset[..., 0] * cosine + offset[..., 1] * sine)
    across = np.abs(offset[..., 1] * cosine - offset[..., 0] * sine)
    return (along < half[..., 0]) & (across < half[..., 1])
