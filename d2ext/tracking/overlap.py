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
    """(M,) bool: detections whose middle lies well inside of one that a track has."""
    if found.position is not None and found.size is not None:
        assert taken.position is not None and taken.size is not None
        apart = np.linalg.norm(found.position[:, None] - taken.position, axis=-1)
        return (apart < np.minimum(found.size[:, None, 1], taken.size[:, 1]) / 2).any(1)
    assert found.boxes is not None and taken.boxes is not None
    low, high = taken.boxes[:, :2], taken.boxes[:, 2:]
    middle = (found.boxes[:, None, :2] + found.boxes[:, None, 2:]) / 2
    return (np.abs(middle - (low + high) / 2) < (high - low) / 4).all(-1).any(1)
