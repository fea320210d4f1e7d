"""Overlap of 2D boxes, set by set."""

from __future__ import annotations

import torch
from torch import Tensor


def pairwise_overlaps(boxes: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and generalised IoU (Rezatofighi et al., CVPR 2019) of every box with every target of its set.

    As torchvision's ``box_iou`` and ``generalized_box_iou``, for many sets at once.

    Args:
        boxes: (..., R, 4) x1, y1, x2, y2. targets: (..., G, 4).

    Returns:
        (..., R, G) each; NaN where the union or the hull is empty.
    """
    low1, high1 = boxes[..., :, None, :].split(2, -1)
    low2, high2 = targets[..., None, :, :].split(2, -1)
    low, high = torch.maximum(low1, low2), torch.minimum(high1, high2)
    shared = _area(low, torch.maximum(low, high))
    union = _area(low1, high1) + _area(low2, high2) - shared
    hull = _area(torch.minimum(low1, low2), torch.maximum(high1, high2))
    iou = shared / union
    return iou, iou - (hull - union) / hull


def _area(low: Tensor, high: Tensor) -> Tensor:
    sides = high - low
    return sides[..., 0] * sides[..., 1]
