"""Houses: walls of window cells, flat or pitched roofs, lit windows at night."""

from __future__ import annotations

from functools import cache

import numpy as np

from d2ext.data.synthroad.daylight import irradiance
from d2ext.data.synthroad.facades import CELL, facade, lit
from d2ext.data.synthroad.noise import fractal
from d2ext.data.synthroad.panels import cross, draw_panel, pyramid, seen
from d2ext.data.synthroad.raster import NEAR, Canvas
from d2ext.data.synthroad.scene import Scene
from d2ext.data.synthroad.standing import House

_ROOFS = np.array([[62.0, 74.0, 132.0], [70.0, 84.0, 150.0], [84.0, 86.0, 92.0], [56.0, 58.0, 66.0]])


@cache
def _tiles() -> list[np.ndarray]:
    """Pyramid of a (128, 256, 3) piece of roof, about 200 bright."""
    rng = np.random.default_rng(81)
    rows, columns = np.arange(128), np.arange(256)
    gain = 1 + rng.normal(0, 0.07, (16, 32))[rows[:, None] // 8, columns[None] // 8]
    gain = np.where((rows % 8 == 7)[:, None], gain * 0.72, gain)
    shade = 195 * gain + 8 * fractal(256, 1.0, rng)[:128]
    return pyramid(np.repeat(np.clip(shade, 0, 255).astype(np.uint8)[..., None], 3, axis=2))


def draw_house(canvas: Canvas, scene: Scene, house: House) -> None:
    """The walls that face the camera, and the roof."""
    middle = _points(scene, [(sum(house.p) / 2, sum(house.q) / 2, house.tall / 2)])[0]
    if not seen(canvas, middle, house.tall + house.q[1] - house.q[0]):
        return
    rng = np.random.default_rng(house.seed)
    (front, back), (q0, q1) = house.p, house.q
    ends = [(front, q0), (front, q1), (back, q1), (back, q0)]
    # Seen from outside, a wall's left end comes first.
    if house.side < 0:
        ends = [(front, q1), (front, q0), (back, q0), (back, q1)]
    for i in range(4):
        start, end = ends[(i + 1) % 4], ends[i]
        blind = i in (1, 3) and rng.random() < 0.6
        _draw_wall(canvas, scene, house, (start, end), blind, rng)
    _draw_roof(canvas, scene, house, rng)


def _points(scene: Scene, ends: list[tuple[float, float, float]]) -> np.ndarray:
    """(N, 3) camera coordinates of p, q and height."""
    p, q, up = np.array(ends).T
    return scene.road_points(p, q, up)


def _outward(corners: np.ndarray, scene: Scene) -> np.ndarray:
    normal = cross(corners[1] - corners[0], corners[3] - corners[0])
    normal = normal / np.linalg.norm(normal)
    return -normal if normal @ (corners[0] - scene.view.center) > 0 else normal


def _draw_wall(
    canvas: Canvas,
    scene: Scene,
    house: House,
    ends: tuple[tuple[float, float], tuple[float, float]],
    blind: bool,
    rng: np.random.Generator,
) -> None:
    (pa, qa), (pb, qb) = ends
    corners = _points(scene, [(pa, qa, 0), (pb, qb, 0), (pb, qb, house.tall), (pa, qa, house.tall)])
    middle = _points(scene, [(sum(house.p) / 2, sum(house.q) / 2, 0)])[0]
    out = corners[:2].mean(axis=0) - middle
    seed = int(rng.integers(2**31))
    if out @ (corners[0] - scene.view.center) >= 0:
        return
    _, w = canvas.project(corners)
    if w.max() < 2.0 or not _in_picture(canvas, corners, w):
        return
    near = max(float(w.min()), 2.0)
    texels = 0.7 * scene.view.projection[0, 0] / near
    rows, columns = max(round(house.tall / CELL), 1), max(round(float(np.hypot(pb - pa, qb - qa)) / CELL), 1)
    texture, glass = facade(
        house.style, house.seed, (rows, columns), house.wall, texels, blind, np.random.default_rng(seed)
    )
    tone = irradiance(out / np.linalg.norm(out), scene.light)
    # The lower a wall, the less of the sky it sees: the whole wall gets the mean of that.
    draw_panel(canvas, corners, texture, tone * 0.94)
    if scene.light.lamps > 0.1:
        night = np.random.default_rng([seed, 1])
        shining = lit(texture, glass, (rows, columns), 0.35 * scene.light.lamps, night)
        draw_panel(canvas, corners + 0.03 * out / np.linalg.norm(out), shining, np.ones(3))


def _in_picture(canvas: Canvas, corners: np.ndarray, w: np.ndarray) -> bool:
    if w.min() < NEAR:
        return True
    pixels, _ = canvas.project(corners)
    height, width = canvas.ids.shape
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    return bool((high > 0).all() and low[0] < width and low[1] < height)


def _draw_roof(canvas: Canvas, scene: Scene, house: House, rng: np.random.Generator) -> None:
    (p0, p1), (q0, q1), tall = sorted(house.p), house.q, house.tall
    color = _ROOFS[rng.integers(len(_ROOFS))] * rng.uniform(0.7, 1.2)
    if not house.roof and scene.view.plane[3] <= tall:
        return
    if not house.roof:
        corners = _points(scene, [(p0, q0, tall), (p1, q0, tall), (p1, q1, tall), (p0, q1, tall)])
        tone = np.full(3, rng.uniform(70, 150)) / 195 * irradiance(scene.up, scene.light)
        draw_panel(canvas, corners, _tiles(), tone)
        return
    ridge, over, top = (p0 + p1) / 2, 0.5, tall + house.roof
    for edge in (p0, p1):
        eaves = edge + np.sign(edge - ridge) * over
        low = tall - house.roof * over / (p1 - p0)
        corners = _points(scene, [(eaves, q0, low), (eaves, q1, low), (ridge, q1, top), (ridge, q0, top)])
        normal = _outward(corners, scene)
        if normal @ scene.up < 0:
            continue
        draw_panel(canvas, corners, _tiles(), color / 195 * irradiance(normal, scene.light))
    for q in house.q:
        gable = _points(scene, [(p0, q, tall), (p1, q, tall), (ridge, q, top)])
        normal = cross(gable[1] - gable[0], gable[2] - gable[0])
        normal /= np.linalg.norm(normal)
        outwards = np.sign(q - sum(house.q) / 2) * scene.road_points(np.zeros(2), np.array([0.0, 1.0]))
        normal = normal if normal @ (outwards[1] - outwards[0]) > 0 else -normal
        if normal @ (gable[0] - scene.view.center) > 0:
            continue
        pixels, w = canvas.project(gable)
        if w.min() > 1.0:
            plane = canvas.depth_planes(normal[None], gable[:1])[0]
            tone = np.clip(house.wall * irradiance(normal, scene.light) * 0.94, 0, 255)
            canvas.face(pixels, plane, tone.tolist())
