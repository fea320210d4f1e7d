"""Which boxes of a set learn which labelled object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torchvision.ops import box_iou, generalized_box_iou

MATCHERS = ("dynamic_k", "hungarian")
#: Added to the cost of a box whose centre lies outside of the object; more than all the other costs together.
OUTSIDE = 100.0


def focal_cost(logits: Tensor, classes: Tensor, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    """What the focal loss of logits (R, C) changes by if they are to be of classes (G,): (R, G)."""
    p = logits.sigmoid()
    positive = alpha * (1 - p) ** gamma * -F.logsigmoid(logits)
    negative = (1 - alpha) * p**gamma * -F.logsigmoid(-logits)
    return (positive - negative)[:, classes]


def outside(boxes: Tensor, targets: Tensor) -> Tensor:
    """(R, G) whether the centre of a box (R, 4) lies outside of the box of an object (G, 4)."""
    middle = ((boxes[:, :2] + boxes[:, 2:]) / 2)[:, None]
    return ((middle < targets[:, :2]) | (middle > targets[:, 2:])).any(-1)


def hungarian(cost: Tensor) -> tuple[Tensor, Tensor]:
    """Pairs of least total cost (R, G) on the CPU: min(R, G) rows and as many columns, each at most once."""
    rows, columns = linear_sum_assignment(cost.numpy())
    return torch.as_tensor(rows), torch.as_tensor(columns)


def dynamic_k(cost: Tensor, iou: Tensor, candidates: int = 5) -> tuple[Tensor, Tensor]:
    """Several boxes for an object, as many as the IoU of its best ones adds up to (SimOTA; Ge et al., YOLOX,
    2021, Sec. 2).

    An object takes its k cheapest boxes, where k is the sum of its ``candidates`` largest IoUs, rounded down,
    at least 1. A box that several take stays with the cheapest. Objects left without any share the boxes that
    nobody took, at least total cost.

    Args:
        cost, iou: (R, G) on the CPU, G at least 1.

    Returns:
        rows and columns of the pairs; a row at most once.
    """
    count = iou.topk(min(candidates, len(iou)), dim=0).values.sum(0).int().clamp(min=1)
    rank = cost.argsort(stable=True, dim=0).argsort(0)
    taken = rank < count
    best = cost.masked_fill(~taken, torch.inf).argmin(1, keepdim=True)
    taken &= torch.zeros_like(taken).scatter(1, best, True)
    free, alone = (~taken.any(1)).nonzero()[:, 0], (~taken.any(0)).nonzero()[:, 0]
    rows, columns = hungarian(cost[free][:, alone])
    taken[free[rows], alone[columns]] = True
    rows, columns = taken.nonzero().unbind(1)
    return rows, columns


class SetMatcher:
    """Pairs the boxes of every head with the objects of their image.

    Args:
        method: one of ``MATCHERS``.
        costs: weights of ``class`` (focal cost), ``l1`` (distance of the boxes) and ``center`` (of the
            projected 3D centres), both in image sizes, and ``giou`` (1 - GIoU).

    Raises:
        ValueError: another method.
    """

    def __init__(self, method: str, costs: Mapping[str, float]) -> None:
        if method not in MATCHERS:
            raise ValueError(f"MODEL.DETECTION3D.MATCHER {method}: expected one of {', '.join(MATCHERS)}")
        self.method = method
        self.weights = dict(costs)

    def __call__(
        self,
        predicted: Sequence[Tensor],
        labelled: Sequence[Tensor],
        extent: Tensor,
        num_heads: int,
    ) -> tuple[Tensor, Tensor]:
        """One image.

        Args:
            predicted: class logits (R, C), boxes (R, 4) and projected 3D centres (R, 2) in pixels; as many
                rows of each head, one head after the other.
            labelled: classes (G,), boxes (G, 4) and projected 3D centres (G, 2), NaN where there is none.
            extent: (4,) width, height, width, height of the image.

        Returns:
            rows (M,) and columns (M,) of the pairs.
        """
        cost = self.cost(predicted, labelled, extent)
        overlap = box_iou(predicted[1], labelled[1])
        # Where training has diverged the loss must say so, not the assignment.
        cost, overlap = cost.nan_to_num(1e6, 1e6).cpu(), overlap.nan_to_num(0.0).cpu()
        rows, columns = [], []
        for head, (c, o) in enumerate(zip(cost.chunk(num_heads), overlap.chunk(num_heads), strict=True)):
            row, column = dynamic_k(c, o) if self.method == "dynamic_k" else hungarian(c)
            rows.append(row + head * len(c))
            columns.append(column)
        return torch.cat(rows).to(extent.device), torch.cat(columns).to(extent.device)

    def cost(
        self,
        predicted: Sequence[Tensor],
        labelled: Sequence[Tensor],
        extent: Tensor,
    ) -> Tensor:
        """(R, G); the arguments are those of a call."""
        (logits, boxes, centers), (classes, target_boxes, target_centers) = predicted, labelled
        away = (centers[:, None] - target_centers).abs().nan_to_num(0.0) / extent[:2]
        cost = (
            self.weights["class"] * focal_cost(logits, classes)
            + self.weights["l1"] * torch.cdist(boxes / extent, target_boxes / extent, p=1)
            + self.weights["giou"] * (1 - generalized_box_iou(boxes, target_boxes))
            + self.weights["center"] * away.sum(-1)
        )
        return cost + OUTSIDE * outside(boxes, target_boxes) if self.method == "dynamic_k" else cost
