"""Which boxes of a set learn which labelled object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from d2ext.modeling.box3d.overlap import pairwise_overlaps
from d2ext.registry import VariantRegistry
from d2ext.structures import transfer

#: Who pairs boxes and objects: a class without arguments, called with the cost (..., R, G) of every pair,
#: infinite in columns that are no object, and the IoU (..., R, G) of their 2D boxes -> (..., R, G) bool on
#: the host, the pairs. Its ``extra`` (boxes (..., R, 4), objects (..., G, 4)) is added to the cost of a pair.
MATCHER_REGISTRY = VariantRegistry("MODEL.DETECTION3D.MATCHER")
#: Added to the cost of a box whose centre lies outside of the object; more than all the other costs together.
OUTSIDE = 100.0


def focal_cost(logits: Tensor, classes: Tensor, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    """What the focal loss of logits (..., R, C) changes by if they are to be of classes (..., G): (..., R,
    G). Objects of several classes have truths (..., G, C) in their place: 1, 0, or NaN in doubt; what counts
    is then the mean over the classes that hold."""
    p = logits.sigmoid()
    positive = alpha * (1 - p) ** gamma * -F.logsigmoid(logits)
    negative = (1 - alpha) * p**gamma * -F.logsigmoid(-logits)
    if classes.is_floating_point():
        truth = classes.nan_to_num(0.0)
        return (positive - negative) @ (truth / truth.sum(-1, keepdim=True).clamp(min=1)).transpose(-2, -1)
    index = classes[..., None, :].expand(*logits.shape[:-1], -1)
    return (positive - negative).gather(-1, index)


def outside(boxes: Tensor, targets: Tensor) -> Tensor:
    """(..., R, G) whether the centre of a box (..., R, 4) lies outside of an object's box (..., G, 4)."""
    middle = ((boxes[..., :2] + boxes[..., 2:]) / 2)[..., :, None, :]
    targets = targets[..., None, :, :]
    return ((middle < targets[..., :2]) | (middle > targets[..., 2:])).any(-1)


def hungarian(cost: Tensor) -> tuple[Tensor, Tensor]:
    """Pairs of least total cost (R, G) on the host: min(R, G) rows and as many columns, each at most once."""
    rows, columns = linear_sum_assignment(cost.numpy())
    return torch.as_tensor(rows), torch.as_tensor(columns)


def dynamic_k(cost: Tensor, iou: Tensor, candidates: int = 5) -> Tensor:
    """Several boxes for an object, as many as the IoU of its best ones adds up to (SimOTA; Ge et al., YOLOX,
    2021, Sec. 2).

    An object takes its k cheapest boxes, where k is the sum of its ``candidates`` largest IoUs, rounded down,
    at least 1. A box that several take stays with the cheapest.

    Args:
        cost, iou: (..., R, G); an infinite cost is never taken.

    Returns:
        (..., R, G) bool, the pairs; at most one in a row. Some objects may have none, see :func:`share_rest`.
    """
    candidates = min(candidates, cost.shape[-2])
    count = iou.topk(candidates, dim=-2).values.sum(-2, keepdim=True).int().clamp(min=1)
    cheapest = cost.topk(candidates, dim=-2, largest=False).indices
    place = torch.arange(candidates, device=cost.device)[:, None]
    none = torch.zeros_like(cost, dtype=torch.bool)
    taken = none.scatter(-2, cheapest, place < count) & cost.isfinite()
    best = cost.masked_fill(~taken, torch.inf).argmin(-1, keepdim=True)
    return taken & none.scatter(-1, best, True)


def share_rest(taken: Tensor, cost: Tensor) -> Tensor:
    """Objects that have no box share the boxes that nobody took, at least total cost.

    Args:
        taken: (..., R, G) of :func:`dynamic_k`, on the host.
        cost: (..., R, G), infinite in columns that are no object.

    Returns:
        (..., R, G) bool.
    """
    taken, cost = taken.clone().flatten(0, -3), cost.flatten(0, -3)
    alone = ~taken.any(1) & cost.isfinite().any(1)
    for i in alone.any(1).nonzero()[:, 0].tolist():
        free, columns = (~taken[i].any(1)).nonzero()[:, 0], alone[i].nonzero()[:, 0]
        row, column = hungarian(cost[i][free][:, columns])
        taken[i, free[row], columns[column]] = True
    return taken


