"""How a model is told which object is meant: an outline, a crop, numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from d2ext.data.synthroad.labels import Label

_GRAY = 127
#: No object has it. BGR.
OUTLINE = (255, 0, 255)
Box = Sequence[float]


def square(image: np.ndarray, size: int) -> np.ndarray:
    """An image (H, W, 3) in the middle of a grey square (size, size, 3), as Janus' processor fits it."""
    height, width = image.shape[:2]
    scale = size / max(height, width)
    new = max(round(width * scale), 1), max(round(height * scale), 1)
    kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    canvas = np.full((size, size, 3), _GRAY, np.uint8)
    x, y = (size - new[0]) // 2, (size - new[1]) // 2
    canvas[y : y + new[1], x : x + new[0]] = cv2.resize(image, new, interpolation=kind)
    return canvas


def outline(image: np.ndarray, boxes: Sequence[Box], size: int) -> np.ndarray:
    """A copy with boxes (x1, y1, x2, y2 in pixels) drawn, one pixel wide where it is shown ``size`` large."""
    marked = image.copy()
    width = max(1, round(max(image.shape[:2]) / size))
    for box in boxes:
        x1, y1, x2, y2 = (round(value) for value in box)
        cv2.rectangle(marked, (x1 - width, y1 - width), (x2 + width, y2 + width), OUTLINE, width)
    return marked


def crop_square(image: np.ndarray, boxes: Sequence[Box], context: float) -> np.ndarray:
    """The square around boxes, of ``context`` times their longer side; grey where the image ends."""
    x1, y1, x2, y2 = _around(boxes)
    side = max(8, math.ceil(context * max(x2 - x1, y2 - y1)))
    left, top = round((x1 + x2 - side) / 2), round((y1 + y2 - side) / 2)
    canvas = np.full((side, side, 3), _GRAY, np.uint8)
    height, width = image.shape[:2]
    u1, v1, u2, v2 = max(left, 0), max(top, 0), min(left + side, width), min(top + side, height)
    if u2 > u1 and v2 > v1:
        canvas[v1 - top : v2 - top, u1 - left : u2 - left] = image[v1:v2, u1:u2]
    return canvas


def inside_square(boxes: Sequence[Box], others: Sequence[Box], context: float) -> list[int]:
    """Which of some other boxes have their middle in the square of :func:`crop_square`."""
    x1, y1, x2, y2 = _around(boxes)
    half = context * max(x2 - x1, y2 - y1) / 2
    middles = [((b[0] + b[2] - x1 - x2) / 2, (b[1] + b[3] - y1 - y2) / 2) for b in others]
    return [i for i, (x, y) in enumerate(middles) if max(abs(x), abs(y)) <= half]


def _around(boxes: Sequence[Box]) -> tuple[float, float, float, float]:
    table = np.asarray(boxes, dtype=float)
    (x1, y1), (x2, y2) = table[:, :2].min(0), table[:, 2:].max(0)
    return float(x1), float(y1), float(x2), float(y2)


def numbers_text(label: Label) -> str:
    """The numbers of a box in the camera's frame: metres to the right, ahead and away, sizes in metres,
    observation angle in degrees."""
    x, _, z = label.location
    if math.isnan(x):
        return f"{label.category}."
    height, width, length = label.size
    return (
        f"{label.category}: x {x:.1f} z {z:.1f} d {math.hypot(x, z):.1f} h {height:.1f} w {width:.1f} "
        f"l {length:.1f} a {math.degrees(label.alpha):.0f} o {label.occluded}."
    )


def place_text(box: Box, image_size: tuple[int, int]) -> str:
    """A box as text: x1, y1, x2, y2 in hundredths of the squared picture."""
    height, width = image_size
    side = max(height, width)
    left, top = (side - width) / 2, (side - height) / 2
    shifted = (box[0] + left, box[1] + top, box[2] + left, box[3] + top)
    return "[" + " ".join(str(min(99, max(0, round(100 * v / side)))) for v in shifted) + "]"


def place_box(numbers: Sequence[int], image_size: tuple[int, int]) -> list[float]:
    """The box (pixels) of the numbers of :func:`place_text`, right to a hundredth of the longer side."""
    height, width = image_size
    side = max(height, width)
    left, top = (side - width) / 2, (side - height) / 2
    return [n * side / 100 - offset for n, offset in zip(numbers, (left, top, left, top), strict=True)]
