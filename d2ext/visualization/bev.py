"""Boxes seen from above."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch

from d2ext.structures import Boxes3D, Camera, ground_rotation

from .canvas import (
    SHIFT,
    WHITE,
    Color,
    chip_size,
    color_of,
    draw_chip,
    draw_segments,
    draw_text,
    fill_polygon,
    fixed_point,
    mix,
)
from .draw3d import place_labels

BACKGROUND: Color = (34, 29, 27)
IN_VIEW: Color = (52, 45, 42)
GRID: Color = (74, 66, 62)
TEXT: Color = (168, 160, 155)


class BirdsEyeView:
    """Scale and origin of a bird's-eye panel: the camera at the bottom centre, forward is up.

    Attributes:
        size: (height, width) of the panel in pixels.
        range_m: metres ahead of the camera that the panel shows.
        scale: pixels per metre, the same in both directions.
    """

    def __init__(self, size: tuple[int, int], range_m: float, ground: Any = None) -> None:
        """
        Args:
            ground: (4,) ground plane; what is seen from above is seen along its normal. None: along y.
        """
        self.size = size
        self.range_m = range_m
        self.bottom = size[0] * 0.965
        self.scale = self.bottom / range_m
        if ground is None:
            self._axes = np.eye(3)
        else:
            self._axes = ground_rotation(torch.as_tensor(ground, dtype=torch.float64)).numpy()

    def metres(self, points: np.ndarray) -> np.ndarray:
        """Points (..., 3) of the camera frame to (right, ahead) (..., 2) in metres along the ground."""
        return (np.asarray(points, dtype=np.float64) @ self._axes)[..., [0, 2]]

    def pixels(self, metres: np.ndarray) -> np.ndarray:
        """(right, ahead) (..., 2) in metres to pixels of the panel."""
        right, ahead = metres[..., 0], metres[..., 1]
        return np.stack((self.size[1] / 2 + right * self.scale, self.bottom - ahead * self.scale), axis=-1)


def draw_bev(
    boxes3d: Boxes3D,
    labels: Sequence[str] | None = None,
    colors: Sequence[Color] | None = None,
    size: tuple[int, int] = (640, 400),
    range_m: float | None = None,
    ground: Any = None,
    camera: Camera | None = None,
    ground_truth: Boxes3D | None = None,
) -> np.ndarray:
    """Draw boxes from above on a metric grid with distance rings; a line marks each box's heading.

    Args:
        boxes3d: N boxes.
        labels: N texts.
        colors: N BGR colours, by default one after the other from the palette.
        size: (height, width) of the panel in pixels.
        range_m: metres ahead of the camera to show; by default what holds all boxes.
        ground: (4,) ground plane of a tilted camera, or None.
        camera: its field of view is shown.
        ground_truth: boxes to draw as thin white outlines.

    Returns:
        (height, width, 3) uint8 BGR.
    """
    boxes3d = boxes3d.to("cpu", torch.float64)
    truth = None if ground_truth is None else ground_truth.to("cpu", torch.float64)
    if range_m is None:
        range_m = fitting_range([b for b in (boxes3d, truth) if b is not None], size, ground)
    view = BirdsEyeView(size, range_m, ground)
    panel = np.full((*size, 3), BACKGROUND, dtype=np.uint8)
    text = max(10, round(min(size) / 42))
    if camera is not None:
        _draw_field_of_view(panel, view, camera)
    _draw_grid(panel, view, text)

    colors = colors or [color_of(i) for i in range(len(boxes3d))]
    width = max(1, round(min(size) / 260))
    footprints = view.pixels(view.metres(boxes3d.corners()[:, :4].numpy()))
    for corners, color in zip(footprints, colors, strict=True):
        _draw_footprint(panel, corners, color, width)
    if truth is not None:
        outlines = view.pixels(view.metres(truth.corners()[:, :4].numpy()))
        for corners in outlines:
            cv2.polylines(panel, [fixed_point(corners)], True, WHITE, 1, cv2.LINE_AA, SHIFT)
    if labels is not None and len(boxes3d):
        extents = np.concatenate((footprints.min(axis=1) - 3, footprints.max(axis=1) + 3), axis=1)
        places = place_labels([chip_size(label, text) for label in labels], extents, size)
        for label, color, (x, y) in zip(labels, colors, places, strict=True):
            draw_chip(panel, label, x, y, text, color)
    return panel


def fitting_range(boxes: Sequence[Boxes3D], size: tuple[int, int], ground: Any = None) -> float:
    """Metres ahead, a multiple of 10 and at least 20, in which a panel of ``size`` holds all boxes."""
    view = BirdsEyeView(size, 1.0, ground)
    points = np.concatenate([view.metres(b.corners().reshape(-1, 3).numpy()) for b in boxes])
    if len(points) == 0:
        return 40.0
    right, ahead = np.abs(points[:, 0]).max(), points[:, 1].max()
    needed = max(ahead, right * 2 * view.bottom / size[1])
    return float(max(20, 10 * math.ceil((needed * 1.04 + 1) / 10)))


def ring_spacing(range_m: float) -> int:
    """Metres between the distance rings: about five of them."""
    steps = (int(factor * 10**power) for power in range(1, 300) for factor in (0.5, 1, 2, 2.5))
    return next(step for step in steps if range_m / step <= 6)


def _draw_grid(panel: np.ndarray, view: BirdsEyeView, text: int) -> None:
    step = ring_spacing(view.range_m)
    half_width = view.size[1] / 2 / view.scale
    across = np.arange(-math.floor(half_width / step), math.floor(half_width / step) + 1) * step
    ahead = np.arange(0, math.floor(view.range_m / step) + 1) * step
    lines = [((x, 0), (x, view.range_m)) for x in across] + [
        ((-half_width, z), (half_width, z)) for z in ahead
    ]
    draw_segments(panel, view.pixels(np.array(lines, dtype=np.float64)), mix(GRID, BACKGROUND, 0.35), 1)
    origin = view.pixels(np.zeros(2))
    for distance in ahead[1:]:
        radius = round(distance * view.scale * (1 << SHIFT))
        center = tuple(int(c) for c in fixed_point(origin))
        cv2.circle(panel, center, radius, mix(GRID, WHITE, 0.18), 1, cv2.LINE_AA, SHIFT)
    for distance in ahead[1:]:
        x, y = view.pixels(np.array([0.0, distance]))
        draw_text(panel, f"{distance} m", x + 4, y + text + 2, text, TEXT)
    _draw_ego(panel, origin, max(5.0, min(view.size) / 50))


def _draw_ego(panel: np.ndarray, origin: np.ndarray, radius: float) -> None:
    triangle = origin + radius * np.array([(0, -1.2), (0.9, 0.8), (-0.9, 0.8)])
    fill_polygon(panel, triangle, WHITE, 1.0)


def _draw_field_of_view(panel: np.ndarray, view: BirdsEyeView, camera: Camera) -> None:
    height, width = camera.image_size
    edges = torch.tensor([[0.0, height / 2], [width - 1.0, height / 2]], dtype=torch.float64)
    _, directions = camera.to("cpu", torch.float64).rays(edges)
    left, right = view.metres(directions.numpy())
    far = 3 * view.range_m
    wedge = view.pixels(np.stack((np.zeros(2), left * far / left[1], right * far / right[1])))
    fill_polygon(panel, wedge, IN_VIEW, 1.0)
    draw_segments(panel, np.stack((wedge[[0, 1]], wedge[[0, 2]])), mix(GRID, WHITE, 0.3), 1)


def _draw_footprint(panel: np.ndarray, corners: np.ndarray, color: Color, width: int) -> None:
    """``corners`` (4, 2) are the bottom face in the order of Boxes3D: 0 and 1 are at the front."""
    fill_polygon(panel, corners, color, 0.45)
    cv2.polylines(panel, [fixed_point(corners)], True, color, width, cv2.LINE_AA, SHIFT)
    front, center = corners[:2].mean(axis=0), corners.mean(axis=0)
    nose = front + 0.35 * (front - center)
    draw_segments(panel, np.stack((center, nose))[None], color, width)
    draw_segments(panel, corners[None, :2], color, width + 1)
