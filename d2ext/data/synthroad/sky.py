"""The sky with its clouds, and the far skyline that closes the view."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from d2ext.data.synthroad.daylight import air, irradiance
from d2ext.data.synthroad.noise import fractal
from d2ext.data.synthroad.raster import SCALE, Canvas
from d2ext.data.synthroad.scene import Scene
from d2ext.data.synthroad.setting import Setting

# The sky is drawn at 1 / _STEP of the image's resolution: nothing in it is sharp.
_STEP = 4
# Metres to the nearer row of the skyline; nothing else is farther away.
SKYLINE = 420.0


@cache
def _clouds() -> np.ndarray:
    """(512, 512) float32 noise of mean 0 and deviation 1."""
    return fractal(512, 1.55, np.random.default_rng(73), 1)


def draw_sky(canvas: Canvas, scene: Scene, rows: int) -> None:
    """Fill the canvas down to an image row; the ground is painted over it."""
    if not rows:
        return
    rng = np.random.default_rng([scene.scenery_seed, 6])
    view, light = scene.view, scene.light
    height, width = -(-rows // _STEP), -(-view.width // _STEP)
    u = (np.arange(width) + 0.5) * _STEP - 0.5
    v = (np.arange(height) + 0.5) * _STEP - 0.5
    rays = view.inverse_intrinsics
    directions = (
        rays[:, 0] * u[None, :, None] + rays[:, 1] * v[:, None, None] + rays[:, 2]
    ) @ view.ground_axes
    length = np.linalg.norm(directions, axis=2)
    sine = np.clip(-directions[..., 1] / length, 0.0, 1.0).astype(np.float32)
    ramp = np.sqrt(np.clip(sine * rng.uniform(1.2, 2.2), 0, 1))[..., None]
    sky = light.horizon + (light.zenith - light.horizon) * ramp
    glow = np.clip((directions / length[..., None]) @ (view.ground_axes.T @ light.sun), 0, 1)[..., None] ** 24
    sky = sky + glow * light.sun_color * 60 * (light.shadow + 0.15)
    cover = _cover(scene, rng)
    if cover > 0:
        sky = _add_clouds(sky, directions, sine, cover, scene, rng)
    small = np.clip(sky, 0, 255).astype(np.uint8)
    size = (width * _STEP * SCALE, height * _STEP * SCALE)
    full = cv2.resize(small, size, interpolation=cv2.INTER_LINEAR)
    canvas.color[: rows * SCALE] = full[: rows * SCALE, : canvas.color.shape[1]]


def _cover(scene: Scene, rng: np.random.Generator) -> float:
    """Share of clouds: closed without cast shadows, else open or none."""
    if scene.light.shadow <= 0:
        return 1.0
    return float(rng.choice([0.0, rng.uniform(0.1, 0.6)], p=(0.4, 0.6)))


def _add_clouds(
    sky: np.ndarray,
    directions: np.ndarray,
    sine: np.ndarray,
    cover: float,
    scene: Scene,
    rng: np.random.Generator,
) -> np.ndarray:
    """Noise on a level sheet above the camera, fading into the horizon."""
    light = scene.light
    up = np.maximum(-directions[..., 1], 0.03)
    scale, shift = rng.uniform(60, 160), rng.uniform(0, 512, 2)
    x = (directions[..., 0] / up * scale + shift[0]).astype(np.int32) & 511
    y = (directions[..., 2] / up * scale + shift[1]).astype(np.int32) & 511
    noise = cv2.GaussianBlur(_clouds()[y, x], (0, 0), 1.2)
    share = np.clip((noise + 2.6 * cover - 1.3) / (1.2 - 0.5 * cover), 0, 1)
    share *= np.clip(sine * 9, 0.15, 1.0)
    base = light.horizon * (0.72 if cover == 1.0 else 1.04)
    body = base * (1 + 0.09 * noise[..., None] * (1.0 if cover == 1.0 else -0.6))
    return sky + (body - sky) * (share * (0.75 if cover == 1.0 else 0.9))[..., None]


def draw_skyline(canvas: Canvas, scene: Scene, setting: Setting) -> None:
    """Two far rows of hills, woods or roofs around the horizon."""
    rng = np.random.default_rng([scene.scenery_seed, 7])
    count = 400
    azimuth = np.linspace(-1.4, 1.4, count)
    urban = setting.place in ("street", "square", "works", "avenue")
    for radius, low, high in ((1500.0, 20.0, rng.uniform(30, 140)), (SKYLINE, 3.0, rng.uniform(9, 30))):
        tops = low + (high - low) * _ridge(count, rng)
        if urban and rng.random() < 0.75:
            tops = np.repeat(_roofs(0.45 * tops, high, rng)[:-1], 2)
        color = np.array([62.0, 84.0, 76.0]) if setting.season < 2 else np.array([86.0, 94.0, 102.0])
        if urban and rng.random() < 0.5:
            color = np.array([128.0, 128.0, 130.0])
        color = color * rng.uniform(0.4, 0.8) * irradiance(scene.up, scene.light)
        share = max(float(air(radius, scene.light)), 0.12 if radius > 1000 else 0.0)
        levels = np.arange(256)[:, None] / 128 * color
        table = np.clip(levels + (scene.light.haze_color - levels) * share, 0, 255).astype(np.uint8)[None]
        _draw_row(
            canvas,
            scene,
            radius,
            np.stack([azimuth if len(tops) == count else np.repeat(azimuth, 2)[1:-1], tops]),
            table,
            rng,
        )


def _ridge(count: int, rng: np.random.Generator) -> np.ndarray:
    """(count,) heights in [0, 1]: rolling, with the unrest of crowns."""
    line = np.cumsum(rng.normal(0, 1, count))
    line = np.convolve(np.pad(line, 6, mode="edge"), np.ones(13) / 13, mode="valid") + rng.normal(
        0, 0.35, count
    )
    return (line - line.min()) / max(float(np.ptp(line)), 1e-6)


def _roofs(tops: np.ndarray, high: float, rng: np.random.Generator) -> np.ndarray:
    """Blocks of different width that rise from a ridge (N,)."""
    tops = tops.copy()
    i = 0
    while i < len(tops) - 8:
        wide = int(rng.integers(2, 7))
        if rng.random() < 0.6:
            tops[i : i + wide] = high * rng.uniform(0.2, 1.0) ** 1.5
        i += wide + int(rng.integers(1, 5))
    return tops


def _draw_row(
    canvas: Canvas,
    scene: Scene,
    radius: float,
    line: np.ndarray,
    table: np.ndarray,
    rng: np.random.Generator,
) -> None:
    """A row at a radius in metres; line: (2, N) azimuth in radians, height in metres; table: colours."""
    azimuth, tops = line
    right, ahead = radius * np.sin(azimuth), radius * np.cos(azimuth)
    upper, w = canvas.project(scene.view.ground_point(right, ahead, tops))
    lower, _ = canvas.project(scene.view.ground_point(right, ahead, 0.0))
    upper, lower = upper[w > 1], lower[w > 1]
    if len(upper) < 2:
        return
    outline = np.concatenate([upper, lower[::-1]])
    height, width = canvas.color.shape[:2]
    y0, y1 = int(np.clip(upper[:, 1].min(), 0, height)), int(np.clip(lower[:, 1].max() + 1, 0, height))
    if y0 >= y1:
        return
    mask = np.zeros((y1 - y0, width), np.uint8)
    fixed = np.rint(np.clip(outline - [0, y0], -30000, 30000)).astype(np.int32)
    cv2.fillPoly(mask, [fixed], 255)
    noise = rng.integers(0, 512, 2)
    rows = (np.arange((y1 - y0 + 1) // SCALE) * 10 + noise[0]) & 511
    columns = (np.arange(width // SCALE) * 6 + noise[1]) & 511
    gain = cv2.LUT(_shades()[rows][:, columns], _contrast(radius))
    paint = cv2.resize(
        cv2.LUT(cv2.merge([gain] * 3), table), (width, len(rows) * SCALE), interpolation=cv2.INTER_NEAREST
    )
    cv2.copyTo(paint[: y1 - y0], mask, canvas.color[y0:y1])


@cache
def _shades() -> np.ndarray:
    """(512, 512) uint8 noise around 128, rougher than clouds."""
    return np.clip(128 + 26 * fractal(512, 0.8, np.random.default_rng(74), 2), 0, 255).astype(np.uint8)


def _contrast(radius: float) -> np.ndarray:
    return np.clip(128 + (np.arange(256) - 128) * min(1.0, 300 / radius), 0, 255).astype(np.uint8)
