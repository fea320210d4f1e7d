"""What the ground is made of: textures prepared once, the same in every process."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from d2ext.data.synthroad.noise import Tiles, blurred, fractal

# Materials are indices of a ground pixel's fine texture.
(SKY, PLAIN, ASPHALT, WORN, CONCRETE, PAINT, OLD_PAINT, SLABS, SETTS, GRASS, GRAVEL, LITTER, MEADOW) = range(
    13
)
# Features of metres: patches, cracks, stains, clumps; and where water stands, and what leaves let through.
(EVEN, ROAD, OLD_ROAD, WALK, GREEN, PUDDLES, DAPPLE) = range(7)
COARSE_OF = np.array(
    [EVEN, WALK, ROAD, OLD_ROAD, ROAD, ROAD, OLD_ROAD, WALK, WALK, GREEN, GREEN, GREEN, GREEN]
)

_SIZE, _TEXEL = 512, 0.0125
_COARSE_SIZE, _COARSE_TEXEL = 1024, 0.04


@cache
def fine() -> Tiles:
    """Textures (BGR, 128 leaves a colour as it is) that repeat every 6.4 m, in the order of the materials."""
    rng = np.random.default_rng(71)
    plain = np.full((_SIZE, _SIZE, 3), 128, np.uint8)
    layers = [
        plain,
        plain,
        _coloured(_aggregate(rng, 1.0, 10, 5), 1.5, rng),
        _coloured(_aggregate(rng, 1.4, 15, 10), 3.0, rng),
        _coloured(_slab_gain(rng, (256, 256), 2, 0.05) * (128 + 7 * fractal(_SIZE, 0.7, rng)), 1.5, rng),
        _coloured(_worn_paint(rng, 1.3), 1.5, rng),
        _coloured(_worn_paint(rng, 0.25), 1.5, rng),
        _coloured(_slab_gain(rng, (32, 32), 1, 0.07) * (128 + 9 * fractal(_SIZE, 0.5, rng, 4)), 3.0, rng),
        _coloured(_setts(rng), 4.0, rng),
        _leafy(rng, (6, 0, 16), 24),
        _coloured(_aggregate(rng, 2.2, 30, 22), 6.0, rng),
        _litter(rng),
        _leafy(rng, (10, -4, 26), 34),
    ]
    return Tiles(layers, _TEXEL)


@cache
def coarse() -> Tiles:
    """Gray layers (128 leaves a colour as it is) that repeat every 41 m, in the order of EVEN to DAPPLE."""
    rng = np.random.default_rng(72)
    size = _COARSE_SIZE
    puddles = np.clip(128 + 60 * (fractal(size, 1.7, rng, 2) - 1.1) / 0.35, 0, 255)
    leaves = 0.75 * fractal(size, 1.25, rng, 3) + 0.65 * fractal(size, 0.7, rng, 20)
    layers = [
        np.full((size, size), 128.0),
        _road(rng, patches=14, cracks=16),
        _road(rng, patches=40, cracks=70),
        _walk(rng),
        128 + 20 * fractal(size, 1.1, rng, 2) + 12 * fractal(size, 0.5, rng, 10),
        puddles,
        np.clip(128 + 127 * np.tanh((leaves + 0.1) / 0.35), 0, 255),
    ]
    return Tiles([np.clip(layer, 0, 255).astype(np.uint8) for layer in layers], _COARSE_TEXEL)


def _coloured(gray: np.ndarray, spread: float, rng: np.random.Generator) -> np.ndarray:
    """Gray (S, S) -> BGR uint8 whose hue wanders a little between warm and cold."""
    warm = blurred(rng.normal(0, 1, gray.shape).astype(np.float32), 1.2)
    warm *= spread / warm.std()
    return np.clip(np.stack([gray - warm, gray, gray + warm], axis=2), 0, 255).astype(np.uint8)


def _aggregate(rng: np.random.Generator, grain: float, deviation: float, stones: float) -> np.ndarray:
    """Bound or loose stones: noise of one grain size, and some stones that stand out."""
    base = blurred(rng.normal(0, 1, (_SIZE, _SIZE)).astype(np.float32), grain)
    base /= base.std()
    single = blurred((rng.random((_SIZE, _SIZE)) < 0.03).astype(np.float32), grain * 0.8)
    single = (single - single.mean()) / single.std()
    return 128 + deviation * base * 0.8 + stones * single * 0.5 + 4 * fractal(_SIZE, 0.9, rng, 3)


def _slab_gain(rng: np.random.Generator, slab: tuple[int, int], joint: int, spread: float) -> np.ndarray:
    """(S, S) factors: one for each slab of (rows, columns) texels, and dark joints."""
    rows, columns = _SIZE // slab[0], _SIZE // slab[1]
    gain = np.kron(1 + rng.normal(0, spread, (rows, columns)), np.ones(slab))
    y, x = np.arange(_SIZE) % slab[0], np.arange(_SIZE) % slab[1]
    lines = (y < joint)[:, None] | (x < joint)[None]
    return np.where(lines, 0.68, gain)


def _setts(rng: np.random.Generator) -> np.ndarray:
    gain = _slab_gain(rng, (8, 16), 1, 0.11)
    rows = np.arange(_SIZE)
    shifted = (np.arange(_SIZE)[None] + 8 * (rows // 8 % 2)[:, None]) % _SIZE
    return gain[rows[:, None], shifted] * (132 + 9 * fractal(_SIZE, 0.4, rng, 4))


def _worn_paint(rng: np.random.Generator, cover: float) -> np.ndarray:
    """Road paint that lets the asphalt through; cover: deviations of wear that the paint withstands."""
    wear = 0.8 * fractal(_SIZE, 1.0, rng, 2) + 0.8 * blurred(fractal(_SIZE, 0.3, rng), 1.0)
    share = 1 / (1 + np.exp(-(wear - cover) / 0.18))
    return 132 * (1 - 0.52 * share) + 4 * fractal(_SIZE, 0.4, rng)


def _leafy(rng: np.random.Generator, hue: tuple[float, float, float], deviation: float) -> np.ndarray:
    """Grass: blades and clumps, with straw among the green."""
    blades = blurred(rng.normal(0, 1, (_SIZE, _SIZE)).astype(np.float32), 0.9)
    gray = deviation * (0.7 * blades / blades.std() + 0.7 * fractal(_SIZE, 0.8, rng, 3))
    straw = np.clip(fractal(_SIZE, 0.9, rng, 2), -1.5, 2.5)[..., None] * np.array(hue)
    return np.clip(122 + gray[..., None] + straw, 0, 255).astype(np.uint8)


def _litter(rng: np.random.Generator) -> np.ndarray:
    """Earth under fallen leaves."""
    tile = np.clip(100 + 18 * fractal(_SIZE, 0.7, rng, 2), 0, 255)
    tile = np.repeat(tile[..., None], 3, axis=2).astype(np.uint8)
    for _ in range(2600):
        center = rng.integers(8, _SIZE - 8, 2).tolist()
        bright = rng.uniform(70, 235)
        color = bright * np.array([rng.uniform(0.5, 0.9), rng.uniform(0.75, 1.0), 1.0])
        axes = (int(rng.integers(2, 5)), int(rng.integers(1, 3)))
        cv2.ellipse(tile, center, axes, float(rng.uniform(0, 180)), 0, 360, color.tolist(), -1)
    return tile


def _road(rng: np.random.Generator, patches: int, cracks: int) -> np.ndarray:
    """Mended, cracked and stained: q runs down the rows, so patches and joints are long in rows."""
    size = _COARSE_SIZE
    tile = np.full((size, size), 128, np.uint8)
    for _ in range(patches):
        center = rng.integers(60, size - 60, 2)
        half = np.array([rng.uniform(8, 45), rng.uniform(12, 60)])
        corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half + rng.normal(0, 2, (4, 2)) + center
        points = np.rint(np.clip(corners, 2, size - 3)).astype(np.int32)
        cv2.fillConvexPoly(tile, points, float(128 * rng.choice([0.8, 0.87, 0.93, 1.07, 1.14])))
        cv2.polylines(tile, [points], True, 104.0, 1)
    for _ in range(cracks):
        steps = rng.normal(0, 1, (int(rng.integers(12, 60)), 2)) * 2.2
        along = np.array([0.2, 3.5]) if rng.random() < 0.55 else np.array([4.5, 0.3])
        path = rng.integers(100, size - 100, 2) + np.cumsum(steps + along, axis=0)
        path = np.rint(np.clip(path, 3, size - 4)).astype(np.int32)
        cv2.polylines(tile, [path], False, float(rng.uniform(62, 104)), int(rng.integers(1, 3)), cv2.LINE_AA)
    for _ in range(9):
        center = rng.integers(30, size - 30, 2).tolist()
        cv2.circle(tile, center, 9, float(rng.uniform(78, 112)), -1, cv2.LINE_AA)
        cv2.circle(tile, center, 9, 66.0, 1, cv2.LINE_AA)
        cv2.circle(tile, center, 6, 88.0, 1, cv2.LINE_AA)
    for _ in range(10):
        start, bend = rng.integers(200, size - 200, 2), rng.normal(0, 0.12)
        t = np.linspace(0, 1, 20) * rng.uniform(80, 190)
        for offset in (0, 38):
            path = start + np.stack([offset + bend * t + 0.0008 * t * t, t], axis=1)
            path = np.rint(np.clip(path, 3, size - 4)).astype(np.int32)
            cv2.polylines(tile, [path], False, float(rng.uniform(98, 118)), 4, cv2.LINE_AA)
    stains = np.clip(fractal(size, 1.3, rng, 3) - 1.2, 0, 2) + 0.8 * (
        np.clip(fractal(size, 0.9, rng, 30) - 2, 0, 1)
    )
    wide = fractal(size, 1.25, rng, 2) * 6 + fractal(size, 0.6, rng, 8) * 2
    smooth = blurred(tile.astype(np.float32), 0.6)
    return smooth * (1 - 0.16 * stains) + wide


def _walk(rng: np.random.Generator) -> np.ndarray:
    size = _COARSE_SIZE
    gum = blurred((rng.random((size, size)) < 0.002).astype(np.float32), 0.8)
    dirt = np.clip(fractal(size, 1.2, rng, 2) - 0.6, 0, 2)
    return 130 - 16 * dirt - 90 * gum + 7 * fractal(size, 1.0, rng, 3)
