"""Ground planes (a, b, c, d): a x + b y + c z + d = 0 in the camera frame (x right, y down, z forward, m).

A normalised plane has a unit normal that points up (b near -1), so d is the camera's height above the ground.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


def normalize_plane(plane: Any) -> Tensor:
    """Scale a plane to a unit normal and turn the normal upwards (b < 0).

    Args:
        plane: (..., 4) tensor, array or list.

    Returns:
        (..., 4) tensor with the dtype of ``plane`` (the default dtype for lists).

    Raises:
        ValueError: wrong shape, a non-finite number, or a normal without a vertical part (b = 0).
    """
    plane = torch.as_tensor(plane)
    if not plane.is_floating_point():
        plane = plane.to(torch.get_default_dtype())
    if plane.shape[-1:] != (4,):
        raise ValueError(f"ground plane: expected 4 numbers a b c d, got shape {tuple(plane.shape)}")
    if not bool(torch.isfinite(plane).all()):
        raise ValueError(f"ground plane: expected finite numbers, got {plane.tolist()}")
    if bool((plane[..., 1] == 0).any()):
        raise ValueError(f"ground plane: expected a normal that points up (b != 0), got {plane.tolist()}")
    scale = -torch.sign(plane[..., 1:2]) / plane[..., :3].norm(dim=-1, keepdim=True)
    return plane * scale


def plane_of_tilt(height: float, pitch: float, roll: float = 0.0) -> list[float]:
    """Ground plane [a, b, c, d] below a camera.

    Args:
        height: metres above the ground.
        pitch: radians by which the camera looks down.
        roll: radians by which the horizon falls to the right of the picture.
    """
    along = math.cos(pitch)
    return [math.sin(roll) * along, -math.cos(roll) * along, -math.sin(pitch), height]


def tilt_of_plane(plane: Sequence[float]) -> tuple[float, float]:
    """Pitch and roll in radians of a normalised plane: the inverse of :func:`plane_of_tilt`."""
    return math.asin(min(1.0, max(-1.0, -plane[2]))), math.atan2(plane[0], -plane[1])


def ground_rotation(plane: Tensor) -> Tensor:
    """Rotation G from a frame that stands on the ground to the camera frame.

    Its columns are the camera's x axis made orthogonal to the plane normal, the downward normal, and their
    cross product (forward along the ground). A level ground gives the identity.

    Args:
        plane: (..., 4) ground plane; need not be normalised.

    Returns:
        (..., 3, 3) rotation matrices.
    """
    down = -normalize_plane(plane)[..., :3]
    right = torch.zeros_like(down)
    right[..., 0] = 1.0
    right = right - down * down[..., :1]
    right = right / right.norm(dim=-1, keepdim=True)
    return torch.stack((right, down, torch.linalg.cross(right, down)), dim=-1)


def height_above_plane(points: Tensor, plane: Tensor) -> Tensor:
    """Signed height in metres of points (..., 3) above a normalised plane (4,) or (..., 4)."""
    return (points * plane[..., :3]).sum(dim=-1) + plane[..., 3]


def flip_plane(plane: Tensor) -> Tensor:
    """Plane (..., 4) of the horizontally mirrored image: a -> -a."""
    return plane * plane.new_tensor([-1.0, 1.0, 1.0, 1.0])
