"""The colour that an object has in a picture, by the names that captions use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from d2ext.data.synthroad.palette import PAINT

_SHARE = 0.5  # of the sides of its box, around the middle: what is surely the object


def color_name(
    picture: np.ndarray, box: Sequence[float], known: Mapping[str, tuple[int, int, int]] = PAINT
) -> str | None:
    """The name of an object's colour: the most frequent name of the pixels around the middle of its box.

    Args:
        picture: (H, W, 3) uint8 BGR.
        box: x1, y1, x2, y2 in pixels.
        known: colours in BGR by name.

    Returns:
        None where the box has no pixel.
    """
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    half_x, half_y = _SHARE * (box[2] - box[0]) / 2, _SHARE * (box[3] - box[1]) / 2
    left, right = max(0, int(x - half_x)), max(0, int(x + half_x) + 1)
    top, bottom = max(0, int(y - half_y)), max(0, int(y + half_y) + 1)
    pixels = picture[top:bottom, left:right].reshape(-1, 3)
    if not len(pixels):
        return None
    votes = nearest_colors(lab(pixels), known)
    return list(known)[int(np.bincount(votes, minlength=len(known)).argmax())]


def lab(colors: np.ndarray) -> np.ndarray:
    """CIE L*a*b* (N, 3) of BGR colours (N, 3) in 0-255."""
    return cv2.cvtColor((colors[None] / 255).astype(np.float32), cv2.COLOR_BGR2LAB)[0].astype(float)


def nearest_colors(colors: np.ndarray, known: Mapping[str, tuple[int, int, int]] = PAINT) -> np.ndarray:
    """(N,) indices of the names that colours (N, 3) in L*a*b* are nearest to: hue counts most, then chroma,
    then lightness, which shade changes.

    Args:
        known: colours in BGR by name.
    """
    named = lab(0.85 * np.array(list(known.values())))
    (hue, chroma, light), (hues, chromas, lights) = _polar(colors[:, None]), _polar(named[None])
    turn = 2 * np.sqrt(chroma * chromas) * np.sin((hue - hues) / 2)
    return (turn**2 + (0.5 * (chroma - chromas)) ** 2 + (0.4 * (light - lights)) ** 2).argmin(1)


def _polar(colors: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    light, a, b = np.moveaxis(colors, -1, 0)
    return np.arctan2(b, a), np.hypot(a, b), light
