"""A depth-tested polygon canvas at twice the image resolution."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from d2ext.data.synthroad.geometry import View

SCALE = 2
_SHIFT = 4
NEAR = 0.5

Color = Sequence[float]


def fill(target: np.ndarray, points: np.ndarray, color: Color | int) -> None:
    """Fill a convex polygon (K, 2), sub-pixel, in place."""
    fixed = np.clip(np.rint(points * (1 << _SHIFT)), -(1 << 24), 1 << 24).astype(np.int32)
    cv2.fillConvexPoly(target, fixed, color, lineType=cv2.LINE_8, shift=_SHIFT)


class Canvas:
    """Colour (H, W, 3), inverse depth (H, W) and object ids (H, W; 0 is scenery) at SCALE x the image."""

    def __init__(self, view: View) -> None:
        self.view = view
        height, width = view.height * SCALE, view.width * SCALE
        self.color = np.zeros((height, width, 3), np.uint8)
        self.inverse_depth = np.zeros((height, width), np.float32)
        self.ids = np.zeros((height, width), np.uint8)
        # Pixel -> ray, for canvas pixels: u = (U + 0.5) / SCALE - 0.5.
        to_image = np.array([[1 / SCALE, 0, 0.5 / SCALE - 0.5], [0, 1 / SCALE, 0.5 / SCALE - 0.5], [0, 0, 1]])
        self._rays = view.inverse_intrinsics @ to_image
        self._xs = np.arange(width, dtype=np.float32)
        self._ys = np.arange(height, dtype=np.float32)

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """points (..., 3) in camera coordinates -> canvas pixels (..., 2) and optical distance (...,)."""
        uv, w = self.view.project(points)
        return (uv + 0.5) * SCALE - 0.5, w

    def depth_planes(self, normals: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Inverse depth of planes, (N, 3) normals through (N, 3) points, as (N, 3): a U + b V + c."""
        distance = np.einsum("nc,nc->n", normals, points - self.view.center)
        distance = np.where(np.abs(distance) < 1e-9, 1e-9, distance)
        return (normals @ self._rays / distance[:, None]).astype(np.float32)

    def _window(self, points: np.ndarray) -> tuple[int, int, int, int] | None:
        height, width = self.ids.shape
        x0, y0 = np.maximum(np.floor(points.min(axis=0)) - 1, 0).astype(int).tolist()
        x1, y1 = np.minimum(np.ceil(points.max(axis=0)) + 2, (width, height)).astype(int).tolist()
        return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None

    def paint(self, points: np.ndarray, color: Color) -> None:
        """Fill a polygon (K, 2) in canvas pixels without touching depth (ground and sky)."""
        fill(self.color, points, color)

    def face(
        self,
        points: np.ndarray,
        depth_plane: np.ndarray,
        color: Color,
        decals: Sequence[tuple[np.ndarray, Color]] = (),
        identity: int = 0,
    ) -> None:
        """Draw a planar convex face (K, 2) where it is nearer than what is there; decals lie in its plane."""
        window = self._window(points)
        if window is None:
            return
        x0, y0, x1, y1 = window
        part = np.s_[y0:y1, x0:x1]
        corner = np.array([x0, y0])
        mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
        fill(mask, points - corner, 1)
        a, b, c = depth_plane
        inverse = (a * self._xs[x0:x1])[None, :] + (b * self._ys[y0:y1] + c)[:, None]
        visible = (inverse > self.inverse_depth[part]) & mask.astype(bool)
        if not visible.any():
            return
        np.copyto(self.inverse_depth[part], inverse, where=visible)
        if identity:
            self.ids[part][visible] = identity
        if decals:
            patch = np.empty((*mask.shape, 3), np.uint8)
            patch[:] = np.asarray(color, np.uint8)
            for polygon, paint in decals:
                fill(patch, polygon - corner, paint)
            np.copyto(self.color[part], patch, where=visible[..., None])
        else:
            self.color[part][visible] = np.asarray(color, np.uint8)
