"""A metric grid on the road, by which a person sees whether a calibration is right."""

from __future__ import annotations

import cv2
import numpy as np

from d2ext.structures.calibration.view import GroundView

from .canvas import PALETTE, WHITE, draw_chip, draw_segments, fixed_point

NEAREST = 0.5  # metres of depth from which on the grid is drawn
_MOST_LINES = 40  # across, with a distance
_LEAST_GAP = 7.0  # pixels between two lines


def draw_ground_grid(
    image: np.ndarray, view: GroundView, step: float | None = None, marks: np.ndarray | None = None
) -> np.ndarray:
    """Draw lines every ``step`` metres ahead and across, heavier ones with its distance at each fifth, and
    the horizon.

    Args:
        image: (H, W, 3) uint8 BGR.
        view: the camera of ``image``.
        step: metres; None: 1 for a camera in a car, 5 for one on a pole.
        marks: (N, 2) pixels to draw circles around.

    Returns:
        (H, W, 3) uint8 BGR.
    """
    height, width = view.grid.image_size
    step = step or (1.0 if view.height < 3 else 5.0)
    canvas, size = image.copy(), max(12, width // 90)
    heavy_steps = np.arange(1, _MOST_LINES) * 5 * step
    far = next((z for z in heavy_steps if _gap(view, z, 5 * step) < _LEAST_GAP), heavy_steps[-1])
    side = np.arange(-np.floor(far / 2 / step), far / 2 / step + 1) * step
    ahead = np.arange(1, round(far / step) + 1) * step
    lines = [(np.stack([np.full(400, x), np.geomspace(0.1, far, 400)], 1), x, False) for x in side]
    lines += [(np.stack([np.linspace(side[0], side[-1], 400), np.full(400, z)], 1), z, True) for z in ahead]
    labels, last = [], np.inf
    for ground, place, across in lines:
        heavy = round(place / step) % 5 == 0
        points = np.stack([ground[:, 0], np.zeros(len(ground)), ground[:, 1]], 1)
        depth = view.homogeneous(points)[:, 2]
        pixels = view.project(points)[depth > NEAREST]
        inside = (pixels > [-width, -height]).all(1) & (pixels < [2 * width, 2 * height]).all(1)
        if across and heavy and inside.any():
            middle = pixels[inside][np.abs(pixels[inside][:, 0] - width / 2).argmin()]
            if size < middle[1] < height - 2 and last - middle[1] > 1.6 * size:
                labels.append((place, middle))
                last = middle[1]
        if across and not heavy and _gap(view, place, step) < _LEAST_GAP:
            continue
        _draw_line(canvas, pixels[inside], heavy)
    cv2.addWeighted(canvas, 0.75, image, 0.25, 0, canvas)
    for place, (x, y) in labels:
        draw_chip(canvas, f"{place:g} m", x, y - 0.7 * size, size, PALETTE[0])
    draw_segments(canvas, _horizon(view)[None], PALETTE[4], 2)
    for point in np.zeros((0, 2)) if marks is None else marks:
        x, y = fixed_point(point).tolist()
        cv2.circle(canvas, (x, y), 6 << 4, PALETTE[4], 2, cv2.LINE_AA, 4)
    return canvas


def _draw_line(canvas: np.ndarray, pixels: np.ndarray, heavy: bool) -> None:
    if len(pixels) > 1:
        color = PALETTE[0] if heavy else WHITE
        draw_segments(canvas, np.stack([pixels[:-1], pixels[1:]], 1), color, 2 if heavy else 1)


def _gap(view: GroundView, ahead: float, step: float) -> float:
    """Pixels between the lines across at these metres ahead and the next."""
    points = np.array([[0.0, 0.0, ahead], [0.0, 0.0, ahead + step]])
    return float(np.abs(np.diff(view.project(points)[:, 1]))[0])


def _horizon(view: GroundView) -> np.ndarray:
    """(2, 2) its points at the left and right edges of the picture."""
    (cx, cy), (fx, fy) = view.grid.center, view.focal * view.grid.scale
    a, b, c, _ = view.plane
    x = np.array([0.0, view.grid.image_size[1] - 1.0])
    return np.stack([x, cy - fy * (a * (x - cx) / fx + c) / b], 1)
