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


#: Narrow hues, each with one name; brown is a dark orange.
_NAMED = {"red": ((0, 8), (170, 180)), "yellow": ((20, 34),), "green": ((36, 86),), "blue": ((92, 132),)}
_BROWN, _BROWN_BELOW = (4, 22), 150
_COLORFUL, _ENOUGH = 90, 0.12


def seen_color(image: np.ndarray, box: Sequence[float]) -> str:
    """The colour, one of SynthRoad's, that the middle of a box of a picture shows most; greys are told by
    their brightness where no hue has an eighth of the pixels.

    Args:
        image: (H, W, 3) uint8 BGR.
        box: x1, y1, x2, y2 in pixels.
    """
    x1, y1, x2, y2 = (float(v) for v in box)
    mx, my = (x2 - x1) / 5, (y2 - y1) / 5
    rows = slice(max(int(y1 + my), 0), max(int(y2 - my), int(y1 + my) + 1))
    columns = slice(max(int(x1 + mx), 0), max(int(x2 - mx), int(x1 + mx) + 1))
    crop = image[rows, columns]
    if not crop.size:
        return ""
    hue, saturation, value = (c.astype(int) for c in cv2.split(cv2.cvtColor(crop, cv2.COLOR_BGR2HSV)))
    colorful = (saturation >= _COLORFUL) & (value >= 40)
    brown = colorful & (hue >= _BROWN[0]) & (hue <= _BROWN[1]) & (value < _BROWN_BELOW)
    shares = {"brown": float(brown.mean())}
    for color, ranges in _NAMED.items():
        inside = np.zeros(hue.shape, bool)
        for low, high in ranges:
            inside |= (hue >= low) & (hue <= high)
        shares[color] = float((inside & colorful & ~brown).mean())
    best = max(shares, key=lambda color: shares[color])
    if shares[best] >= _ENOUGH:
        return best
    bright = float(np.median(value))
    return "white" if bright >= 170 else ("black" if bright < 75 else "gray")
