"""Colours of SynthRoad, as BGR (the order OpenCV draws in)."""

from __future__ import annotations

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

MATERIAL: dict[str, tuple[int, int, int]] = {
    "tyre": (30, 30, 32),
    "rim": (150, 150, 150),
    "chassis": (38, 38, 40),
    "glass": (84, 70, 56),
    "headlight": (225, 250, 255),
    "taillight": (44, 34, 240),
    "grille": (48, 46, 46),
    "plate": (225, 228, 228),
    "trim": (64, 62, 62),
    "skin": (140, 172, 218),
    "hair": (30, 36, 48),
    "trousers": (84, 62, 48),
    "shoe": (28, 28, 30),
    "frame": (60, 58, 56),
    "display": (40, 170, 245),
    "helmet": (60, 60, 66),
}
