"""The ground: surfaces painted in road coordinates, then one pass for texture, shade and water."""

from __future__ import annotations

import cv2
import numpy as np

from d2ext.data.synthroad import materials
from d2ext.data.synthroad.daylight import irradiance
from d2ext.data.synthroad.geometry import clip_near
from d2ext.data.synthroad.noise import BLOCK
from d2ext.data.synthroad.raster import NEAR, SCALE, Canvas
from d2ext.data.synthroad.scene import Scene

FAR = 3000.0
_SHIFT = 4
# What a lamp adds to the light on the ground below it, BGR.
_LAMP = np.array([0.36, 0.5, 0.58])
# Pixels; polygons that reach farther are cut before they are filled.
_LARGE = 30000


class Ground:
    """The ground's part of a picture while it is painted.

    p, q: (h, W) float32 road coordinates of image pixels from row `top` down; distance: (h, W) along the
    optical axis; material: (h, W) uint8, SKY above it; light: (h, W) uint8, 255 where the sun comes; glow:
    (h, W) uint8, 255 right below a lamp; sky: number of rows that show any sky.
    """

    def __init__(self, canvas: Canvas, scene: Scene) -> None:
        self.canvas, self.scene = canvas, scene
        view = scene.view
        self.size = np.array([view.width, view.height])
        origin, right, ahead = scene.road_points(np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0]))
        axes = np.stack([right - origin, ahead - origin, origin], axis=1)
        self.to_image = view.projection[:, :3] @ axes
        self.to_image[:, 2] += view.projection[:, 3]
        inverse = np.linalg.inv(self.to_image)
        ends = np.array([[0.0, view.width - 1.0], [0.0, 0.0], [1.0, 1.0]])
        rows = np.arange(view.height)
        nearest = (inverse[2] @ ends)[None] + rows[:, None] * inverse[2, 1]
        below = np.nonzero(nearest.max(axis=1) > 1 / FAR)[0]
        self.top = int(below[0]) if len(below) else view.height
        above = np.nonzero(nearest.min(axis=1) <= 1 / FAR)[0]
        self.sky = int(above[-1]) + 1 if len(above) else 0
        shape = (view.height - self.top, view.width)
        self.material = np.zeros(shape, np.uint8)
        self.light = np.full(shape, 255, np.uint8)
        self.glow = np.zeros(shape, np.uint8)
        self.daylight = irradiance(scene.up, scene.light)
        self.lamps = _LAMP * scene.light.lamps if scene.light.lamps > 0.05 else np.zeros(3)
        self.tone = self.daylight + self.lamps
        if shape[0]:
            self.p, self.q, inverse_distance = _coordinates(inverse, shape, self.top)
            self.distance = 1 / inverse_distance
            self.levels = _levels(inverse, shape, self.top)

    def rectangle(
        self, p: tuple[float, float], q: tuple[float, float], color: np.ndarray, material: int
    ) -> None:
        """Paint p x q metres with a colour (3,) of its own, before light, and a material."""
        quad = np.array([[p[0], q[0]], [p[1], q[0]], [p[1], q[1]], [p[0], q[1]]])
        self.polygons(quad[None], color, material)

    def polygons(self, outlines: np.ndarray, color: np.ndarray, material: int) -> None:
        """Paint convex polygons (N, K, 2) of road coordinates."""
        points = outlines @ self.to_image[:, :2].T + self.to_image[:, 2]
        w = points[..., 2]
        tone = np.clip(color * self.tone, 0, 255).tolist()
        whole = w.min(axis=1) >= NEAR
        pixels = points[whole][..., :2] / w[whole][..., None]
        low, high = pixels.min(axis=1), pixels.max(axis=1)
        small = (np.abs(pixels) < _LARGE).all(axis=(1, 2))
        self._fill(pixels[small & (high > 0).all(axis=1) & (low < self.size).all(axis=1)], tone, material)
        for polygon in (*points[~whole], *points[whole][~small]):
            rest = self._clip(polygon)
            if len(rest) >= 3:
                self._fill(rest[None, :, :2] / rest[None, :, 2:], tone, material)

    def _clip(self, polygon: np.ndarray) -> np.ndarray:
        """The part (M, 3) of a polygon in homogeneous pixels before, and not far beside, the picture."""
        for a, b, c, least in ((0, 0, 1, NEAR), (1, 0, 1000, 0), (-1, 0, self.size[0] + 1000, 0)):
            if len(polygon) >= 3:
                polygon = clip_near(polygon, polygon @ np.array([a, b, c], dtype=float), least)
        return polygon

    def _fill(self, pixels: np.ndarray, tone: list[float], material: int) -> None:
        """Fill polygons (N, K, 2) of image pixels in the canvas and in the map of materials."""
        unit = 1 << _SHIFT
        for outline in np.rint(((pixels + 0.5) * SCALE - 0.5) * unit).astype(np.int32):
            cv2.fillConvexPoly(self.canvas.color, outline, tone, lineType=cv2.LINE_8, shift=_SHIFT)
        for outline in np.rint((pixels - [0, self.top]) * unit).astype(np.int32):
            cv2.fillConvexPoly(self.material, outline, material, lineType=cv2.LINE_8, shift=_SHIFT)


def _coordinates(inverse: np.ndarray, shape: tuple[int, int], top: int) -> tuple[np.ndarray, ...]:
    """p, q and inverse distance (h, W) float32; above the horizon they are those of far ground."""
    xs, ys = np.arange(shape[1]), np.arange(top, top + shape[0])
    a, b, c = (((row[0] * xs)[None] + (row[1] * ys + row[2])[:, None]).astype(np.float32) for row in inverse)
    np.maximum(c, np.float32(1 / FAR), out=c)
    return a / c, b / c, c


