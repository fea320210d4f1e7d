"""Losses, targets of centre-based heads, and what losses are divided by."""

from __future__ import annotations

import torch
import torch.distributed as dist
import torch.nn.functional as F
from detectron2.utils import comm
from torch import Tensor


def loss_normalizer(totals: Tensor, least: float = 1.0) -> Tensor:
    """Divisors for sums over this process's part of the batch: max(sum over processes, least) / processes.

    DistributedDataParallel averages gradients over the processes. The average of (own sum / this divisor) is
    (sum over the whole batch) / (total of the whole batch), however the batch was divided. One process:
    ``totals`` themselves, at least ``least``.

    Args:
        totals: any shape: counts or sums of weights of this process. Every process must call this, also one
            with nothing to count.
        least: lower bound of the global totals.

    Returns:
        as ``totals``, without gradient.
    """
    totals, processes = totals.detach().clone(), comm.get_world_size()
    if processes > 1:
        dist.all_reduce(totals)
    return totals.clamp(min=least) / processes


def gaussian_heatmaps(
    centers: Tensor, sizes: Tensor, owner: Tensor, num_maps: int, height: int, width: int
) -> Tensor:
    """Heat maps with a peak of exactly 1 at the cell of each object, the larger value where two overlap.

    The spread is a tenth of the object's extent along each axis and at least 0.7 cells, in the manner of
    CenterNet (Zhou et al., Objects as Points, 2019, Sec. 3).

    Args:
        centers: (T, 2) integer cells (column, row), inside the map.
        sizes: (T, 2) extents in cells.
        owner: (T,) map index of each object.

    Returns:
        (num_maps, height, width) float32.
    """
    sigma = (0.1 * sizes).clamp(min=0.7)
    x = torch.arange(width, device=centers.device)
    y = torch.arange(height, device=centers.device)
    gx = torch.exp(-0.5 * ((x - centers[:, :1]) / sigma[:, :1]) ** 2)
    gy = torch.exp(-0.5 * ((y - centers[:, 1:]) / sigma[:, 1:]) ** 2)
    maps = (gy[:, :, None] * gx[:, None, :]).float()
    out = torch.zeros(num_maps, height * width, device=centers.device)
    index = owner[:, None].expand(-1, height * width)
    return out.scatter_reduce(0, index, maps.flatten(1), "amax").view(num_maps, height, width)


def heatmap_focal_loss(logits: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """Penalty-reduced focal loss of CornerNet (Law & Deng 2018, Eq. 1; alpha 2, beta 4), summed over a map.

    Args:
        logits: (S, H, W).
        target: (S, H, W) in [0, 1], exactly 1 at object cells.
        valid: (S, H, W) bool, cells that count (not padding).

    Returns:
        (S,) sum over cells.
    """
    logits = logits.float()
    p = logits.sigmoid()
    positive = -((1 - p) ** 2) * F.logsigmoid(logits)
    negative = -((1 - target) ** 4) * p**2 * F.logsigmoid(-logits)
    loss = torch.where(target == 1, positive, negative)
    if valid is not None:
        loss = loss * valid
    return loss.flatten(1).sum(1)


def selection_loss(
    target_logits: Tensor, target_owner: Tensor, other_logits: Tensor, other_owner: Tensor, num_groups: int
) -> Tensor:
    """Cross-entropy of each target against the non-targets of its group (sentence).

    Args:
        target_logits, target_owner: (T,) logits of targets and the group of each.
        other_logits, other_owner: (D,) the same of non-targets.

    Returns:
        (T,) log(1 + sum_d exp(other_d - target_t)).
    """
    top = torch.full((num_groups,), float("-inf"), device=other_logits.device)
    top = top.scatter_reduce(0, other_owner, other_logits.detach(), "amax")
    scaled = (other_logits - top[other_owner]).exp()
    total = torch.zeros(num_groups, device=scaled.device).index_add(0, other_owner, scaled)
    rival = total.clamp(min=1e-30).log() + top  # -inf in a group without others
    return F.softplus(rival[target_owner] - target_logits)


def generalized_iou_loss(boxes: Tensor, targets: Tensor) -> Tensor:
    """1 - generalised IoU (Rezatofighi et al., CVPR 2019) of boxes (N, 4) with targets (N, 4): (N,).

    As torchvision's ``generalized_box_iou_loss``, whose boolean indices make the host wait for a GPU.
    """
    eps = 1e-7

    def area(low: Tensor, high: Tensor) -> Tensor:
        return (high[:, 0] - low[:, 0]) * (high[:, 1] - low[:, 1])

    low, high = torch.maximum(boxes[:, :2], targets[:, :2]), torch.minimum(boxes[:, 2:], targets[:, 2:])
    shared = torch.where((high > low).all(1), area(low, high), 0.0)
    union = area(boxes[:, :2], boxes[:, 2:]) + area(targets[:, :2], targets[:, 2:]) - shared
    hull = area(torch.minimum(boxes[:, :2], targets[:, :2]), torch.maximum(boxes[:, 2:], targets[:, 2:]))
    return 1 - (shared / (union + eps) - (hull - union) / (hull + eps))


def laplace_nll(error: Tensor, log_scale: Tensor, beta: float = 0.5) -> Tensor:
    """Negative log likelihood of a Laplace distribution, |error| / scale + log scale, times scale^beta.

    The factor has no gradient. It keeps precise predictions, whose likelihood is as steep as 1 / scale, from
    drowning every other loss (Seitzer et al., On the Pitfalls of Heteroscedastic Uncertainty Estimation,
    ICLR 2022, Eq. 7); the least lies at scale = |error| for every ``beta``.
    """
    nll = error.abs() * torch.exp(-log_scale) + log_scale
    return nll * (beta * log_scale.detach()).exp()
