"""Whether a picture can show an object of a colour that a sentence names, where no label tells."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

#: Hues in OpenCV's degrees / 2 of colours that nothing grey has, widely; brown is a dark orange.
_HUES = {
    "red": ((0, 14), (160, 180)),
    "orange": ((0, 26),),
    "brown": ((0, 30), (165, 180)),
    "yellow": ((14, 42),),
    "green": ((30, 95),),
    "cyan": ((70, 110),),
    "blue": ((85, 140),),
    "purple": ((115, 170),),
    "pink": ((0, 10), (140, 180)),
}
#: Least share of the pixels in the middle of the box, and least saturation of 255.
_SHARE, _SATURATION = 0.02, 50
#: 90 of 100 pixels are darker, of 255, in what cannot be white; brighter, in what cannot be black.
_TOO_DARK, _TOO_BRIGHT = 90, 120


def can_be(colors: Sequence[str], image: np.ndarray, box: Sequence[float]) -> bool:
    """False where a box of a picture surely shows nothing of these colours.

    Args:
        colors: those of :data:`d2ext.data.facts.predicates.COLORS`.
        image: (H, W, 3) uint8 BGR.
        box: x1, y1, x2, y2 in pixels.
    """
    height, width = image.shape[:2]
    x1, y1, x2, y2 = (int(round(v)) for v in box)
    crop = image[max(y1, 0) : min(y2 + 1, height), max(x1, 0) : min(x2 + 1, width)]
    if min(crop.shape[:2], default=0) < 8:
        return True
    hue, saturation, value = (c.astype(int) for c in cv2.split(cv2.cvtColor(crop, cv2.COLOR_BGR2HSV)))
    for color in colors:
        if color in _HUES:
            inside = np.zeros(hue.shape, bool)
            for low, high in _HUES[color]:
                inside |= (hue >= low) & (hue <= high)
            if (inside & (saturation >= _SATURATION)).mean() >= _SHARE:
                return True
        elif color == "white":
            if np.percentile(value, 90) >= _TOO_DARK:
                return True
        elif color == "black":
            if np.percentile(value, 10) <= _TOO_BRIGHT:
                return True
        else:
            return True
    return False