@MATCHER_REGISTRY.named("hungarian")
class Hungarian:
    """One box for an object, at least total cost (DETR, Carion et al., ECCV 2020)."""

    def extra(self, boxes: Tensor, objects: Tensor) -> Tensor | float:
        """Nothing: the cost of a pair stays."""
        return 0.0

    def __call__(self, cost: Tensor, iou: Tensor) -> Tensor:
        """See ``MATCHER_REGISTRY``."""
        (cost,) = transfer([cost], torch.device("cpu"))
        taken = torch.zeros_like(cost, dtype=torch.bool)
        for pairs, of_image in zip(taken.flatten(0, -3), cost.flatten(0, -3), strict=True):
            known = of_image.isfinite().any(0).nonzero()[:, 0]
            rows, columns = hungarian(of_image[:, known])
            pairs[rows, known[columns]] = True
        return taken


@MATCHER_REGISTRY.named("dynamic_k")
class DynamicK:
    """Several boxes for an object, those outside of it last: :func:`dynamic_k`, then :func:`share_rest`."""

    def extra(self, boxes: Tensor, objects: Tensor) -> Tensor | float:
        """More than all other costs where the centre of a box lies outside of the object."""
        return OUTSIDE * outside(boxes, objects)

    def __call__(self, cost: Tensor, iou: Tensor) -> Tensor:
        """See ``MATCHER_REGISTRY``."""
        taken, cost = transfer([dynamic_k(cost, iou), cost], torch.device("cpu"))
        return share_rest(taken, cost)


class SetMatcher:
    """Pairs the boxes of every head with the objects of their image.

    Args:
        method: a name of ``MATCHER_REGISTRY``.
        costs: weights of ``class`` (focal cost), ``l1`` (distance of the boxes) and ``center`` (of the
            projected 3D centres), both in image sizes, and ``giou`` (1 - GIoU).

    Raises:
        ValueError: another method.
    """

    def __init__(self, method: str, costs: Mapping[str, float]) -> None:
        self.method = MATCHER_REGISTRY.get(method)()
        self.weights = dict(costs)

    def __call__(
        self, predicted: Sequence[Tensor], labelled: Sequence[Tensor], counts: Sequence[int], extent: Tensor
    ) -> tuple[Tensor, Tensor]:
        """All images and heads. Of a GPU the host waits once, for the costs.

        Args:
            predicted: class logits (H, B, N, C), boxes (H, B, N, 4) and projected 3D centres (H, B, N, 2) in
                pixels, of each head and image.
            labelled: classes (B, G) or their truths (B, G, C), boxes (B, G, 4) and
                projected 3D centres (B, G, 2), NaN where there is none; anything of the kind where an image
                has less than G objects.
            counts: objects of each image.
            extent: (B, 4) width, height, width, height of the images.

        Returns:
            of each pair the row among the H * B * N boxes and that among the objects, image after image; on
            the host.
        """
        images, most = labelled[0].shape[:2]
        if not most:
            return torch.zeros(0, dtype=torch.long), torch.zeros(0, dtype=torch.long)
        # Where training has diverged the loss must say so, not the assignment.
        cost = self.cost(predicted, labelled, extent).nan_to_num(1e6, 1e6)
        of_image = torch.tensor(counts)
        has_object = torch.arange(most) < of_image[:, None]
        (is_object,) = transfer([has_object], cost.device)
        cost = cost.masked_fill(~is_object[:, None], torch.inf)
        iou = pairwise_overlaps(predicted[1], labelled[1])[0].nan_to_num(0.0)
        taken = self.method(cost, iou).flatten(0, -3)
        group, rows, columns = taken.nonzero().unbind(1)
        start = of_image.cumsum(0) - of_image
        return group * taken.shape[1] + rows, start[group % images] + columns

    def cost(self, predicted: Sequence[Tensor], labelled: Sequence[Tensor], extent: Tensor) -> Tensor:
        """(..., R, G); predicted (..., R, .), labelled (..., G, .) and extent (..., 4) as in a call."""
        (logits, boxes, centers), (classes, target_boxes, target_centers) = predicted, labelled
        size = extent[..., None, :]
        away = (centers[..., :, None, :] - target_centers[..., None, :, :]).abs().nan_to_num(0.0)
        cost = (
            self.weights["class"] * focal_cost(logits, classes)
            + self.weights["l1"] * torch.cdist(boxes / size, target_boxes / size, p=1)
            + self.weights["giou"] * (1 - pairwise_overlaps(boxes, target_boxes)[1])
            + self.weights["center"] * (away / size[..., None, :2]).sum(-1)
        )
        return cost + self.method.extra(boxes, target_boxes)
