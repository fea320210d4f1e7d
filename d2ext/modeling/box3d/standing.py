"""Boxes moved along the ground to where they agree with what the picture shows.

A head predicts the 2D box, the projected centre, size, heading and depth of an object each for itself. On a
known ground they determine each other: an object of that size and heading covers that 2D box in one place
only (as in Deep3DBox, Mousavian et al., CVPR 2017, where the ground takes the place of an unknown): where the
squares of all deviations, each by its standard deviation, add up to the least.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from d2ext.modeling.box3d.objects import ObjectBoxes
from d2ext.structures import NEAR_PLANE, Boxes3D, Camera, ground_rotation, height_above_plane

# Standard deviations of log depth, and of edges of the 2D box and the projected centre in sides of the box.
# Chosen on 80 rendered scenes, for U2ENet and DiffusionDet3D together.
_DEPTH, _PIXELS = 0.035, 0.06
_BORDER = 2.0  # pixels; an edge of a 2D box so near to that of the image is where the object was cut
_ROUNDS = 5
_LONGEST = 0.2  # of the depth: a step of one round
_LARGEST = 0.5  # change of log depth; what would move farther stays


def stand_on_ground(boxes: ObjectBoxes, record: dict) -> ObjectBoxes:
    """N objects found in the image of a mapper dict, moved along its ground.

    Args:
        boxes: in the pixels of the record's camera.
        record: with ``camera``, ``ground_plane``, ``ground_error``, the standard deviation of its tilt in
            radians (the boxes stay where one of the two is missing or None), and ``box_plane``.

    Returns:
        The same objects with other ``center`` and ``depth``; those that nothing fits stay as they are.
    """
    ground, tilt = record.get("ground_plane"), record.get("ground_error")
    if ground is None or tilt is None or not len(boxes.classes):
        return boxes
    center = Standing(boxes, record["camera"], ground, record.get("box_plane")).fit(tilt).to(boxes.center)
    depth = center[:, 2]
    change = (depth.clamp(min=1e-3) / boxes.depth.clamp(min=1e-3)).log().abs()
    stays = ~(center.isfinite().all(1) & (change < _LARGEST))
    return replace(
        boxes,
        center=torch.where(stays[:, None], boxes.center, center),
        depth=torch.where(stays, boxes.depth, depth),
    )


class Standing:
    """N boxes of known size and heading on a ground; in float64, as differences of pixels are taken.

    Args:
        boxes: as predicted.
        camera: of the image that they were predicted in.
        ground: (4,) normalised, the plane that they stand on.
        box_plane: (4,) the plane that they are upright on; None: they are level.
    """

    def __init__(self, boxes: ObjectBoxes, camera: Camera, ground: Tensor, box_plane: Tensor | None) -> None:
        self.camera = camera.to(boxes.center.device, torch.float64)
        self.hwl, self.alpha = boxes.hwl.double(), boxes.alpha.double()
        self.ground = ground.to(self.hwl)
        self.box_plane = None if box_plane is None else box_plane.to(self.hwl)
        level = self.hwl.new_tensor([0.0, -1.0, 0.0])
        self.up = level if self.box_plane is None else self.box_plane[:3]
        self.along = ground_rotation(self.ground).mT[::2]  # (2, 3), across and forward on the ground
        foot = boxes.center.double() - self.up * self.hwl[:, :1] / 2
        self.foot = foot - height_above_plane(foot, self.ground)[:, None] * self.ground[:3]
        uv, _ = self.camera.project(boxes.center.double())
        self.seen = torch.cat([boxes.box2d.double(), uv], 1)
        self.depth = boxes.depth.double().clamp(min=0.5)
        height, width = camera.image_size
        self.limit = self.depth.new_tensor([width - 1, height - 1])

    def centers(self, moved: Tensor) -> Tensor:
        """(..., N, 3) centres of the boxes, moved so far (..., N, 2) along the ground."""
        return self.foot + moved @ self.along + self.up * self.hwl[:, :1] / 2

    def corners(self, moved: Tensor) -> Tensor:
        """(N, 8, 3) from the centres of boxes (N, 2) to their corners."""
        location = self.centers(moved) - self.up * self.hwl[:, :1] / 2
        yaw = Boxes3D.yaw_from_alpha(self.alpha, location)
        boxes = Boxes3D.from_kitti(location, self.hwl, yaw, self.box_plane)
        return boxes.corners() - boxes.center[:, None]

    def deviations(self, moved: Tensor, corners: Tensor, spread: Tensor) -> Tensor:
        """(K, N, 7) deviations of boxes (K, N, 2) by their standard deviations: four edges of the 2D box,
        two coordinates of the projected centre, log depth.

        Args:
            corners: of :meth:`corners`, wherever the boxes are.
            spread: (N, 6) pixels, infinite for what is not to count.
        """
        center = self.centers(moved)
        points = center[..., None, :] + torch.cat([corners, torch.zeros_like(corners[:, :1])], 1)
        points = torch.cat([points[..., :2], points[..., 2:].clamp(min=NEAR_PLANE)], -1)
        uv, depth = self.camera.project(points)
        around = uv[..., :8, :].clamp(min=0).minimum(self.limit)
        seen = torch.cat([around.amin(-2), around.amax(-2), uv[..., 8, :]], -1)
        far = (depth[..., 8:].clamp(min=0.5) / self.depth[:, None]).log() / _DEPTH
        return torch.cat([(seen - self.seen) / spread, far], -1)

    def spread(self, tilt: float) -> Tensor:
        """Standard deviations (N, 6) in pixels of the edges of 2D boxes and of the projected centres; a tilt
        of the ground shifts all that stands on it."""
        low, high = self.seen[:, :2], self.seen[:, 2:4]
        side = (high - low).clamp(min=1.0) * _PIXELS
        spread = (side**2 + (tilt * self.camera.P[1, 1]) ** 2).sqrt()
        cut = torch.cat([low < _BORDER, high > self.limit - _BORDER], 1)
        return torch.cat([spread.repeat(1, 2).masked_fill(cut, math.inf), spread], 1)

    def fit(self, tilt: float) -> Tensor:
        """(N, 3) centres after some rounds of Gauss and Newton's method, with differences as derivatives.

        Args:
            tilt: standard deviation of the ground's, in radians.
        """
        spread = self.spread(tilt)
        moved = self.foot.new_zeros(len(self.foot), 2)
        step = 1e-4 * self.depth[:, None, None] * torch.eye(2).to(self.foot)  # (N, 2, 2)
        for _ in range(_ROUNDS):
            tried = torch.stack([moved, moved + step[:, 0], moved + step[:, 1]])
            found, *others = self.deviations(tried, self.corners(moved), spread)
            slope = torch.stack([x - found for x in others], 2) / (1e-4 * self.depth[:, None, None])
            change = _solve_2x2(slope.mT @ slope, (slope.mT @ found[..., None])[..., 0])
            limit = _LONGEST * self.depth[:, None]
            moved = moved - change.clamp(-limit, limit)
        return self.centers(moved)


def _solve_2x2(matrix: Tensor, values: Tensor) -> Tensor:
    """x (N, 2) of symmetric matrices (N, 2, 2) times x = values (N, 2). Singular ones and what is not finite
    give numbers that mean nothing, where a solver of LAPACK would fail for all."""
    (a, b), (_, d) = (row.unbind(1) for row in matrix.unbind(1))
    first, second = values.unbind(1)
    area = (a * d - b * b).clamp(min=1e-18)
    return torch.stack([d * first - b * second, a * second - b * first], 1) / area[:, None]
