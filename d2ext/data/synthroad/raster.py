"""A depth-tested polygon canvas at twice the image resolution."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from d2ext.data.synthroad.geometry import View

SCALE = 2
# Polygons are drawn with coordinates in 1 / 2^FIXED pixels.
FIXED = 4
NEAR = 0.5

Color = Sequence[float]
Window = tuple[int, int, int, int]


def to_fixed(points: np.ndarray) -> np.ndarray:
    """Pixels as the whole numbers that OpenCV draws polygons from."""
    return np.clip(np.rint(points * (1 << FIXED)), -(1 << 24), 1 << 24).astype(np.int32)


def fill(target: np.ndarray, points: np.ndarray, color: Color | int) -> None:
    """Fill a convex polygon (K, 2), sub-pixel, in place."""
    cv2.fillConvexPoly(target, to_fixed(points), color, lineType=cv2.LINE_8, shift=FIXED)


def sampled(image: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """An image's (N, C) values between its pixels, at columns u and rows v (N,)."""
    # OpenCV takes maps of fewer than 2^15 rows and columns.
    columns = 1024
    rows = -(-len(u) // columns)
    maps = np.zeros((2, rows * columns), np.float32)
    maps[0, : len(u)], maps[1, : len(v)] = u, v
    x, y = maps.reshape(2, rows, columns)
    found = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return found.reshape(rows * columns, -1)[: len(u)]


class Canvas:
    """Colour (H, W, 3), inverse depth (H, W), object ids (H, W; 0 is scenery) and the numbers of the objects'
    faces (H, W; 0 is scenery) at SCALE x the image."""

    def __init__(self, view: View) -> None:
        self.view = view
        height, width = view.height * SCALE, view.width * SCALE
        self.color = np.zeros((height, width, 3), np.uint8)
        self.inverse_depth = np.zeros((height, width), np.float32)
        self.ids = np.zeros((height, width), np.uint8)
        self.faces = np.zeros((height, width), np.uint16)
        # What was worked out for one of its objects, by id().
        self.kept: dict[int, object] = {}
        # Pixel -> ray, for canvas pixels: u = (U + 0.5) / SCALE - 0.5.
        to_image = np.array([[1 / SCALE, 0, 0.5 / SCALE - 0.5], [0, 1 / SCALE, 0.5 / SCALE - 0.5], [0, 0, 1]])
        self.rays = view.inverse_intrinsics @ to_image
        self.xs = np.arange(width, dtype=np.float32)
        self.ys = np.arange(height, dtype=np.float32)

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """points (..., 3) in camera coordinates -> canvas pixels (..., 2) and optical distance (...,)."""
        uv, w = self.view.project(points)
        return (uv + 0.5) * SCALE - 0.5, w

    def depth_planes(self, normals: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Inverse depth of planes, (N, 3) normals through (N, 3) points, as (N, 3): a U + b V + c."""
        distance = np.einsum("nc,nc->n", normals, points - self.view.center)
        distance = np.where(np.abs(distance) < 1e-9, 1e-9, distance)
        return (normals @ self.rays / distance[:, None]).astype(np.float32)

    def window(self, points: np.ndarray) -> Window | None:
        """x0, y0, x1, y1 around points (K, 2) on the canvas; None where they lie beside it."""
        height, width = self.ids.shape
        x0, y0 = np.maximum(np.floor(points.min(axis=0)) - 1, 0).astype(int).tolist()
        x1, y1 = np.minimum(np.ceil(points.max(axis=0)) + 2, (width, height)).astype(int).tolist()
        return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None

    def inverse_of(self, planes: np.ndarray, index: np.ndarray, window: Window) -> np.ndarray:
        """Inverse depth (h, w) of the planes (N, 5: a, b, c, least, most) that `index` names in a window."""
        x0, y0, x1, y1 = window
        a, b, c, low, high = (np.take(column, index) for column in np.ascontiguousarray(planes.T))
        a *= self.xs[x0:x1]
        b *= self.ys[y0:y1, None]
        a += b
        a += c
        return np.clip(a, low, high, out=a)

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
        window = self.window(points)
        if window is None:
            return
        x0, y0, x1, y1 = window
        part = np.s_[y0:y1, x0:x1]
        corner = np.array([x0, y0])
        mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
        fill(mask, points - corner, 1)
        a, b, c = depth_plane
        inverse = (a * self.xs[x0:x1])[None, :] + (b * self.ys[y0:y1] + c)[:, None]
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
