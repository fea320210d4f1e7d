"""What the drawings share: colours, text, translucent shapes. Images are (H, W, 3) uint8 BGR arrays."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import matplotlib
import numpy as np
from PIL import ImageFont

Color = tuple[int, int, int]  # BGR

#: One colour per sentence: bright on a road scene and told apart by most colour-blind readers.
PALETTE: tuple[Color, ...] = (
    (60, 200, 255),  # amber
    (255, 190, 60),  # sky blue
    (120, 230, 90),  # green
    (200, 110, 255),  # pink
    (70, 120, 255),  # orange red
    (240, 130, 150),  # violet
    (210, 235, 90),  # turquoise
    (140, 220, 235),  # sand
)
WHITE: Color = (255, 255, 255)
INK: Color = (24, 20, 18)
_WIDE = "\u2e80-\u9fff\uf900-\uffef"  # Chinese characters and punctuation
_WORD = re.compile(f" ?(?:[{_WIDE}][、。，；：？！）]*|[^ {_WIDE}]+[、。，；：？！）]*)")
_WEIGHT = {False: 400, True: 700}
SHIFT = 4  # bits of the subpixel coordinates given to OpenCV


def color_of(index: int) -> Color:
    """Colour of sentence ``index``; they repeat after ``len(PALETTE)``."""
    return PALETTE[index % len(PALETTE)]


def mix(color: Color, other: Color, share: float) -> Color:
    """``color`` with ``share`` in [0, 1] of ``other`` in it."""
    b, g, r = (round(c + (o - c) * share) for c, o in zip(color, other, strict=True))
    return b, g, r


def fixed_point(points: np.ndarray) -> np.ndarray:
    """Pixel coordinates as OpenCV takes them together with ``shift=SHIFT``."""
    return np.rint(np.asarray(points, dtype=np.float64) * (1 << SHIFT)).astype(np.int32)


def draw_segments(image: np.ndarray, segments: np.ndarray, color: Color, width: int) -> None:
    """Antialiased line segments (S, 2, 2) in pixels."""
    lines = list(fixed_point(segments).reshape(-1, 2, 1, 2))
    cv2.polylines(image, lines, False, color, width, cv2.LINE_AA, SHIFT)


def fill_polygon(image: np.ndarray, polygon: np.ndarray, color: Color, opacity: float) -> None:
    """Translucent convex polygon (V, 2) in pixels."""
    if len(polygon) < 3:
        return
    height, width = image.shape[:2]
    x0, y0 = np.clip(np.floor(polygon.min(0)).astype(int) - 1, 0, (width, height))
    x1, y1 = np.clip(np.ceil(polygon.max(0)).astype(int) + 2, 0, (width, height))
    patch = image[y0:y1, x0:x1]
    if patch.size == 0:
        return
    filled = patch.copy()
    cv2.fillConvexPoly(filled, fixed_point(polygon - (x0, y0)), color, cv2.LINE_AA, SHIFT)
    patch[:] = cv2.addWeighted(filled, opacity, patch, 1 - opacity, 0)


@lru_cache(maxsize=32)
def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib, ``size`` pixels high."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path(), "fonts", "ttf", name)), size)


@lru_cache(maxsize=1)
def _wide_font() -> Any:
    """The font with Chinese characters that comes with OpenCV 5, None in earlier ones."""
    return cv2.FontFace("uni") if hasattr(cv2, "FontFace") else None


def _needs_wide_font(text: str) -> bool:
    return re.search(f"[{_WIDE}]", text) is not None and _wide_font() is not None


def text_width(text: str, size: int, bold: bool = False) -> int:
    """Width of a line of text in pixels."""
    if _needs_wide_font(text):
        return cv2.getTextSize((0, 0), text, (0, 0), _wide_font(), size, _WEIGHT[bold])[2]
    return int(np.ceil(font(size, bold).getlength(text)))


def draw_text(
    image: np.ndarray, text: str, left: float, baseline: float, size: int, color: Color, bold: bool = False
) -> None:
    """A line of text that starts at pixel ``left`` and stands on ``baseline``, cut off at the edges."""
    if _needs_wide_font(text):
        start = (round(left), round(baseline))
        cv2.putText(image, text, start, color, _wide_font(), size, _WEIGHT[bold])
        return
    mask, (dx, dy) = font(size, bold).getmask2(text, mode="L", anchor="ls")
    columns, rows = mask.size
    if not columns or not rows:
        return
    coverage = np.array(mask, dtype=np.float32).reshape(rows, columns) / 255
    x, y = round(left) + dx, round(baseline) + dy
    x0, y0 = max(x, 0), max(y, 0)
    x1, y1 = min(x + columns, image.shape[1]), min(y + rows, image.shape[0])
    if x0 >= x1 or y0 >= y1:
        return
    share = coverage[y0 - y : y1 - y, x0 - x : x1 - x, None]
    patch = image[y0:y1, x0:x1]
    patch[:] = np.rint(patch + share * (np.array(color, dtype=np.float32) - patch)).astype(np.uint8)


def wrap_text(text: str, size: int, width: int) -> list[str]:
    """Break ``text`` into lines of at most ``width`` pixels (a longer word has its own line).

    Lines break at spaces, and between Chinese characters unless a punctuation mark comes next.
    """
    lines: list[str] = []
    for word in _WORD.findall(" ".join(text.split())):
        if lines and text_width(lines[-1] + word, size) <= width:
            lines[-1] += word
        else:
            lines.append(word.lstrip())
    return lines


def draw_chip(image: np.ndarray, text: str, x: float, y: float, size: int, color: Color) -> None:
    """A filled label whose top left corner is (x, y); see :func:`chip_size`."""
    width, height = chip_size(text, size)
    radius = height * 0.28
    angles = np.radians(np.arange(0, 91, 15))
    arc = radius * np.stack((np.cos(angles), np.sin(angles)), axis=1)
    arcs = [(arc, (1, 1)), (arc[::-1], (-1, 1)), (arc, (-1, -1)), (arc[::-1], (1, -1))]
    half = np.array((width, height)) / 2
    outline = np.concatenate([(half - radius + points) * signs for points, signs in arcs])
    fill_polygon(image, outline + half + (x, y), color, 1.0)
    luminance = 0.114 * color[0] + 0.587 * color[1] + 0.299 * color[2]
    ink = INK if luminance > 110 else WHITE
    draw_text(image, text, x + height * 0.28, y + height * 0.5 + size * 0.36, size, ink, bold=True)


def chip_size(text: str, size: int) -> tuple[int, int]:
    """(width, height) in pixels of the label that :func:`draw_chip` draws."""
    height = round(size * 1.45)
    return text_width(text, size, bold=True) + round(height * 0.56), height