def _levels(inverse: np.ndarray, shape: tuple[int, int], top: int) -> tuple[np.ndarray, np.ndarray]:
    """log2 of a pixel's extent in metres along p and q for blocks of pixels, from the derivatives."""
    rough = (-(-shape[0] // BLOCK), -(-shape[1] // BLOCK))
    x = (np.arange(rough[1]) + 0.5) * BLOCK
    y = (np.arange(rough[0])[:, None] + 0.5) * BLOCK + top
    c = np.maximum(inverse[2, 0] * x + inverse[2, 1] * y + inverse[2, 2], 1 / FAR)
    levels = []
    for row in inverse[:2]:
        value = (row[0] * x + row[1] * y + row[2]) / c
        change = np.hypot(row[0] - value * inverse[2, 0], row[1] - value * inverse[2, 1]) / c
        levels.append(np.log2(np.maximum(change, 1e-6)).astype(np.float32))
    return levels[0], levels[1]


def finish(ground: Ground, profile: np.ndarray, rng: np.random.Generator) -> None:
    """Texture, shade and water over what was painted.

    profile: (4, K) tables of lane wear around 128 over p, in steps of 5 cm from -K / 40 m.
    """
    if not ground.material.size:
        return
    light = ground.scene.light
    shift = rng.uniform(0, 40, 4).astype(np.float32)
    fine = materials.fine().read(ground.material, ground.p + shift[0], ground.q + shift[1], ground.levels)
    gray, mirror = _slow_parts(ground, profile, shift)
    if light.shadow > 0:
        shade = cv2.LUT(ground.light, np.rint(255 - light.shadow * np.arange(255, -1, -1)).astype(np.uint8))
        gray = cv2.multiply(gray, shade, scale=1 / 255)
    gain = cv2.multiply(fine, cv2.merge([gray] * 3), scale=1 / 128)
    if ground.lamps.any():
        # What was painted has the light of a place right below a lamp.
        lit = (ground.daylight + np.arange(256)[:, None] / 255 * ground.lamps) / ground.tone
        table = np.rint(255 * lit).astype(np.uint8)[None]
        gain = cv2.multiply(gain, cv2.LUT(cv2.merge([ground.glow] * 3), table), scale=1 / 255)
    _apply(ground, gain, mirror)


def _slow_parts(
    ground: Ground, profile: np.ndarray, shift: np.ndarray
) -> tuple[np.ndarray, np.ndarray | None]:
    """What changes slowly over the picture, from every second pixel of every second row.

    Returns gains (h, W) around 128 of coarse texture and wear, less what water keeps back, and the share of
    255 that the mirror image on wet ground has of a pixel.
    """
    light = ground.scene.light
    half = np.s_[::2, ::2]
    p, q, levels = ground.p[half], ground.q[half], (ground.levels[0][half] + 1, ground.levels[1][half] + 1)
    kinds = materials.COARSE_OF.astype(np.int32)[ground.material[half]]
    gray = materials.coarse().read(kinds, p + shift[2], q + shift[3], levels)
    wear = profile[np.clip((p * 20).astype(np.int32) + len(profile) // 2, 0, len(profile) - 1)]
    road = (kinds == materials.ROAD) | (kinds == materials.OLD_ROAD)
    wear[~road] = 128
    mirror = None
    if light.wet > 0:
        water = materials.coarse().read(materials.PUDDLES, p + shift[3], q + shift[2], levels)
        mirror = _mirror(ground, water, road | (kinds == materials.WALK))
    gray = cv2.multiply(gray, wear, scale=1 / 128)
    size = ground.material.shape[::-1]
    if mirror is None:
        return cv2.resize(gray, size), None
    gray = cv2.multiply(gray, 255 - mirror, scale=1 / 255)
    return cv2.resize(gray, size), cv2.resize(mirror, size)


def _mirror(ground: Ground, water: np.ndarray, hard: np.ndarray) -> np.ndarray:
    """Share (h, w) uint8 of the sky's mirror image on wet ground, by Schlick's approximation."""
    wet, height = ground.scene.light.wet, float(ground.scene.view.plane[3])
    sine = np.minimum(np.float32(height) / ground.distance[::2, ::2], np.float32(1))
    fresnel = np.float32(0.03) + np.float32(0.97) * cv2.pow(1 - sine, 5)
    depth = np.clip(255 * np.clip(np.arange(256) / 255 - 0.8 + wet, 0.25, 1) * min(1.3 * wet, 1), 0, 255)
    film = cv2.LUT(water, depth.astype(np.uint8))
    film[~hard] //= 6
    return (film * fresnel).astype(np.uint8)


def _apply(ground: Ground, gain: np.ndarray, mirror: np.ndarray | None) -> None:
    """Multiply the canvas by the gain, then add what water mirrors."""
    size = (gain.shape[1] * SCALE, gain.shape[0] * SCALE)
    part = ground.canvas.color[ground.top * SCALE :]
    sky = ground.material == materials.SKY
    gain[sky] = 128
    cv2.multiply(part, cv2.resize(gain, size, interpolation=cv2.INTER_NEAREST), dst=part, scale=1 / 128)
    if mirror is not None:
        mirror[sky] = 0
        sent = _tinted(mirror, ground.scene.light.horizon)
        cv2.add(part, cv2.resize(sent, size, interpolation=cv2.INTER_NEAREST), dst=part)


def _tinted(share: np.ndarray, color: np.ndarray) -> np.ndarray:
    """Shares (h, W) of 255 of a colour (3,), as (h, W, 3)."""
    table = np.clip(np.arange(256)[:, None, None] / 255 * color, 0, 255).astype(np.uint8)
    return cv2.LUT(cv2.merge([share] * 3), table.transpose(1, 0, 2))
