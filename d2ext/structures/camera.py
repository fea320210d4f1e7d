"""A pinhole camera given by a 3x4 projection matrix (KITTI's P2)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .projection import intersect_plane_depth, project_points, small_matmul, unproject_points, viewing_rays


class Camera:
    """The camera of one image: projection matrix P (3, 4) and image size (height, width) in pixels.

    Frame: x right, y down, z forward, metres. Pixel centres lie at integer coordinates. P maps a point X to
    (u w, v w, w) = P (X, 1) with w = z + P[2, 3]; the fourth column is used everywhere. Depth is always the z
    of the point itself. Methods return new cameras; every operation on points is differentiable.
    """

    def __init__(self, P: Any, image_size: tuple[int, int]) -> None:
        """
        Args:
            P: (3, 4) tensor, array or nested list whose third row is (0, 0, 1, t); or intrinsics (3, 3),
                which stand for a fourth column of zeros.
            image_size: (height, width), such as ``image.shape[:2]``.

        Raises:
            ValueError: P or the size is malformed.
        """
        try:
            P = torch.as_tensor(P)
            height, width = (int(n) for n in image_size)
        except (TypeError, ValueError, RuntimeError, OverflowError) as error:
            raise ValueError(
                "camera: expected a 3x4 projection matrix of numbers and an image size (height, width), got "
                f"{type(P).__name__} and {image_size!r}"[:140]
            ) from error
        if not P.is_floating_point():
            P = P.to(torch.get_default_dtype())
        if P.shape == (3, 3):
            P = torch.cat([P, P.new_zeros(3, 1)], 1)
        if P.shape != (3, 4):
            raise ValueError(f"camera: expected a 3x4 projection matrix, got shape {tuple(P.shape)}")
        if not bool(torch.isfinite(P).all()):
            raise ValueError("camera: expected finite numbers in the projection matrix")
        if P[2, :3].tolist() != [0.0, 0.0, 1.0]:
            raise ValueError(f"camera: expected the third row 0 0 1 t, got {P[2].tolist()}")
        if not (P[0, 0] > 0 and P[1, 1] > 0):
            raise ValueError(f"camera: expected positive focal lengths, got {P[0, 0]:g} and {P[1, 1]:g}")
        if height <= 0 or width <= 0:
            raise ValueError(f"camera: expected a positive image size (height, width), got {image_size}")
        self.P = P
        self.image_size = (height, width)

    @property
    def K(self) -> Tensor:
        """(3, 3) intrinsics: the left part of P."""
        return self.P[:, :3]

    @property
    def fx(self) -> Tensor:
        """Focal length across, pixels."""
        return self.P[0, 0]

    @property
    def fy(self) -> Tensor:
        """Focal length down, pixels."""
        return self.P[1, 1]

    @property
    def cx(self) -> Tensor:
        """Principal point across, pixels."""
        return self.P[0, 2]

    @property
    def cy(self) -> Tensor:
        """Principal point down, pixels."""
        return self.P[1, 2]

    @property
    def device(self) -> torch.device:
        """Of the projection."""
        return self.P.device

    def to(self, *args: Any, **kwargs: Any) -> Camera:
        """The same camera with P moved like ``Tensor.to`` (device and/or dtype)."""
        return Camera(self.P.to(*args, **kwargs), self.image_size)

    def center(self) -> Tensor:
        """(3,) optical centre in metres: the point that P maps to zero."""
        return -torch.linalg.solve(self.K, self.P[:, 3])

    def project(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Project points to pixels.

        Args:
            points: (..., 3) metres.

        Returns:
            uv (..., 2) pixels and depth (...,), the z of the points in metres. The pixels of points at or
            behind the optical centre are finite but mean nothing.
        """
        return project_points(self.P, points)

    def rays(self, uv: Tensor) -> tuple[Tensor, Tensor]:
        """Viewing rays: points = origin + t * direction, t = depth - origin[2].

        Args:
            uv: (..., 2) pixels.

        Returns:
            origin (3,), the optical centre, and directions (..., 3) whose z component is 1.
        """
        return viewing_rays(self.P, uv)

    def unproject(self, uv: Tensor, depth: Tensor) -> Tensor:
        """Points (..., 3) in metres seen at pixels uv (..., 2) with depth (...,); inverse of ``project``."""
        return unproject_points(self.P, uv, depth)

    def intersect_plane(self, uv: Tensor, plane: Tensor) -> Tensor:
        """Depth at which viewing rays meet a plane.

        Args:
            uv: (..., 2) pixels.
            plane: (4,) or (..., 4).

        Returns:
            (...,) depth in metres. Pixels above the horizon give a negative depth (the plane is met behind
            the camera) and pixels on it an infinite one.
        """
        return intersect_plane_depth(self.P, uv, plane)

    def resize(self, size: tuple[int, int]) -> Camera:
        """Camera of the image resized to ``size`` (height, width): u -> (u + 0.5) s - 0.5."""
        sy, sx = size[0] / self.image_size[0], size[1] / self.image_size[1]
        return self._warp([[sx, 0, 0.5 * sx - 0.5], [0, sy, 0.5 * sy - 0.5], [0, 0, 1]], size)

    def crop(self, x0: int, y0: int, width: int, height: int) -> Camera:
        """Camera of the crop whose top left pixel is (x0, y0); it may reach beyond the image (padding)."""
        return self._warp([[1, 0, -x0], [0, 1, -y0], [0, 0, 1]], (height, width))

    def flip(self) -> Camera:
        """Camera of the horizontally mirrored image (u -> W - 1 - u), for a scene mirrored by x -> -x."""
        last = self.image_size[1] - 1
        return self._warp([[-1, 0, last], [0, 1, 0], [0, 0, 1]], self.image_size, mirror=True)

    def _warp(self, matrix: list[list[float]], size: tuple[int, int], mirror: bool = False) -> Camera:
        P = small_matmul(self.P.new_tensor(matrix), self.P)
        if mirror:
            P = P * P.new_tensor([-1.0, 1.0, 1.0, 1.0])
        return Camera(P, size)

    def __repr__(self) -> str:
        return f"Camera(P={self.P.tolist()}, image_size={self.image_size})"
