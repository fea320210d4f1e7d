"""3D boxes with full rotation, in the manner of ``detectron2.structures.Boxes``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .camera import Camera
from .ground import ground_rotation
from .projection import small_matmul

# Corner order: 0-3 the bottom face, 4-7 the top face above them; 0, 1, 5, 4 is the front face.
_CORNER_SIGNS = (
    (1, 1, 1), (1, 1, -1), (-1, 1, -1), (-1, 1, 1),
    (1, -1, 1), (1, -1, -1), (-1, -1, -1), (-1, -1, 1),
)  # fmt: skip
BOX_EDGES = ((0, 1), (1, 2), (2, 3), (3, 0), (4, 5), (5, 6), (6, 7), (7, 4), (0, 4), (1, 5), (2, 6), (3, 7))
BOX_FRONT_FACE = (0, 1, 5, 4)
NEAR_PLANE = 0.1  # metres; boxes are cut here before projection


def wrap_angle(angle: Tensor) -> Tensor:
    """Angle in radians wrapped to [-pi, pi)."""
    return torch.remainder(angle + math.pi, 2 * math.pi) - math.pi


def yaw_rotation(yaw: Tensor) -> Tensor:
    """Rotation R_y (..., 3, 3) about the downward axis; yaw 0 heads along +x, positive yaw to -z (KITTI)."""
    c, s = torch.cos(yaw), torch.sin(yaw)
    zero, one = torch.zeros_like(c), torch.ones_like(c)
    return torch.stack((c, zero, s, zero, one, zero, -s, zero, c), dim=-1).unflatten(-1, (3, 3))


class Boxes3D:
    """N boxes in the camera frame (x right, y down, z forward, metres).

    Attributes:
        center: (N, 3) centres of the boxes (not of the bottom faces).
        size: (N, 3) height, width, length.
        rotation: (N, 3, 3) object to camera. Object frame: x along the heading (length), y down (height),
            z across (width). So the columns are the heading, the down axis and the width axis.
    """

    def __init__(self, center: Tensor, size: Tensor, rotation: Tensor) -> None:
        """
        Raises:
            ValueError: the shapes are not (N, 3), (N, 3), (N, 3, 3).
        """
        n = len(center)
        if center.shape != (n, 3) or size.shape != (n, 3) or rotation.shape != (n, 3, 3):
            raise ValueError(
                "boxes3d: expected center (N, 3), size (N, 3), rotation (N, 3, 3), got "
                f"{tuple(center.shape)}, {tuple(size.shape)}, {tuple(rotation.shape)}"
            )
        self.center = center
        self.size = size
        self.rotation = rotation

    @classmethod
    def from_kitti(cls, location: Any, hwl: Any, ry: Any, ground: Any = None) -> Boxes3D:
        """Boxes from label fields; they stand on the ground plane, or on the x-z plane without one.

        Args:
            location: (N, 3) centres of the bottom faces, metres.
            hwl: (N, 3) height, width, length, metres.
            ry: (N,) yaw in radians about the ground's downward axis.
            ground: (4,) plane of the image, or None.
        """
        location = torch.as_tensor(location)
        if not location.is_floating_point():
            location = location.to(torch.get_default_dtype())
        location = location.reshape(-1, 3)
        hwl = _tensor_like(location, hwl).reshape(-1, 3)
        rotation = yaw_rotation(_tensor_like(location, ry).reshape(-1))
        if ground is not None:
            rotation = small_matmul(ground_rotation(_tensor_like(location, ground)), rotation)
        return cls(location - rotation[:, :, 1] * hwl[:, :1] / 2, hwl, rotation)

    def to_kitti(self, ground: Any = None) -> tuple[Tensor, Tensor, Tensor]:
        """The inverse of ``from_kitti``: location (N, 3), hwl (N, 3), ry (N,) in [-pi, pi]."""
        heading = self.rotation[:, :, 0]
        if ground is not None:
            heading = small_matmul(heading, ground_rotation(_tensor_like(self.center, ground)))
        return self.bottom_center(), self.size, torch.atan2(-heading[:, 2], heading[:, 0])

    def alpha(self, ground: Any = None) -> Tensor:
        """(N,) observation angles of the labels: yaw minus the azimuth of the bottom centre, in [-pi, pi)."""
        location, _, ry = self.to_kitti(ground)
        return self.alpha_from_yaw(ry, location)

    @staticmethod
    def alpha_from_yaw(yaw: Tensor, location: Tensor) -> Tensor:
        """Observation angle (N,) of yaw (N,) at location (N, 3): wrap(yaw - atan2(x, z))."""
        return wrap_angle(yaw - torch.atan2(location[..., 0], location[..., 2]))

    @staticmethod
    def yaw_from_alpha(alpha: Tensor, location: Tensor) -> Tensor:
        """Yaw (N,) of observation angle (N,) at location (N, 3): wrap(alpha + atan2(x, z))."""
        return wrap_angle(alpha + torch.atan2(location[..., 0], location[..., 2]))

    def bottom_center(self) -> Tensor:
        """(N, 3) centres of the bottom faces, metres."""
        return self.center + self.rotation[:, :, 1] * self.size[:, :1] / 2

    def volume(self) -> Tensor:
        """(N,) volumes in cubic metres."""
        return self.size.prod(dim=1)

    def corners(self) -> Tensor:
        """(N, 8, 3) corners in metres: 0-3 the bottom face, 4-7 above them, 0, 1, 5, 4 the front face."""
        signs = self.center.new_tensor(_CORNER_SIGNS)
        half = self.size[:, [2, 0, 1]] / 2
        return self.center[:, None] + small_matmul(signs * half[:, None], self.rotation.transpose(1, 2))

    def project(self, camera: Camera, clipped: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        """Project the boxes; what lies behind the near plane (``NEAR_PLANE``) is cut off along the edges.

        Args:
            camera: the camera of the image.
            clipped: also clip the 2D boxes to the image.

        Returns:
            boxes2d (N, 4): x1, y1, x2, y2 around the visible part of each box, pixels.
            uv (N, 8, 2): the projected corners; corners behind the near plane are finite but mean nothing.
            valid (N,): bool, some part lies in front of the near plane; boxes2d is 0 elsewhere.
        """
        corners = self.corners()
        uv, _ = camera.project(corners)
        distance = corners[..., 2] + camera.P[2, 3] - NEAR_PLANE
        front = distance > 0
        edges = torch.tensor(BOX_EDGES, device=self.device)
        start, end = edges[:, 0], edges[:, 1]
        crossing = front[:, start] != front[:, end]
        span = torch.where(crossing, distance[:, start] - distance[:, end], 1.0)
        t = torch.where(crossing, distance[:, start] / span, 0.0).unsqueeze(-1)
        cut_uv, _ = camera.project(corners[:, start] + t * (corners[:, end] - corners[:, start]))

        points = torch.cat((uv, cut_uv), dim=1)
        visible = torch.cat((front, crossing), dim=1).unsqueeze(-1)
        valid = front.any(dim=1)
        low = points.masked_fill(~visible, math.inf).amin(dim=1)
        high = points.masked_fill(~visible, -math.inf).amax(dim=1)
        boxes2d = torch.cat((low, high), dim=1).masked_fill(~valid[:, None], 0.0)
        if clipped:
            height, width = camera.image_size
            limit = boxes2d.new_tensor([width - 1, height - 1, width - 1, height - 1])
            boxes2d = torch.minimum(boxes2d.clamp(min=0), limit)
        return boxes2d, uv, valid

    def flip(self) -> Boxes3D:
        """Boxes of the mirrored scene (x -> -x); yaw becomes pi - yaw. Headings stay headings."""
        mirror = self.center.new_tensor([-1.0, 1.0, 1.0])
        handedness = self.center.new_tensor([1.0, 1.0, -1.0])
        return Boxes3D(self.center * mirror, self.size, mirror[:, None] * self.rotation * handedness)

    @classmethod
    def cat(cls, boxes: Sequence[Boxes3D]) -> Boxes3D:
        """Concatenate a list of boxes; an empty list gives no boxes."""
        if len(boxes) == 0:
            return cls(torch.zeros(0, 3), torch.zeros(0, 3), torch.zeros(0, 3, 3))
        fields = ("center", "size", "rotation")
        return cls(*(torch.cat([getattr(b, field) for b in boxes]) for field in fields))

    def __getitem__(self, item: int | slice | Tensor) -> Boxes3D:
        """Select by index (gives one box, as detectron2's ``Boxes`` does), slice, index tensor or mask."""
        if isinstance(item, int):
            item = torch.tensor([item], device=self.device)
        return Boxes3D(self.center[item], self.size[item], self.rotation[item])

    def __len__(self) -> int:
        return len(self.center)

    @property
    def device(self) -> torch.device:
        """Of the tensors."""
        return self.center.device

    def to(self, *args: Any, **kwargs: Any) -> Boxes3D:
        """Move like ``Tensor.to`` (device and/or dtype)."""
        return Boxes3D(*(t.to(*args, **kwargs) for t in (self.center, self.size, self.rotation)))

    def __repr__(self) -> str:
        return f"Boxes3D(center={self.center}, size={self.size}, rotation={self.rotation})"


def _tensor_like(reference: Tensor, values: Any) -> Tensor:
    return torch.as_tensor(values, dtype=reference.dtype, device=reference.device)
