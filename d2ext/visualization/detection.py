"""Detections in one picture, and how they came about step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from detectron2.structures import Instances
from torch import Tensor

from d2ext.structures import Boxes3D, Camera

from .bev import BACKGROUND, TEXT
from .canvas import PALETTE, WHITE, Color, color_of, draw_text, mix
from .draw3d import draw_boxes3d
from .grounding import beside_bev, draw_grounding, fit_picture

MOST_ASKED = 12  # names below a picture
GAP = 4  # pixels between the panels of a strip
#: Colours of right and false predictions and of missed objects: green, orange red, sky blue.
JUDGED = (PALETTE[2], PALETTE[4], PALETTE[1])


def draw_detections(
    image: np.ndarray,
    found: Instances,
    camera: Camera,
    class_names: Sequence[str],
    ground_plane: Any = None,
    class_colors: Mapping[int, Color] | None = None,
    asked: bool = False,
) -> np.ndarray:
    """Draw objects on the image and from above, a colour for each class that is there.

    Args:
        image: (H, W, 3) uint8 BGR.
        found: with ``pred_boxes3d``, ``scores`` and ``pred_classes``.
        camera: camera of ``image``.
        class_names: by class.
        ground_plane: (4,) ground plane of a tilted camera, or None.
        class_colors: BGR of those classes that have a colour of their own.
        asked: somebody asked for these classes: those of which nothing was found are listed too, with "none",
            where there are at most ``MOST_ASKED``.

    Returns:
        uint8 BGR: the picture, below it the classes with their objects, on the right the view from above.
    """
    listed = asked and len(class_names) <= MOST_ASKED
    kinds = list(range(len(class_names))) if listed else sorted(set(found.pred_classes.tolist()))
    names = [class_names[k].replace("_", " ") for k in kinds]
    parts = [found[found.pred_classes == k] for k in kinds]
    own = class_colors or {}
    colors = [own.get(kind, color_of(place)) for place, kind in enumerate(kinds)] if own else None
    return draw_grounding(image, names, parts, camera, ground_plane, colors=colors)


def draw_frame(
    image: np.ndarray,
    found: Instances,
    camera: Camera,
    class_names: Sequence[str],
    ground_plane: Any = None,
    class_colors: Mapping[int, Color] | None = None,
) -> np.ndarray:
    """The same for a frame of a video: its size depends on the image's only, the colours on the classes only,
    whose names are at the boxes.

    Args:
        image, found, camera, class_names, ground_plane, class_colors: as in :func:`draw_detections`.

    Returns:
        uint8 BGR: the picture, on the right the view from above.
    """
    picture, camera = fit_picture(image, camera)
    kinds = found.pred_classes.tolist()
    own = class_colors or {}
    colors = [own.get(kind, color_of(kind)) for kind in kinds]
    names = [class_names[kind].replace("_", " ") for kind in kinds]
    picture = draw_boxes3d(picture, found.pred_boxes3d, camera, names, colors)
    return beside_bev(picture, camera, found.pred_boxes3d, names, colors, ground_plane)


def draw_judged(
    image: np.ndarray,
    right: Instances,
    false: Instances,
    missed: Instances,
    truth: Boxes3D,
    camera: Camera,
    class_names: Sequence[str],
    ground_plane: Any = None,
) -> np.ndarray:
    """Draw detections against labels, on the image and from above: a colour each for right and false ones and
    for missed objects.

    Args:
        image: (H, W, 3) uint8 BGR.
        right, false: with ``pred_boxes3d``, ``scores`` and ``pred_classes``.
        missed: labels, with ``pred_boxes3d`` and ``pred_classes``.
        truth: boxes of the labels, drawn in white.
        camera, class_names, ground_plane: as in :func:`draw_detections`.

    Returns:
        uint8 BGR.
    """
    names, parts = ["right", "false", "missed"], [right, false, missed]
    targets = [truth, truth[:0], truth[:0]]
    return draw_grounding(image, names, parts, camera, ground_plane, targets, class_names, JUDGED)


def draw_steps(
    image: np.ndarray,
    boxes: Sequence[Tensor],
    found: Sequence[Instances],
    camera: Camera,
    panel_width: int = 640,
) -> np.ndarray:
    """Draw S steps of a detector side by side: above the boxes that each starts from, below what it finds.

    Args:
        image: (H, W, 3) uint8 BGR.
        boxes: S times 2D boxes (N, 4), x1, y1, x2, y2 in pixels of ``image``.
        found: S times Instances with ``pred_boxes3d`` and ``pred_classes``, which choose the colours.
        camera: camera of ``image``.
        panel_width: of a step, in pixels.

    Returns:
        uint8 BGR.

    Raises:
        ValueError: not as many Instances as sets of boxes.
    """
    if len(boxes) != len(found):
        raise ValueError(f"found: expected {len(boxes)}, one for each set of boxes, got {len(found)}")
    scale = panel_width / image.shape[1]
    size = (round(image.shape[0] * scale), panel_width)
    image = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    camera = camera.resize(size)
    columns = []
    for i, (before, after) in enumerate(zip(boxes, found, strict=True)):
        above = _draw_boxes2d(image, (before.cpu().numpy() + 0.5) * scale - 0.5)
        colors = [color_of(k) for k in after.pred_classes.tolist()]
        below = draw_boxes3d(image, after.pred_boxes3d, camera, colors=colors)
        objects = f"{len(after)} object{'s' * (len(after) != 1)}"
        titled = [
            _titled(above, f"step {i + 1}: {len(before)} boxes"),
            _titled(below, f"after step {i + 1}: {objects}"),
        ]
        columns += [np.concatenate(titled), np.full((2 * len(titled[0]), GAP, 3), BACKGROUND, np.uint8)]
    return np.concatenate(columns[:-1], axis=1)


def _draw_boxes2d(image: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Outlines of boxes (N, 4) on the darkened image, in one colour after the other."""
    canvas = cv2.addWeighted(image, 0.45, np.zeros_like(image), 0.55, 0)
    corners = np.rint(boxes).astype(np.int32)
    for i, (x1, y1, x2, y2) in enumerate(corners.tolist()):
        cv2.rectangle(canvas, (x1, y1), (x2, y2), color_of(i), 1)
    return canvas


def _titled(panel: np.ndarray, title: str) -> np.ndarray:
    size = max(12, panel.shape[1] // 36)
    bar = np.full((2 * size, panel.shape[1], 3), BACKGROUND, np.uint8)
    draw_text(bar, title, size // 2, 1.4 * size, size, mix(TEXT, WHITE, 0.5))
    return np.concatenate((bar, panel))
