"""Textured planes with depth: walls, crowns, hedges, signs."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from d2ext.data.synthroad.geometry import clip_near
from d2ext.data.synthroad.raster import NEAR, SCALE, Canvas, fill

# Planes nearer than this (metres along the optical axis) are cut off.
_CUT = max(NEAR, 1.0)


_LEVELS = np.arange(256.0)[:, None]


def cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The vector product (3,) of two vectors, without NumPy's care for other shapes."""
    (x, y, z), (u, v, w) = a.tolist(), b.tolist()
    return np.array([y * w - z * v, z * u - x * w, x * v - y * u])


def pyramid(texture: np.ndarray) -> list[np.ndarray]:
    """A texture (H, W, C) and its halves, down to 8 texels."""
    levels = [texture]
    while min(levels[-1].shape[:2]) >= 16:
        height, width = levels[-1].shape[:2]
        levels.append(cv2.resize(levels[-1], (width // 2, height // 2), interpolation=cv2.INTER_AREA))
    return levels


def seen(canvas: Canvas, center: np.ndarray, radius: float) -> bool:
    """Whether any of a ball around a point (3,) may be in the picture."""
    view = canvas.view
    u, v, w = (view.projection[:, :3] @ center + view.projection[:, 3]).tolist()
    if w < -radius:
        return False
    reach = radius * (view.projection[0, 0] + view.width)
    inside = -reach < u < view.width * max(w, 0.0) + reach and -reach < v < view.height * max(w, 0.0) + reach
    return bool(inside or w < radius)


def tone_table(tone: np.ndarray) -> np.ndarray:
    """(1, 256, 3) table: a texture's levels under light of colour `tone` (3,)."""
    return cv2.convertScaleAbs(_LEVELS * tone)[None]


def draw_panel(
    canvas: Canvas,
    corners: np.ndarray,
    texture: np.ndarray | Sequence[np.ndarray],
    tone: np.ndarray,
) -> None:
    """Draw a parallelogram where it is nearer than what is there.

    corners: (4, 3) lower left, lower right, upper right, upper left of the texture, in camera coordinates.
    texture: (H, W, 3) or (H, W, 4) BGRA, or a pyramid of it. tone: (3,) what its colours are multiplied by.
    """
    pixels, w = canvas.project(corners)
    if w.min() < _CUT:
        outline = clip_near(corners, w, _CUT)
        if len(outline) < 3:
            return
        pixels, w = canvas.project(outline)
    height, width = canvas.ids.shape
    (left, top), (right, bottom) = pixels.min(axis=0).tolist(), pixels.max(axis=0).tolist()
    x0, y0 = max(int(left / SCALE), 0), max(int(top / SCALE), 0)
    x1, y1 = min(int(right / SCALE) + 2, width // SCALE), min(int(bottom / SCALE) + 2, height // SCALE)
    if x0 >= x1 or y0 >= y1 or right < 0 or bottom < 0:
        return
    size = (x1 - x0, y1 - y0)
    part = np.s_[y0 * SCALE : y1 * SCALE, x0 * SCALE : x1 * SCALE]
    mask = np.zeros((size[1] * SCALE, size[0] * SCALE), np.uint8)
    fill(mask, pixels - [x0 * SCALE, y0 * SCALE], 255)
    inverse = _inverse_depth(canvas, corners, part)
    visible = cv2.compare(inverse, canvas.inverse_depth[part], cv2.CMP_GT)
    cv2.bitwise_and(visible, mask, dst=visible)
    if not cv2.countNonZero(visible):
        return
    texture = texture if isinstance(texture, np.ndarray) else _level(texture, pixels, w)
    patch = _warped(canvas, corners, texture, (x0, y0), size)
    table = tone_table(tone)
    if patch.shape[2] == 4:
        alpha = cv2.resize(cv2.extractChannel(patch, 3), mask.shape[::-1], interpolation=cv2.INTER_LINEAR)
        opaque = cv2.threshold(alpha, 127, 255, cv2.THRESH_BINARY)[1]
        cv2.bitwise_and(visible, opaque, dst=visible)
        patch = cv2.cvtColor(patch, cv2.COLOR_BGRA2BGR)
    patch = cv2.LUT(patch, table)
    patch = cv2.resize(patch, mask.shape[::-1], interpolation=cv2.INTER_NEAREST)
    cv2.copyTo(inverse, visible, canvas.inverse_depth[part])
    cv2.copyTo(patch, visible, canvas.color[part])


def _inverse_depth(canvas: Canvas, corners: np.ndarray, part: tuple[slice, slice]) -> np.ndarray:
    normal = cross(corners[1] - corners[0], corners[3] - corners[0])
    a, b, c = canvas.depth_planes(normal[None], corners[:1])[0]
    ys = np.arange(part[0].start, part[0].stop, dtype=np.float32)
    xs = np.arange(part[1].start, part[1].stop, dtype=np.float32)
    return (a * xs)[None] + (b * ys + c)[:, None]


def _level(levels: Sequence[np.ndarray], pixels: np.ndarray, w: np.ndarray) -> np.ndarray:
    """The reduction whose texels are about as wide as pixels where the panel is nearest."""
    area = max(float(cv2.contourArea(pixels.astype(np.float32))) / SCALE**2, 1.0)
    texels = levels[0].shape[0] * levels[0].shape[1]
    # A slanted panel is finer at its near end than on average.
    spread = float(w.max() / w.min())
    step = 0.5 * math.log2(max(texels / area / spread, 1.0))
    return levels[min(int(step + 0.3), len(levels) - 1)]


def _warped(
    canvas: Canvas, corners: np.ndarray, texture: np.ndarray, corner: tuple[int, int], size: tuple[int, int]
) -> np.ndarray:
    """The texture as the image's pixels from `corner` on see it."""
    height, width = texture.shape[:2]
    along, up = (corners[1] - corners[0]) / width, (corners[3] - corners[0]) / height
    frame = np.array([along, -up, corners[3] + (along - up) / 2])
    matrix = canvas.view.projection[:, :3] @ frame.T
    matrix[:, 2] += canvas.view.projection[:, 3]
    matrix[0] -= corner[0] * matrix[2]
    matrix[1] -= corner[1] * matrix[2]
    border = cv2.BORDER_CONSTANT if texture.shape[2] == 4 else cv2.BORDER_REPLICATE
    return cv2.warpPerspective(texture, matrix, size, flags=cv2.INTER_LINEAR, borderMode=border)
