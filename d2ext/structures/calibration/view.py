"""A camera above a plane by the few numbers that a calibration looks for, in float64 numpy.

Ground frame: the origin is on the ground below the camera, x to the camera's right along the ground, z ahead
along the ground, y down; metres.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..ground import plane_of_tilt

LEAST_DEPTH = 0.05  # metres; what is nearer, or behind, is projected as if it were there


@dataclass(frozen=True)
class PixelGrid:
    """What of a camera is given, or taken to be as usual.

    Attributes:
        image_size: (height, width).
        principal_point: pixels; None: the middle of the image.
        aspect: focal length down in units of that across; 1 for square pixels.
    """

    image_size: tuple[int, int]
    principal_point: tuple[float, float] | None = None
    aspect: float = 1.0

    @property
    def center(self) -> np.ndarray:
        """(2,) principal point."""
        height, width = self.image_size
        return np.array(self.principal_point or ((width - 1) / 2, (height - 1) / 2))

    @property
    def scale(self) -> np.ndarray:
        """(2,) by which focal lengths across and down are multiplied."""
        return np.array([1.0, self.aspect])


@dataclass(frozen=True)
class GroundView:
    """A camera above a plane.

    Attributes:
        focal: pixels, across.
        pitch, roll: radians; down, and the horizon falling to the right, are positive.
        height: metres of the camera above the ground.
        grid: the rest.
    """

    focal: float
    pitch: float
    roll: float
    height: float
    grid: PixelGrid

    @property
    def plane(self) -> list[float]:
        """[a, b, c, d]: unit normal pointing up, height."""
        return plane_of_tilt(self.height, self.pitch, self.roll)

    @property
    def projection(self) -> list[list[float]]:
        """(3, 4) P2."""
        (cx, cy), (fx, fy) = self.grid.center.tolist(), (self.focal * self.grid.scale).tolist()
        return [[fx, 0.0, cx, 0.0], [0.0, fy, cy, 0.0], [0.0, 0.0, 1.0, 0.0]]

    @property
    def axes(self) -> np.ndarray:
        """(3, 3) from the ground frame to the camera's: as :func:`d2ext.structures.ground_rotation`."""
        down = -np.array(self.plane[:3])
        right = np.array([1.0, 0.0, 0.0]) - down[0] * down
        right /= np.linalg.norm(right)
        return np.stack([right, down, np.cross(right, down)], 1)

    def homogeneous(self, points: np.ndarray) -> np.ndarray:
        """Ground frame points (..., 3), y down from the ground -> (..., 3) whose ratios are pixels; the last
        is the depth."""
        camera = (points + [0.0, self.height, 0.0]) @ self.axes.T
        pixels = self.focal * self.grid.scale * camera[..., :2] + camera[..., 2:] * self.grid.center
        return np.concatenate([pixels, camera[..., 2:]], -1)

    def project(self, points: np.ndarray) -> np.ndarray:
        """Ground frame points (..., 3) -> pixels (..., 2)."""
        homogeneous = self.homogeneous(points)
        return homogeneous[..., :2] / np.maximum(homogeneous[..., 2:], LEAST_DEPTH)

    def on_ground(self, pixels: np.ndarray) -> np.ndarray:
        """Pixels (..., 2) -> x and z (..., 2) on the ground, NaN at and above the horizon."""
        flat = (pixels - self.grid.center) / (self.focal * self.grid.scale)
        rays = np.concatenate([flat, np.ones_like(flat[..., :1])], -1)
        local = rays @ self.axes
        with np.errstate(divide="ignore", invalid="ignore"):
            scale = np.where(local[..., 1] > 1e-9, self.height / local[..., 1], np.nan)
        return local[..., ::2] * scale[..., None]
