"""The look of object pixels: one pass over what is seen of an object, vectorised.

Lambert's law under sun and sky, Schlick's approximation of Fresnel's law for what paint and glass mirror, a
Blinn-Phong highlight of the sun, grain and dirt fixed to the object, and what is seen through windows.
All vectors are (3, N) in the object's frame in metres: x forward, y up, z left; colours are (3, N), BGR.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from d2ext.data.synthroad.looks import Look, look_of
from d2ext.data.synthroad.pose import PosedMesh
from d2ext.data.synthroad.raster import SCALE, Canvas, Window, sampled
from d2ext.data.synthroad.surroundings import Surroundings

_DUST = (122.0, 128.0, 132.0)
# From so many pixels on, an object is shaded once for every image pixel rather than for every canvas pixel.
_LARGE = 5000


def shade_object(canvas: Canvas, mesh: PosedMesh, first: int, window: Window, around: Surroundings) -> None:
    """Colour the pixels in a window whose face number belongs to this object."""
    x0, y0, x1, y1 = window
    x0, y0 = x0 - x0 % SCALE, y0 - y0 % SCALE
    part = np.s_[y0:y1, x0:x1]
    number = canvas.faces[part]
    own = (number > first) & (number <= first + len(mesh.w))
    count = int(np.count_nonzero(own))
    if not count:
        return
    image = canvas.color[part]
    step = SCALE if count > _LARGE else 1
    todo = own
    if step > 1:
        # A block takes the colour of its first pixel; where that is not the object's, all are worked out.
        leads = own[::step, ::step]
        led = leads.repeat(step, axis=0).repeat(step, axis=1)[: own.shape[0], : own.shape[1]]
        todo = own & ~led
        todo[::step, ::step] = leads
    ys, xs = np.nonzero(todo)
    faces = number[ys, xs].astype(np.int64) - (first + 1)
    inverse = canvas.inverse_depth[part][ys, xs]
    spots = (xs + x0).astype(np.float32), (ys + y0).astype(np.float32)
    colors = _colors(_Pixels(canvas, mesh, faces, spots, inverse, step), mesh, around)
    if step > 1:
        grid = image[::step, ::step].copy()
        chosen = (ys % step == 0) & (xs % step == 0)
        grid[ys[chosen] // step, xs[chosen] // step] = colors[chosen]
        large = cv2.resize(grid, None, fx=step, fy=step, interpolation=cv2.INTER_NEAREST)
        np.copyto(image, large[: own.shape[0], : own.shape[1]], where=(own & led)[..., None])
    image[ys, xs] = colors


class _Pixels:
    """Per pixel: `meters` (3, N); normal, view (3, N), unit; atlas values first, second (4, N) in [0, 255];
    forward (N,): whether its face looks forward; low (N,): 1 at the ground, fading upwards."""

    def __init__(
        self,
        canvas: Canvas,
        mesh: PosedMesh,
        faces: np.ndarray,
        spots: tuple[np.ndarray, np.ndarray],
        inverse: np.ndarray,
        step: int,
    ) -> None:
        u, v = spots
        to_object = mesh.axes.T
        ray = (to_object @ canvas.rays).astype(np.float32)
        eye = (to_object @ (canvas.view.center - mesh.item.location)).astype(np.float32)
        direction = ray[:, :1] * u + ray[:, 1:2] * v + ray[:, 2:]
        self.meters = direction / inverse + eye[:, None]
        self.view = direction
        self.view *= -1.0 / _length(direction)
        self.depth = 1.0 / float(np.median(inverse))
        self.low = np.exp(self.meters[1] * np.float32(-1 / 0.32))
        rows = np.take(mesh.mesh.table, faces, axis=1)
        point = self.meters / mesh.scale.astype(np.float32)[:, None]
        self.normal = rows[0:3] + rows[3:6] * point[0] + rows[6:9] * point[1] + rows[9:12] * point[2]
        self.normal *= (mesh.mesh.nominal / mesh.scale).astype(np.float32)[:, None]
        self.normal /= _length(self.normal)
        self.forward = rows[20]
        self._sample(mesh, rows[12:20], point, canvas, step)

    def _sample(
        self, mesh: PosedMesh, rows: np.ndarray, point: np.ndarray, canvas: Canvas, step: int
    ) -> None:
        atlas = mesh.mesh.atlas
        focal = float(canvas.view.projection[1, 1]) * SCALE / step
        texels = atlas.density * float((mesh.mesh.nominal / mesh.scale).mean()) * self.depth / focal
        level = int(np.clip(np.rint(np.log2(max(texels, 1e-3))), 0, len(atlas.levels) - 1))
        scale = 1.0 / (1 << level)
        u, v = (
            (row[0] * point[0] + row[1] * point[1] + row[2] * point[2] + row[3] + 0.5) * scale - 0.5
            for row in (rows[:4], rows[4:])
        )
        first, second = atlas.levels[level]
        self.first, self.second = (_columns(sampled(image, u, v)) for image in (first, second))


def _length(vectors: np.ndarray) -> np.ndarray:
    """(3, N) -> (N,), never 0."""
    return np.sqrt(np.maximum((vectors * vectors).sum(axis=0), 1e-12))


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _columns(values: np.ndarray) -> np.ndarray:
    """(N, C) of any type -> (C, N) float32."""
    return np.ascontiguousarray(values.T, dtype=np.float32)


def _column(color: np.ndarray | tuple[float, ...]) -> np.ndarray:
    """A colour as (3, 1) float32."""
    return np.asarray(color, np.float32)[:, None]


def _colors(pixels: _Pixels, mesh: PosedMesh, around: Surroundings) -> np.ndarray:
    """(N, 3) uint8."""
    look = look_of(mesh.item, around.light.lamps)
    to_object = (mesh.axes.T @ around.to_ground.T).astype(np.float32)
    sun = to_object @ around.sun
    accent, gloss, glass, glow = pixels.second * np.float32(1 / 255)
    paint = pixels.first[3] * np.float32(1 / 255)
    albedo = pixels.first[:3] + paint * _column(look.paint) + accent * _column(look.accent)
    grain, coarse = _grain_at(pixels, look)
    dirt = np.clip(look.dirt * (0.04 + 0.5 * pixels.low) * (1 + 0.3 * coarse), 0, 0.8)
    albedo += (_column(_DUST) - albedo) * (dirt * (1 - 0.5 * glass))
    cloth = mesh.mesh.cloth
    albedo *= 1 + (0.015 + 0.05 * cloth) * grain + (0.008 + 0.04 * cloth) * coarse
    facing = np.clip(_dot(pixels.normal, pixels.view), 0.02, 1)
    mirrored = 2 * facing * pixels.normal - pixels.view
    share = _mirrored_share(facing, gloss, glass, look) * (1 - 0.7 * dirt)
    color = albedo * _irradiance(pixels, around, sun)
    if mesh.mesh.cabin is not None:
        _see_through(color, glass, pixels, mesh, around, look)
    # Lights add up in proportion to about the square of what a picture shows of them.
    color = np.sqrt(color * color * (1 - share) + _columns(around.seen(to_object.T @ mirrored)) ** 2 * share)
    color += _highlight(pixels, look, around, sun, (paint * gloss, gloss * (1 - dirt)), albedo)
    if glow.any():
        color += pixels.first[:3] * (1.3 * glow * np.where(pixels.forward > 0, look.head, look.tail))
    return np.clip(color, 0, 255, out=color).T.astype(np.uint8)


def _mirrored_share(facing: np.ndarray, gloss: np.ndarray, glass: np.ndarray, look: Look) -> np.ndarray:
    """How much of the surroundings a surface mirrors, in [0, 1]."""
    grazing = 1 - facing
    squared = grazing * grazing
    fresnel = 0.034 + 0.966 * squared * squared * grazing + 0.04 * glass
    # Paint seen at a slant would mirror nothing but sky; it keeps its colour, which has a name.
    fresnel = np.minimum(fresnel, 0.16 + 0.84 * glass)
    share = fresnel * gloss * (look.gloss + (0.9 - look.gloss) * glass)
    chrome = np.clip(gloss - 0.92, 0, 1) * (1 - glass) * 5.0
    return np.minimum(np.maximum(share, chrome), 1.0)


def _irradiance(pixels: _Pixels, around: Surroundings, sun: np.ndarray) -> np.ndarray:
    """(3, N): what the albedo is multiplied by."""
    light = around.light
    up = pixels.normal[1]
    # Near the ground less of the sky is seen.
    sky = (1.0 + 0.12 * up) * (1 - (0.42 - 0.20 * up) * pixels.low)
    soft = float(np.clip(1 - light.shadow / 0.3, 0, 1)) * 0.5
    direct = np.maximum((_dot(sun, pixels.normal) + soft) / (1 + soft), 0)
    sky_color = np.asarray(light.sky_color) * light.ambient * 1.05
    return sky * _column(sky_color) + direct * _column(np.asarray(light.sun_color) * (1.12 - light.ambient))


def _highlight(
    pixels: _Pixels,
    look: Look,
    around: Surroundings,
    sun: np.ndarray,
    shares: tuple[np.ndarray, np.ndarray],
    albedo: np.ndarray,
) -> np.ndarray:
    """The mirrored sun: small and white on clear coat, wide and coloured on metallic paint."""
    light = around.light
    half = pixels.view + sun[:, None]
    aligned = np.clip(_dot(pixels.normal, half) / _length(half), 0, 1)
    eighth = aligned**2
    eighth *= eighth
    eighth *= eighth
    sharp = eighth * eighth
    for _ in range(3):
        sharp *= sharp
    painted, gloss = shares
    direct = min(light.shadow / 0.35, 1.2)
    wide = eighth * painted * (0.38 * look.metallic * (0.4 + 0.6 * direct))
    return (sharp * gloss * (look.gloss**2 * 190 * direct) + albedo * wide) * _column(light.sun_color)


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


def _grain_at(pixels: _Pixels, look: Look) -> np.ndarray:
    """(2, N): fine (2 cm) and coarse (30 cm) noise fixed to the object."""
    x, y, z = pixels.meters
    density = 42.0
    u = (x + 0.7 * z) * density + float(look.offset[0])
    v = (y + 0.45 * z) * density + float(look.offset[1])
    return _columns(sampled(_tile(), u - 255 * np.floor(u / 255), v - 255 * np.floor(v / 255)))


def _see_through(
    color: np.ndarray,
    glass: np.ndarray,
    pixels: _Pixels,
    mesh: PosedMesh,
    around: Surroundings,
    look: Look,
) -> None:
    """Behind glass: the far windows, if it is clear, seats before them, and darkness below."""
    inside = np.nonzero(glass > 0.15)[0]
    if not len(inside) or mesh.mesh.cabin is None:
        return
    stretch = mesh.scale / mesh.mesh.nominal
    x0, x1, y0, y1, half = (mesh.mesh.cabin * stretch[[0, 0, 1, 1, 2]]).tolist()
    x, y, z = pixels.meters[:, inside]
    dx, dy, dz = -pixels.view[:, inside]
    tiny = 1e-4
    t_x = np.abs(np.where(dx > 0, x1 - x, x0 - x) / np.where(np.abs(dx) < tiny, tiny, dx))
    t_z = np.abs(np.where(dz > 0, half - z, -half - z) / np.where(np.abs(dz) < tiny, tiny, dz))
    out = y + dy * np.clip(np.minimum(t_x, t_z), 0, 60)
    belt = y0 + 0.36 * (y1 - y0)
    through = np.clip((out - belt) / 0.06, 0, 1) * np.clip((y1 - 0.14 - out) / 0.06, 0, 1)
    # Seats stand in rows; a ray meets them half way to the other side.
    crosswise = t_z < t_x
    middle = np.where(crosswise, 0.5 * t_z, np.minimum(t_x * 0.35, 0.9))
    sx, sy, sz = x + dx * middle, y + dy * middle, z + dz * middle
    row = np.abs(((sx - x1 + 1.15) / 0.95 + 0.5) % 1.0 - 0.5) < 0.22
    column = np.abs(np.abs(sz) - 0.52 * half) < 0.17
    seat = np.where(crosswise, row, column) & (sy < belt + 0.27) & (sx < x1 - 0.75)
    through *= np.where(seat, 0.1, 1.0) * look.clear
    level = np.asarray(around.light.sky_color) * around.light.ambient
    lit = look.inside * np.array([120.0, 160.0, 175.0])
    dark, bright = _column(level * (40, 37, 34) + 0.5 * lit), _column(level * (112, 112, 108) + lit)
    share = glass[inside]
    color[:, inside] = color[:, inside] * (1 - share) + (dark + (bright - dark) * through) * share
