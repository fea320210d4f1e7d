"""Closed-form pieces of 3D box prediction: multi-bin angles, ground-plane depth, fusion by uncertainty."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from d2ext.structures.projection import intersect_plane_depth
from d2ext.structures.transfer import constant


def encode_angle(alpha: Tensor, num_bins: int) -> tuple[Tensor, Tensor]:
    """Angle (N,) rad -> bin (N,) and residual (N,) in units of half a bin, in [-1, 1].

    Bin k is centred on k * 2 pi / num_bins (Mousavian et al., CVPR 2017, Sec. 4.1).
    """
    width = 2 * math.pi / num_bins
    nearest = torch.round(alpha / width)
    return nearest.long() % num_bins, (alpha / width - nearest) * 2


def decode_angle(logits: Tensor, residuals: Tensor) -> Tensor:
    """Bin logits (N, num_bins) and residuals (N, num_bins) in half bins -> angle (N,) in [-pi, pi)."""
    width = 2 * math.pi / logits.shape[1]
    bins = logits.argmax(1)
    angle = (bins + residuals.gather(1, bins[:, None])[:, 0] / 2) * width
    return (angle + math.pi) % (2 * math.pi) - math.pi


def ground_log_depth(P: Tensor, base: Tensor, plane: Tensor, height: Tensor) -> tuple[Tensor, Tensor]:
    """Log depth of box centres that stand on the ground: half a height above where the rays of their bases
    meet it. A base is seen at a pixel whatever the height, which hardly matters on a level road.

    Args:
        P: (N, 3, 4) projections. base: (N, 2) projected centres of the lower faces. plane: (N, 4) of unit
            normals that point upwards, NaN where there is none. height: (N,) metres.

    Returns:
        Log depth (N,), zero where there is none; (N,) whether the ray meets the plane at 0.5 m to 500 m.
    """
    known = ~plane.isnan().any(1)
    plane = torch.where(known[:, None], plane, constant((0.0, -1.0, 0.0, 1.0), plane))
    depth = intersect_plane_depth(P, base, plane) + plane[:, 2] * height / 2
    hit = known & (depth > 0.5) & (depth < 500.0)
    return torch.where(hit, depth, 1.0).log(), hit


def fuse_log_depths(log_depths: Tensor, log_scales: Tensor) -> tuple[Tensor, Tensor]:
    """Inverse-variance mean of K estimates of a log depth.

    Args:
        log_depths: (N, K). log_scales: (N, K) logs of Laplace scales; infinite leaves an estimate out.

    Returns:
        Fused log depth (N,) and the log scale of the mean (N,).
    """
    precision = -2.0 * log_scales
    weights = precision.softmax(1)
    return (weights * log_depths).sum(1), -0.5 * precision.logsumexp(1)
