"""Pictures of trees, bushes and hedges with holes between the leaves, prepared once for a process."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from d2ext.data.synthroad.panels import pyramid

_SIDE = 288
# Leaves in their own shade and in the light.
_GREEN = np.array([[20.0, 36.0, 30.0], [78.0, 146.0, 124.0]])
_AUTUMN = np.array([[18.0, 38.0, 50.0], [46.0, 132.0, 196.0]])
_BARK = np.array([62.0, 74.0, 86.0])
# Each kind's crown: lobes, half width, bottom and top in shares of the picture; how its lobes are spread.
_CROWNS = {
    "round": (26, 0.40, 0.30, 0.97),
    "wide": (30, 0.47, 0.42, 0.95),
    "tall": (32, 0.27, 0.24, 0.98),
    "poplar": (34, 0.15, 0.10, 0.98),
    "young": (18, 0.22, 0.46, 0.97),
    "cone": (30, 0.30, 0.10, 0.98),
}
TREES = tuple(_CROWNS)


@cache
def trees(kind: str, autumn: bool) -> list[list[np.ndarray]]:
    """Three pyramids of (288, 288, 4) BGRA pictures, the stem's foot at the middle below."""
    rng = np.random.default_rng([75, TREES.index(kind)])
    return [pyramid(_tree(kind, _AUTUMN if autumn else _GREEN, rng)) for _ in range(3)]


@cache
def bare_trees() -> list[list[np.ndarray]]:
    """Four pyramids of trees without leaves."""
    rng = np.random.default_rng(76)
    return [pyramid(_bare_tree(rng)) for _ in range(4)]


