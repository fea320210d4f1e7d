"""The look of object pixels: one pass over what is seen of an object, vectorised.

Lambert's law under sun and sky, Schlick's approximation of Fresnel's law for what paint and glass mirror, a
Blinn-Phong highlight of the sun, grain and dirt fixed to the object, and what is seen through windows.
All vectors are in the object's frame in metres: x forward, y up, z left.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from d2ext.data.synthroad.looks import Look, look_of
from d2ext.data.synthroad.pose import PosedMesh
from d2ext.data.synthroad.raster import SCALE, Canvas, sampled
from d2ext.data.synthroad.surroundings import Surroundings

_DUST = np.array([122.0, 128.0, 132.0], np.float32)


def shade_object(
    canvas: Canvas, mesh: PosedMesh, first: int, window: tuple[int, int, int, int], around: Surroundings
) -> None:
    """Colour the pixels in a window whose face number belongs to this object."""
    x0, y0, x1, y1 = window
    part = np.s_[y0:y1, x0:x1]
    number = canvas.faces[part]
    ys, xs = np.nonzero((number > first) & (number <= first + len(mesh.w)))
    if not len(ys):
        return
    faces = number[ys, xs].astype(np.int64) - (first + 1)
    inverse = canvas.inverse_depth[part][ys, xs]
    pixels = _Pixels(canvas, mesh, faces, (xs + x0).astype(np.float32), (ys + y0).astype(np.float32), inverse)
    canvas.color[part][ys, xs] = _colors(pixels, mesh, around)


class _Pixels:
    """Per pixel: point (3, N) in unit coordinates and `meters`; normal, view (3, N), unit; atlas values
    first, second (N, 4) in [0, 1]; forward (N,): whether its face looks forward; distance (N,)."""

    def __init__(
        self,
        canvas: Canvas,
        mesh: PosedMesh,
        faces: np.ndarray,
        u: np.ndarray,
        v: np.ndarray,
        inverse: np.ndarray,
    ) -> None:
        view, item = canvas.view, mesh.item
        to_object = mesh.axes.T
        ray = (to_object @ canvas.rays).astype(np.float32)
        eye = (to_object @ (view.center - item.location)).astype(np.float32)
        depth = 1.0 / inverse
        direction = ray[:, :1] * u + ray[:, 1:2] * v + ray[:, 2:]
        self.meters = direction * depth + eye[:, None]
        self.point = self.meters / mesh.scale.astype(np.float32)[:, None]
        self.view = -direction / np.sqrt((direction * direction).sum(axis=0))
        self.faces, self.depth = faces, depth
        table = mesh.mesh.table
        bend = np.take(table[:12], faces, axis=1)
        x, y, z = self.point
        normal = bend[0:3] + bend[3:6] * x + bend[6:9] * y + bend[9:12] * z
        normal *= (mesh.mesh.nominal / mesh.scale).astype(np.float32)[:, None]
        normal /= np.sqrt(np.maximum((normal * normal).sum(axis=0), 1e-12))
        self.normal = normal
        self.forward = np.take(table[20], faces)
        self._sample(mesh, float(np.median(depth)), canvas)

    def _sample(self, mesh: PosedMesh, depth: float, canvas: Canvas) -> None:
        x, y, z = self.point
        rows = np.take(mesh.mesh.table[12:20], self.faces, axis=1)
        u = rows[0] * x + rows[1] * y + rows[2] * z + rows[3]
        v = rows[4] * x + rows[5] * y + rows[6] * z + rows[7]
        atlas = mesh.mesh.atlas
        focal = float(canvas.view.projection[1, 1]) * SCALE
        texels = atlas.density * float((mesh.mesh.nominal / mesh.scale).mean()) * depth / focal
        level = int(np.clip(np.rint(np.log2(max(texels, 1e-3))), 0, len(atlas.levels) - 1))
        step = 1.0 / (1 << level)
        u, v = ((w + 0.5) * step - 0.5 for w in (u, v))
        first, second = atlas.levels[level]
        self.first, self.second = (sampled(image, u, v).astype(np.float32) for image in (first, second))


def _colors(pixels: _Pixels, mesh: PosedMesh, around: Surroundings) -> np.ndarray:
    look = look_of(mesh.item, around.light.lamps)
    to_object = (mesh.axes.T @ around.to_ground.T).astype(np.float32)
    sun = to_object @ around.sun
    accent, gloss, glass, glow = (column / 255 for column in pixels.second.T)
    paint = pixels.first[:, 3] / 255
    albedo = pixels.first[:, :3] + paint[:, None] * look.paint.astype(np.float32)
    albedo += accent[:, None] * look.accent.astype(np.float32)
    grain, coarse = _grain_at(pixels, look)
    dirt = _dirt(pixels, look, coarse)
    albedo += (_DUST - albedo) * (dirt * (1 - 0.5 * glass))[:, None]
    cloth = mesh.mesh.cloth
    albedo *= (1 + (0.015 + 0.05 * cloth) * grain + (0.008 + 0.04 * cloth) * coarse)[:, None]
    facing = np.abs(np.einsum("cn,cn->n", pixels.normal, pixels.view))
    mirrored = 2 * facing * pixels.normal - pixels.view
    fresnel = 0.045 + 0.955 * (1 - np.minimum(facing, 1)) ** 5
    share = np.clip(
        (fresnel + 0.03 * glass) * gloss * (look.gloss - (look.gloss - 0.9) * glass) * (1 - 0.7 * dirt), 0, 1
    )
    chrome = np.clip(gloss - 0.92, 0, 1) * (1 - glass) * 5.0
    share = np.maximum(share, chrome)
    color = albedo * _irradiance(pixels, around, sun, mesh)
    if mesh.mesh.cabin is not None and glass.any():
        _see_through(color, glass, pixels, mesh, around)
    color *= (1 - share)[:, None]
    color += around.seen(to_object.T @ mirrored) * share[:, None]
    color += _highlight(pixels, look, around, sun, paint * gloss, gloss * (1 - dirt), albedo)
    lit = glow * np.where(pixels.forward > 0, look.head, look.tail)
    color += pixels.first[:, :3] * (1.3 * lit)[:, None]
    return _through_air(color, pixels.depth, around)


def _irradiance(pixels: _Pixels, around: Surroundings, sun: np.ndarray, mesh: PosedMesh) -> np.ndarray:
    """(N, 3): what the albedo is multiplied by."""
    light = around.light
    up = pixels.normal[1]
    height = pixels.meters[1]
    sky = 1.0 + 0.18 * up
    # Near the ground less of the sky is seen.
    sky *= 1 - (0.42 - 0.20 * up) * np.exp(height * (-1 / 0.30))
    soft = float(np.clip(1 - light.shadow / 0.3, 0, 1)) * 0.5
    direct = np.clip((sun @ pixels.normal + soft) / (1 + soft), 0, None)
    sky_color = (np.asarray(light.sky_color) * light.ambient * 1.05).astype(np.float32)
    sun_color = (np.asarray(light.sun_color) * (1.12 - light.ambient)).astype(np.float32)
    return sky[:, None] * sky_color + direct[:, None] * sun_color


def _highlight(
    pixels: _Pixels,
    look: Look,
    around: Surroundings,
    sun: np.ndarray,
    painted: np.ndarray,
    gloss: np.ndarray,
    albedo: np.ndarray,
) -> np.ndarray:
    """The mirrored sun: small and white on clear coat, wide and coloured on metallic paint."""
    light = around.light
    half = pixels.view + sun[:, None]
    half /= np.sqrt(np.maximum((half * half).sum(axis=0), 1e-12))
    aligned = np.clip(np.einsum("cn,cn->n", pixels.normal, half), 0, 1)
    direct = min(light.shadow / 0.35, 1.2)
    sharp = (aligned**160) * gloss * (look.gloss**2 * 190 * direct)
    wide = (aligned**10) * painted * (0.38 * look.metallic * (0.4 + 0.6 * direct))
    return (sharp[:, None] + albedo * wide[:, None]) * np.asarray(light.sun_color, np.float32)


@cache
def _tile() -> np.ndarray:
    """A (256, 256, 2) tile of fine and coarse noise around 0, about one in size."""
    rng = np.random.default_rng(5)
    layers = []
    for sigma in (1.2, 14.0):
        tiles = np.tile(rng.normal(0, 1, (256, 256)).astype(np.float32), (3, 3))
        noise = cv2.GaussianBlur(tiles, (0, 0), sigma)[256:512, 256:512]
        layers.append(np.clip(noise / noise.std(), -2.5, 2.5))
    return np.ascontiguousarray(np.stack(layers, axis=-1))


def _grain_at(pixels: _Pixels, look: Look) -> tuple[np.ndarray, np.ndarray]:
    """Fine (2 cm) and coarse (30 cm) noise fixed to the object."""
    x, y, z = pixels.meters
    density = 42.0
    u = (x + 0.7 * z) * density + look.offset[0]
    v = (y + 0.45 * z) * density + look.offset[1]
    values = sampled(_tile(), u % 255, v % 255)
    return values[:, 0], values[:, 1]


def _dirt(pixels: _Pixels, look: Look, coarse: np.ndarray) -> np.ndarray:
    """Share of dust, most near the ground."""
    low = np.exp(pixels.meters[1] * (-1 / 0.35))
    return np.clip(look.dirt * (0.04 + 0.5 * low) * (1 + 0.3 * coarse), 0, 0.8)


def _see_through(
    color: np.ndarray, glass: np.ndarray, pixels: _Pixels, mesh: PosedMesh, around: Surroundings
) -> None:
    """Behind glass: the far windows, seats before them, and darkness below."""
    inside = np.nonzero(glass > 0.15)[0]
    if not len(inside):
        return
    stretch = mesh.scale / mesh.mesh.nominal
    x0, x1, y0, y1, half = (mesh.mesh.cabin * stretch[[0, 0, 1, 1, 2]]).tolist()
    x, y, z = pixels.meters[:, inside]
    dx, dy, dz = -pixels.view[:, inside]
    tiny = 1e-4
    t_x = np.where(dx > 0, x1 - x, x0 - x) / np.where(np.abs(dx) < tiny, tiny, dx)
    t_z = np.where(dz > 0, half - z, -half - z) / np.where(np.abs(dz) < tiny, tiny, dz)
    t = np.clip(np.minimum(np.abs(t_x), np.abs(t_z)), 0, 60)
    out = y + dy * t
    belt = y0 + 0.36 * (y1 - y0)
    through = np.clip((out - belt) / 0.06, 0, 1) * np.clip((y1 - 0.14 - out) / 0.06, 0, 1)
    # Seats stand in rows; a ray meets them half way to the other side.
    middle = np.where(np.abs(t_z) < np.abs(t_x), 0.5 * np.abs(t_z), np.minimum(np.abs(t_x) * 0.35, 0.9))
    sx, sy, sz = x + dx * middle, y + dy * middle, z + dz * middle
    row = np.abs(((sx - x1 + 1.15) / 0.95 + 0.5) % 1.0 - 0.5) < 0.22
    column = np.abs(np.abs(sz) - 0.52 * half) < 0.17
    lengthwise = np.abs(t_z) < np.abs(t_x)
    seat = np.where(lengthwise, row, column) & (sy < belt + 0.27) & (sx < x1 - 0.75)
    through *= np.where(seat, 0.10, 1.0)
    level = (np.asarray(around.light.sky_color) * around.light.ambient).astype(np.float32)
    bright = np.array([112.0, 112.0, 108.0], np.float32) * level
    dark = np.array([40.0, 37.0, 34.0], np.float32) * level
    seen = dark + (bright - dark) * (0.75 * through)[:, None]
    share = glass[inside, None]
    color[inside] = color[inside] * (1 - share) + seen * share


def _through_air(color: np.ndarray, depth: np.ndarray, around: Surroundings) -> np.ndarray:
    light = around.light
    haze = 1 - (1 - min(light.haze, 0.999)) ** (float(np.median(depth)) / 100.0)
    color += (np.asarray(light.haze_color, np.float32) - color) * np.float32(haze)
    return np.clip(color, 0, 255, out=color).astype(np.uint8)
