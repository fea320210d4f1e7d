"""Projection by 3x4 matrices that broadcast: one camera for many points, or one camera for each.

P maps a point X to (u w, v w, w) = P (X, 1); its third row is (0, 0, 1, t). Depth is always the z of the
point itself.
"""

from __future__ import annotations

import torch
from torch import Tensor

MIN_DISTANCE = 1e-6  # metres in front of the optical centre; keeps the division finite


def small_matmul(a: Tensor, b: Tensor) -> Tensor:
    """Matrix product (..., n, k) x (..., k, m) that keeps its precision under autocast and TF32.

    ``@`` would run in bfloat16 there, which is metres or pixels off; matrices of geometry are small.
    """
    return (a.unsqueeze(-1) * b.unsqueeze(-3)).sum(dim=-2)


def project_points(P: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    """P (..., 3, 4), points (..., 3) metres -> uv (..., 2) pixels and depth (...,) metres.

    Pixels of points at or behind the optical centre are finite but mean nothing.
    """
    homogeneous = small_matmul(P[..., :3], points.unsqueeze(-1)).squeeze(-1) + P[..., 3]
    w = homogeneous[..., 2:]
    w = torch.where(w.abs() < MIN_DISTANCE, torch.full_like(w, MIN_DISTANCE), w)
    return homogeneous[..., :2] / w, points[..., 2]


def viewing_rays(P: Tensor, uv: Tensor) -> tuple[Tensor, Tensor]:
    """P (..., 3, 4), uv (..., 2) pixels -> optical centre (..., 3), directions (..., 3) whose z is 1."""
    (a, b), (c, d) = (row.unbind(-1)[:2] for row in (P[..., 0, :], P[..., 1, :]))
    adjugate = torch.stack((torch.stack((d, -b), -1), torch.stack((-c, a), -1)), -2)
    inverse = adjugate / (a * d - b * c)[..., None, None]
    away = -P[..., 2, 3:]  # z of the optical centre
    direction = small_matmul(inverse, (uv - P[..., :2, 2]).unsqueeze(-1)).squeeze(-1)
    origin = small_matmul(inverse, (-P[..., :2, 3] - P[..., :2, 2] * away).unsqueeze(-1)).squeeze(-1)
    return torch.cat((origin, away), -1), torch.cat((direction, torch.ones_like(direction[..., :1])), -1)


def unproject_points(P: Tensor, uv: Tensor, depth: Tensor) -> Tensor:
    """P (..., 3, 4), uv (..., 2) pixels, depth (...,) metres -> points (..., 3) metres."""
    origin, direction = viewing_rays(P, uv)
    return origin + (depth - origin[..., 2]).unsqueeze(-1) * direction


def intersect_plane_depth(P: Tensor, uv: Tensor, plane: Tensor) -> Tensor:
    """Depth (...,) in metres at which the viewing rays of uv (..., 2) meet planes (..., 4).

    Infinite on the horizon, negative above it.
    """
    origin, direction = viewing_rays(P, uv)
    normal = plane[..., :3]
    distance = -((normal * origin).sum(-1) + plane[..., 3]) / (normal * direction).sum(-1)
    return distance + origin[..., 2]
