"""Colours of SynthRoad, as BGR (the order OpenCV draws in)."""

from __future__ import annotations

import numpy as np

# The named colours that sentences speak of; far enough apart to survive shading and light changes.
PAINT: dict[str, tuple[int, int, int]] = {
    "white": (236, 238, 240),
    "black": (34, 32, 32),
    "gray": (122, 120, 118),
    "red": (34, 28, 200),
    "blue": (190, 82, 24),
    "green": (62, 142, 36),
    "yellow": (28, 196, 240),
    "brown": (36, 66, 112),
}
COLORS: tuple[str, ...] = tuple(PAINT)

# What is called by a name, besides the colour above; any mixture of them is called so, too.
_VARIANTS: dict[str, tuple[tuple[int, int, int], ...]] = {
    "white": ((226, 234, 240), (244, 242, 238), (230, 236, 238)),
    "black": ((42, 34, 28), (24, 24, 28), (38, 36, 36)),
    "gray": ((142, 140, 138), (98, 96, 94), (136, 124, 114), (116, 122, 126)),
    "red": ((44, 36, 182), (26, 40, 214), (50, 30, 188), (30, 20, 172)),
    "blue": ((150, 66, 24), (214, 112, 40), (176, 92, 46), (124, 54, 22)),
    "green": ((74, 128, 60), (50, 150, 60), (52, 112, 30), (88, 156, 52)),
    "yellow": ((40, 206, 238), (20, 178, 236), (60, 200, 226)),
    "brown": ((44, 72, 104), (30, 58, 98), (54, 80, 122)),
}


def vary(name: str, rng: np.random.Generator) -> np.ndarray:
    """(3,) a colour that goes by this name."""
    known = np.array([PAINT[name], *_VARIANTS[name]], dtype=float)
    return rng.dirichlet(np.full(len(known), 0.6)) @ known
