"""Materials that many shapes share. Colours are BGR."""

from __future__ import annotations

import numpy as np

from d2ext.data.synthroad.skin import Material

PAINT = Material(paint=1.0, gloss=0.9)
ACCENT = Material(accent=1.0, gloss=0.9)
SEAM = Material((4, 4, 4), paint=0.45, gloss=0.4)
CREASE = Material(paint=0.88, gloss=0.9)
NAVY = Material((52, 34, 26), gloss=0.9)
GLASS = Material((70, 62, 52), gloss=1.0, glass=1.0)
TINTED = Material((40, 36, 32), gloss=1.0, glass=0.35)
RUBBER = Material((34, 33, 33))
TYRE = Material((36, 35, 35))
PLASTIC = Material((46, 45, 45), gloss=0.12)
BLACK = Material((24, 24, 24), gloss=0.6)
DARK = Material((14, 14, 14))
CHASSIS = Material((30, 30, 31))
CHROME = Material((150, 148, 146), gloss=1.0)
STEEL = Material((128, 126, 124), gloss=0.5)
ALLOY = Material((168, 166, 164), gloss=0.6)
PLATE = Material((226, 228, 228))
PLATE_BLUE = Material((150, 70, 20))
PLATE_YELLOW = Material((30, 190, 235))
INK = Material((40, 34, 34))
HEAD = Material((226, 228, 224), gloss=0.9, glow=1.0)
HEAD_FRAME = Material((120, 118, 116), gloss=0.9)
TAIL = Material((34, 24, 158), gloss=0.8, glow=1.0)
TAIL_DARK = Material((24, 16, 110), gloss=0.8, glow=0.3)
AMBER = Material((20, 120, 235), gloss=0.7)
WHITE = Material((232, 234, 234), gloss=0.3)
RED = Material((36, 30, 196), gloss=0.3)
CANVAS = Material((96, 92, 84))
WOOD = Material((70, 104, 140))
CLOTH = Material(paint=1.0)
TROUSERS = Material(accent=1.0)
SHOE = Material((34, 34, 38), gloss=0.2)
LIGHT_SHOE = Material((200, 202, 204), gloss=0.1)


def some(
    rng: np.random.Generator, low: float = 25, high: float = 215, muted: float = 0.55, gloss: float = 0.0
) -> Material:
    """A material of any colour between two levels; muted: how near it is to gray, in [0, 1]."""
    color = rng.uniform(low, high, 3)
    color += muted * (color.mean() - color)
    blue, green, red = color.round().tolist()
    return Material((blue, green, red), gloss=gloss)