@cache
def bushes() -> list[list[np.ndarray]]:
    """Four pyramids of (144, 288, 4) pictures."""
    rng = np.random.default_rng(77)
    found = []
    for _ in range(4):
        picture = np.zeros((_SIDE // 2, _SIDE, 4), np.uint8)
        centers = np.stack([rng.uniform(50, 238, 22), rng.uniform(48, 120, 22)], axis=1)
        _leaves(picture, centers, rng.uniform(22, 42, 22), 170, rng)
        found.append(pyramid(picture))
    return found


@cache
def tree_lines() -> list[list[np.ndarray]]:
    """Two pyramids of (256, 1024, 4) rows of trees that repeat."""
    return [pyramid(_row(256, 1024, 0.62, np.random.default_rng([78, i]))) for i in range(2)]


@cache
def hedges() -> list[list[np.ndarray]]:
    """Two pyramids of (96, 512, 4) clipped hedges that repeat."""
    return [pyramid(_row(96, 512, 0.10, np.random.default_rng([79, i]))) for i in range(2)]


def _row(height: int, width: int, unrest: float, rng: np.random.Generator) -> np.ndarray:
    """Foliage from edge to edge; unrest: share of the height by which its top goes up and down."""
    picture = np.zeros((height, width, 4), np.uint8)
    count = int(width / height * 90)
    x = rng.uniform(0, width, count)
    waves = sum(
        np.sin(2 * np.pi * k * x / width + rng.uniform(0, 6.3)) / np.sqrt(k) for k in (2, 3, 5, 7, 11, 17)
    )
    top = 0.12 + unrest * np.clip(0.5 + 0.22 * waves, 0, 1)
    y = height * (top + (1.02 - top) * rng.uniform(0, 1, count) ** 0.8)
    radius = rng.uniform(0.08, 0.15, count) * height
    for shift in (-width, 0, width):
        near = (x + shift > -40) & (x + shift < width + 40)
        picture_rng = np.random.default_rng(int(count))
        _leaves(picture, np.stack([x + shift, y], axis=1)[near], radius[near], 100, picture_rng)
    return picture


def _leaves(
    picture: np.ndarray,
    centers: np.ndarray,
    radii: np.ndarray,
    each: int,
    rng: np.random.Generator,
    tones: np.ndarray = _GREEN,
) -> None:
    """Lobes of leaf clumps, lit from above and the left; the lower ones are drawn first and lie in shade."""
    height = picture.shape[0]
    order = np.argsort(-centers[:, 1] + rng.normal(0, 0.08 * height, len(centers)))
    hue = rng.normal(0, 0.05, (len(centers), 3))
    for i in order:
        # Leaves behind leaves: the core of a lobe lets nothing through.
        core = [np.rint(v * 16).astype(int).tolist() for v in (centers[i], radii[i] * 0.66)]
        shade = np.clip(tones[0] * (1 + hue[i]) * (1.35 - 0.6 * centers[i, 1] / height), 0, 255)
        cv2.circle(picture, core[0], core[1], (*shade.tolist(), 255), -1, cv2.LINE_8, 4)
        angle, share = rng.uniform(0, 2 * np.pi, each), np.sqrt(rng.uniform(0, 1, each))
        offset = np.stack([np.cos(angle), np.sin(angle)], axis=1) * share[:, None]
        spots = centers[i] + offset * radii[i]
        light = 0.42 - 0.34 * offset[:, 1] - 0.16 * offset[:, 0] + rng.normal(0, 0.16, each)
        light *= 1.12 - 0.5 * centers[i, 1] / height
        colors = (tones[0] + (tones[1] - tones[0]) * np.clip(light, 0, 1.1)[:, None]) * (1 + hue[i])
        sizes = np.maximum(radii[i] * rng.uniform(0.04, 0.10, each), 1.1)
        turns = rng.uniform(0, 180, each)
        for k in np.argsort(light):
            center = np.rint(spots[k] * 16).astype(int).tolist()
            axes = (int(sizes[k] * 16), int(sizes[k] * 9))
            color = (*np.clip(colors[k], 0, 255).tolist(), 255)
            cv2.ellipse(picture, center, axes, float(turns[k]), 0, 360, color, -1, cv2.LINE_8, 4)


def _tree(kind: str, colors: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    lobes, half, bottom, top = _CROWNS[kind]
    picture = np.zeros((_SIDE, _SIDE, 4), np.uint8)
    middle = _SIDE / 2
    thick = _SIDE * (0.012 + 0.035 * half)
    _stem(
        picture, (middle, _SIDE - 1.0), (middle + rng.normal(0, 4), _SIDE * (1 - bottom - 0.25)), thick, rng
    )
    t = rng.uniform(0, 1, lobes)
    width = np.sin(np.pi * np.clip(0.12 + 0.8 * t, 0, 1)) if kind != "cone" else 1.02 - t
    spread = np.clip(rng.normal(0, 0.55, lobes), -1, 1) * width * half * 0.85
    centers = np.stack(
        [middle + _SIDE * spread, _SIDE * (1 - bottom - (top - bottom) * (0.08 + 0.84 * t))], axis=1
    )
    radii = _SIDE * half * rng.uniform(0.2, 0.42, lobes) * (0.5 + 0.5 * width)
    for center in centers[::3]:
        foot = (middle, _SIDE * (1 - bottom * 0.8))
        _stem(picture, foot, tuple(center), max(thick * 0.3, 1.5), rng)
    _leaves(picture, centers, radii, 170, rng, colors)
    return picture


def _stem(
    picture: np.ndarray,
    start: tuple[float, ...],
    end: tuple[float, ...],
    thick: float,
    rng: np.random.Generator,
) -> None:
    """A tapered stem, dark on its right side."""
    color = _BARK * rng.uniform(0.6, 1.2)
    a, b = np.array(start), np.array(end)
    for share, gain in ((1.0, 0.55), (0.55, 0.95)):
        left, right = a - [thick, 0], a - [thick * (1 - 2 * share), 0]
        outline = np.array([left, right, b + [thick * 0.4 * (2 * share - 1), 0], b - [thick * 0.4, 0]])
        fixed = np.rint(outline * 16).astype(np.int32)
        cv2.fillConvexPoly(picture, fixed, (*(color * gain).tolist(), 255), cv2.LINE_8, 4)


def _bare_tree(rng: np.random.Generator) -> np.ndarray:
    picture = np.zeros((_SIDE, _SIDE, 4), np.uint8)
    color = (*(_BARK * rng.uniform(0.55, 1.0)).tolist(), 255)
    twigs = [(np.array([_SIDE / 2, _SIDE - 1.0]), np.array([rng.normal(0, 0.04), -1.0]), _SIDE * 0.27, 7.0)]
    for _ in range(6):
        grown = []
        for foot, way, length, thick in twigs:
            tip = foot + way * length
            a, b = (np.rint(point * 16).astype(int).tolist() for point in (foot, tip))
            cv2.line(picture, a, b, color, max(round(thick), 1), cv2.LINE_8, 4)
            for _ in range(3 if thick < 5 else 4):
                turn = rng.normal(0, 0.5)
                c, s = np.cos(turn), np.sin(turn)
                bent = np.array([[c, -s], [s, c]]) @ way
                grown.append(
                    (
                        foot + way * length * rng.uniform(0.6, 1),
                        bent,
                        length * rng.uniform(0.55, 0.8),
                        thick * 0.6,
                    )
                )
        twigs = grown if len(grown) < 400 else [grown[i] for i in rng.choice(len(grown), 400, replace=False)]
    return picture
