"""Cameras, ground planes and boxes of SynthRoad in numpy (no torch, so that rendering starts fast).

Frames follow the library: camera x right, y down, z forward in metres; pixel centres at integer coordinates;
object frame x along the heading, y down, z across; ground plane a x + b y + c z + d = 0 with its normal up.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

# The eight corners of a unit box whose bottom face is centred at the origin (y is down).
UNIT_CORNERS = np.array(
    [[x, y, z] for y in (0.0, -1.0) for x, z in ((0.5, 0.5), (0.5, -0.5), (-0.5, -0.5), (-0.5, 0.5))]
)


def wrap_angle(angle: float) -> float:
    """The same angle in [-pi, pi)."""
    return float((angle + np.pi) % (2 * np.pi) - np.pi)


def rotation_y(yaw: float) -> np.ndarray:
    """R_y(yaw), (3, 3), KITTI's sign: heading (cos yaw, 0, -sin yaw)."""
    c, s = np.cos(yaw), np.sin(yaw)
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


@dataclass(frozen=True)
class View:
    """One calibrated camera above a ground plane.

    projection: (3, 4) pixels, its fourth column is used. plane: (4,) unit normal up, d = height in metres.
    tilted_boxes: boxes stand on the plane (roadside); otherwise on the camera's x-z plane (KITTI).
    """

    projection: np.ndarray
    plane: np.ndarray
    width: int
    height: int
    tilted_boxes: bool

    @cached_property
    def ground_axes(self) -> np.ndarray:
        """G (3, 3): columns are camera x made orthogonal to the normal, the downward normal, their cross."""
        down = -self.plane[:3]
        x_axis = np.array([1.0, 0.0, 0.0]) - down[0] * down
        x_axis /= np.linalg.norm(x_axis)
        return np.stack([x_axis, down, np.cross(x_axis, down)], axis=1)

    @cached_property
    def inverse_intrinsics(self) -> np.ndarray:
        """(3, 3), from homogeneous pixels to directions in the camera's frame."""
        return np.linalg.inv(self.projection[:, :3])

    @cached_property
    def center(self) -> np.ndarray:
        """Optical centre (3,): not the origin when the fourth column of the projection is not zero."""
        return -self.inverse_intrinsics @ self.projection[:, 3]

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """points (..., 3) metres -> pixels (..., 2) and the distance along the optical axis (...,)."""
        homogeneous = points @ self.projection[:, :3].T + self.projection[:, 3]
        w = homogeneous[..., 2]
        return homogeneous[..., :2] / w[..., None], w

    def ground_point(
        self, right: np.ndarray | float, forward: np.ndarray | float, up: np.ndarray | float = 0.0
    ) -> np.ndarray:
        """Metres on the ground plane, from the point under the camera -> camera coordinates (..., 3)."""
        right, forward, up = np.broadcast_arrays(right, forward, up)
        axes = self.ground_axes
        local = np.stack([right, self.plane[3] - up, forward], axis=-1)
        return local @ axes.T

    def yaw_of(self, right: float, forward: float) -> float:
        """Yaw (ry) of a heading given on the ground plane."""
        if self.tilted_boxes:
            return float(np.arctan2(-forward, right))
        direction = self.ground_axes @ np.array([right, 0.0, forward])
        return float(np.arctan2(-direction[2], direction[0]))

    def box_rotation(self, yaw: float) -> np.ndarray:
        """Object frame -> camera frame (3, 3)."""
        return self.ground_axes @ rotation_y(yaw) if self.tilted_boxes else rotation_y(yaw)

    def box_corners(self, location: np.ndarray, size: np.ndarray, yaw: float) -> np.ndarray:
        """Corners (8, 3) of a box: location (3,) bottom centre, size (3,) h, w, l in metres."""
        height, width, length = size
        return location + (UNIT_CORNERS * [length, height, width]) @ self.box_rotation(yaw).T

    def box_rectangle(self, corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Corners (8, 3) -> x1, y1, x2, y2 of their projection, whole and clipped to the image."""
        uv, _ = self.project(corners)
        whole = np.concatenate([uv.min(axis=0), uv.max(axis=0)])
        limit = np.array([self.width - 1, self.height - 1] * 2, dtype=float)
        return whole, np.clip(whole, 0.0, limit)


def plane_from_tilt(camera_height: float, pitch: float, roll: float) -> np.ndarray:
    """Ground plane (4,) of a camera looking down by `pitch` and rolled by `roll` (radians)."""
    up = np.array([np.sin(roll) * np.cos(pitch), -np.cos(roll) * np.cos(pitch), -np.sin(pitch)])
    return np.append(up, camera_height)


def clip_near(points: np.ndarray, w: np.ndarray, near: float) -> np.ndarray:
    """The part (M, 3) of a convex polygon (K, 3) with w (K,) >= near; may be empty."""
    kept = []
    for i in range(len(points)):
        j = (i + 1) % len(points)
        if w[i] >= near:
            kept.append(points[i])
        if (w[i] >= near) != (w[j] >= near):
            kept.append(points[i] + (points[j] - points[i]) * (near - w[i]) / (w[j] - w[i]))
    return np.array(kept).reshape(-1, 3)
