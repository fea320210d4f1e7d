"""Lanes on the picture of their road, by which a person sees whether they are right."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from d2ext.structures import Camera
from d2ext.tracking import GroundFrame

from .canvas import color_of, draw_chip, draw_segments
from .draw3d import label_size, project_segments

_ARROWS = 10.0  # m from one to the next
_ARROW = 1.2  # m, of its sides


def draw_lanes(
    image: np.ndarray, lanes: Mapping[str, np.ndarray], frame: GroundFrame, camera: Camera
) -> np.ndarray:
    """Draw centre lines, with arrows in the direction of travel and their names where they are nearest.

    Args:
        image: (H, W, 3) uint8 BGR.
        lanes: (P, 2) m on the ground below the camera, by name.

    Returns:
        (H, W, 3) uint8 BGR.
    """
    canvas, size = image.copy(), label_size(image)
    for number, (name, line) in enumerate(lanes.items()):
        color = color_of(number)
        segments = np.concatenate([np.stack([line[:-1], line[1:]], 1), _arrows(line)])
        corners = frame.to_camera(np.pad(segments.reshape(-1, 2), ((0, 0), (0, 1)))).reshape(-1, 2, 3)
        pixels, visible = project_segments(corners, camera)
        draw_segments(canvas, pixels[visible], color, max(2, size // 6))
        if visible.any():
            x, y = pixels[visible].reshape(-1, 2)[pixels[visible].reshape(-1, 2)[:, 1].argmax()]
            draw_chip(
                canvas, name, min(x, image.shape[1] - 2 * size), min(y, image.shape[0] - size), size, color
            )
    return canvas


def _arrows(line: np.ndarray) -> np.ndarray:
    """(S, 2, 2) sides of arrows on a line."""
    step = np.diff(line, axis=0)
    length = np.linalg.norm(step, axis=1)
    along = np.append(0, np.cumsum(length))
    at = np.searchsorted(along, np.arange(_ARROWS / 2, along[-1], _ARROWS)).clip(1, len(line) - 1)
    tip, ahead = line[at], step[at - 1] / length[at - 1, None]
    left = np.stack([-ahead[:, 1], ahead[:, 0]], 1)
    sides = [np.stack([tip, tip - _ARROW * (ahead + way * left / 2)], 1) for way in (-1, 1)]
    return np.concatenate(sides)
