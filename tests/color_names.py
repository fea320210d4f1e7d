"""The name of a colour as a reader would say it, independent of the renderer."""

from __future__ import annotations

import cv2
import numpy as np

from d2ext.data.synthroad.palette import PAINT

NAMES = tuple(PAINT)


def lab(colors: np.ndarray) -> np.ndarray:
    """CIE L*a*b* (N, 3) of BGR colours (N, 3) in 0-255."""
    return cv2.cvtColor((colors[None] / 255).astype(np.float32), cv2.COLOR_BGR2LAB)[0].astype(float)


def nearest_names(colors: np.ndarray) -> np.ndarray:
    """(N,) indices into NAMES of L*a*b* colours (N, 3): hue counts most, then chroma, then lightness."""
    known = lab(0.85 * np.array(list(PAINT.values())))
    (hue, chroma, light), (hues, chromas, lights) = _polar(colors[:, None]), _polar(known[None])
    turn = 2 * np.sqrt(chroma * chromas) * np.sin((hue - hues) / 2)
    return (turn**2 + (0.5 * (chroma - chromas)) ** 2 + (0.4 * (light - lights)) ** 2).argmin(axis=1)


def _polar(colors: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    light, a, b = np.moveaxis(colors, -1, 0)
    return np.arctan2(b, a), np.hypot(a, b), light
