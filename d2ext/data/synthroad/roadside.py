"""Hedges, fences, walls and rows of trees along the road."""

from __future__ import annotations

from functools import cache

import numpy as np

from d2ext.data.synthroad import foliage
from d2ext.data.synthroad.daylight import irradiance
from d2ext.data.synthroad.noise import fractal
from d2ext.data.synthroad.panels import draw_panel, pyramid, seen
from d2ext.data.synthroad.raster import Canvas
from d2ext.data.synthroad.scene import Scene
from d2ext.data.synthroad.standing import Strip

# A strip is drawn in pieces, longer ones farther away: each with the texture's reduction that fits it.
_CUTS = (-60.0, -8.0, 0.0, 4.0, 8.0, 13.0, 20.0, 32.0, 52.0, 90.0, 150.0, 260.0)
# Metres of road that a texture's width covers, by its height in metres.
_REPEAT = {"hedge": 5.3, "trees": 4.0, "fence": 4.0, "mesh": 4.0, "wall": 4.0, "rail": 8.0}


@cache
def _made(kind: str) -> list[np.ndarray]:
    """Pyramids of (64, 256, 4) BGRA that repeat."""
    rng = np.random.default_rng([82, len(kind)])
    picture = np.zeros((64, 256, 4), np.uint8)
    shade = np.clip(200 + 10 * fractal(256, 0.9, rng)[:64], 0, 255).astype(np.uint8)
    picture[..., :3] = shade[..., None]
    x, y = np.arange(256), np.arange(64)
    if kind == "fence":
        bars = ((x % 8 < 5) & (x % 64 > 1))[None] & (y > 4)[:, None]
        picture[..., 3] = np.where(bars | np.isin(y // 6, (2, 8))[:, None], 255, 0)
        picture[..., :3] = (picture[..., :3] * np.repeat(rng.uniform(0.75, 1.1, 32), 8)[None, :, None]).clip(
            0, 255
        )
    elif kind == "mesh":
        bars = (x % 64 < 3)[None] | (x % 6 < 1)[None] | (y % 16 < 2)[:, None]
        picture[..., 3] = np.where(bars, 255, 0)
    elif kind == "rail":
        profile = np.where(y < 30, 0.75 + 0.3 * np.sin(y / 30 * 4 * np.pi), 0.5)
        posts = (x % 64 < 3)[None]
        picture[..., :3] = np.clip(shade * profile[:, None], 0, 255)[..., None]
        picture[..., 3] = np.where((y < 30)[:, None] | posts, 255, 0)
    else:
        joints = (x % 64 < 2)[None] | (y < 4)[:, None]
        picture[..., :3] = np.where(joints, shade * 0.75, shade)[..., None].astype(np.uint8)
        picture[..., 3] = 255
    return pyramid(picture)


def _texture(strip: Strip) -> list[np.ndarray]:
    if strip.kind == "trees":
        return foliage.tree_lines()[int(strip.tall * 10) % 2]
    if strip.kind == "hedge":
        return foliage.hedges()[int(strip.tall * 10) % 2]
    return _made(strip.kind)


def draw_strip(canvas: Canvas, scene: Scene, strip: Strip, tint: np.ndarray) -> None:
    """Its face towards the road, and the top of what is thick. tint: (3,) of leaves."""
    levels = _texture(strip)
    leafy = strip.kind in ("hedge", "trees")
    color = tint if leafy else strip.color / 200
    side = -1.0 if strip.p > scene.road.offset else 1.0
    p = strip.p
    face = scene.road_points(np.array([p, p + side]), np.array([0.0, 0.0]))
    tone = color * irradiance(face[1] - face[0], scene.light) * 0.9
    period = strip.tall * _REPEAT[strip.kind]
    for a, b in zip(_CUTS[:-1], _CUTS[1:], strict=True):
        q0, q1 = max(a, strip.q[0]), min(b, strip.q[1])
        if q1 - q0 < 0.5:
            continue
        ends = (q0, q1) if side < 0 else (q1, q0)
        lower = scene.road_points(np.array([p, p]), np.array(ends))
        if not seen(canvas, lower.mean(axis=0), (q1 - q0) / 2 + strip.tall):
            continue
        distance = max(abs(q0 + q1) / 2, 4.0)
        # The nearer a piece is to its own vanishing point, the more of its texture falls on one pixel.
        ends_seen, w = scene.view.project(lower)
        wide = float(np.linalg.norm(ends_seen[1] - ends_seen[0])) if w.min() > 1 else np.inf
        slant = (q1 - q0) * scene.view.projection[0, 0] / distance / max(wide, 1.0)
        density = scene.view.projection[0, 0] / distance / max(slant, 1.0) ** 0.5
        level = _fitting(levels, strip.tall, density)
        texture = _cut(level, q0 / period, q1 / period)
        upper = lower + strip.tall * scene.up
        draw_panel(canvas, np.stack([*lower, upper[1], upper[0]]), texture, tone)
        if strip.thick > 0.5 and strip.kind in ("hedge", "wall") and scene.view.plane[3] > strip.tall:
            thick = strip.thick if strip.kind == "hedge" else 0.25
            back = scene.road_points(np.array([p, p]) - side * thick, np.array(ends)) + strip.tall * scene.up
            flat = np.ascontiguousarray(texture[len(texture) // 2 :, :, :3])
            top = color * irradiance(scene.up, scene.light) * 1.05
            draw_panel(canvas, np.stack([*upper, back[1], back[0]]), flat, top)


def _fitting(levels: list[np.ndarray], tall: float, density: float) -> np.ndarray:
    step = np.log2(max(levels[0].shape[0] / max(tall * density, 1.0), 1.0))
    return levels[min(int(step + 0.3), len(levels) - 1)]


def _cut(level: np.ndarray, start: float, end: float) -> np.ndarray:
    """The texture from `start` to `end` periods."""
    width = level.shape[1]
    first, last = (
        int(np.floor(start * width)),
        max(int(np.ceil(end * width)), int(np.floor(start * width)) + 2),
    )
    return np.ascontiguousarray(np.take(level, np.arange(first, last) % width, axis=1))
