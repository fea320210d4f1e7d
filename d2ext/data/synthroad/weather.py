"""Weather between the scene and the lens: haze and fog, rain, a car's own headlights, the sun's glare."""

from __future__ import annotations

import cv2
import numpy as np

from d2ext.data.synthroad.daylight import extinction
from d2ext.data.synthroad.geometry import View
from d2ext.data.synthroad.scene import Light
from d2ext.data.synthroad.sky import SKYLINE

# Cameras below this height ride in a car with headlights.
_CAR_HEIGHT = 3.0


def apply_weather(
    image: np.ndarray,
    inverse_depth: np.ndarray,
    view: View,
    light: Light,
    rng: np.random.Generator,
    drops: np.random.Generator | None = None,
) -> np.ndarray:
    """The picture through the air: haze before all but the sky and the far skyline, rain, glare.

    Args:
        image: (H, W, 3) BGR.
        inverse_depth: (H, W) 1 / metres along the optical axis of what stands on the ground, 0 elsewhere.
        view: the camera.
        light: of the scene.
        rng: places rain and glare.
        drops: places the drops of rain, where the rest must be as in other pictures; None: ``rng`` does.
    """
    near = np.maximum(inverse_depth, ground_inverse_depth(view)) / ray_lengths(view)
    if light.lamps > 0.5 and view.plane[3] < _CAR_HEIGHT:
        image = headlights(image, near, view, light.lamps * float(rng.uniform(0.2, 1.6)))
    if light.haze > 0:
        image = veil(image, transmission(near, light), light.haze_color)
    if light.rain > 0:
        image = rain(image, light, rng, drops)
    if light.shadow > 0.02 and light.lamps < 0.5 and rng.random() < 0.6:
        image = glare(image, inverse_depth, view, light, rng)
    return image


def ray_lengths(view: View) -> np.ndarray:
    """(H, W) metres of a pixel's ray per metre along the optical axis."""
    m = view.inverse_intrinsics.T @ view.inverse_intrinsics
    u = np.arange(view.width, dtype=np.float32)
    v = np.arange(view.height, dtype=np.float32)
    across = (m[0, 0] * u * u + 2 * m[0, 2] * u + m[2, 2]).astype(np.float32)
    down = (m[1, 1] * v * v + 2 * m[1, 2] * v).astype(np.float32)
    squared = down[:, None] + across[None]
    if abs(m[0, 1]) > 1e-12:
        squared += np.float32(2 * m[0, 1]) * v[:, None] * u[None]
    return cv2.sqrt(squared)


def ground_inverse_depth(view: View) -> np.ndarray:
    """(H, W) 1 / metres along the optical axis to the ground plane; negative above its horizon.

    On the plane n.X + d = 0 the point C + s r of the ray r = K^-1 (u, v, 1) has 1 / s = -n.r / (n.C + d),
    affine in u and v; s is its depth because r's is 1.
    """
    normal, offset = view.plane[:3], view.plane[3]
    a, b, c = -(normal @ view.inverse_intrinsics) / (normal @ view.center + offset)
    u = (a * np.arange(view.width)).astype(np.float32)
    v = (b * np.arange(view.height) + c).astype(np.float32)
    return v[:, None] + u[None]


def transmission(near: np.ndarray, light: Light) -> np.ndarray:
    """The share of light that air leaves, by 1 / metres (H, W); 1 for skyline and sky, which are drawn as
    they look through air."""
    distance = 1 / np.maximum(near, np.float32(1 / (2 * SKYLINE)))
    left = cv2.exp(distance * np.float32(-extinction(light)))
    return np.where(distance < SKYLINE, left, np.float32(1))


def veil(image: np.ndarray, left: np.ndarray, color: np.ndarray) -> np.ndarray:
    """`left` (H, W) of the image and the rest of a colour (3,)."""
    share = cv2.convertScaleAbs(left, alpha=255)
    added = np.rint((255 - np.arange(256)[:, None]) / 255 * color).astype(np.uint8)
    kept = cv2.merge([share] * 3)
    return cv2.add(cv2.multiply(image, kept, scale=1 / 255), cv2.LUT(kept, added[:, None]))


def headlights(image: np.ndarray, near: np.ndarray, view: View, strength: float) -> np.ndarray:
    """Light the road and what stands near ahead, as from the camera, by up to 1 + strength."""
    size = (view.width // 4, view.height // 4)
    nearness = np.maximum(cv2.resize(near, size, interpolation=cv2.INTER_AREA), 0)
    u = (np.arange(size[0]) + 0.5) * 4
    v = (np.arange(size[1]) + 0.5) * 4
    focal = float(view.projection[0, 0])
    horizon = float(view.projection[1, 2]) + focal * view.plane[2]
    across = np.exp(-(((u - view.projection[0, 2]) / (0.45 * focal)) ** 2))
    down = 1 / (1 + np.exp(-(v - horizon) / (0.02 * focal)))
    fall = np.minimum(9 * nearness, 1.0) ** 1.3
    gain = 1 + strength * fall * (0.15 + 0.85 * down[:, None]) * across[None]
    table = np.clip(gain * 48, 0, 255).astype(np.uint8)
    table = cv2.resize(table, (view.width, view.height), interpolation=cv2.INTER_LINEAR)
    return cv2.multiply(image, cv2.merge([table] * 3), scale=1 / 48)


def rain(
    image: np.ndarray, light: Light, rng: np.random.Generator, drops: np.random.Generator | None = None
) -> np.ndarray:
    """Streaks, most of them faint, all along one direction; ``drops`` places each, or ``rng`` does."""
    drops = drops or rng
    height, width = image.shape[:2]
    count = int(light.rain * rng.uniform(0.3, 1.0) * height * width / 600)
    slant = rng.normal(0, 0.12)
    reach = rng.uniform(0.015, 0.07) * height
    start = drops.uniform(-0.05, 1.0, (count, 2)) * [width, height]
    length = reach * drops.uniform(0.5, 1.5, (count, 1))
    direction = np.array([slant, 1.0]) + drops.normal(0, 0.03, (count, 2)) * [1, 0]
    lines = np.rint(np.stack([start, start + length * direction], axis=1) * 16).astype(np.int32)
    streaks = np.zeros((height, width), np.uint8)
    for part, level in zip(np.array_split(lines, 4), (25, 45, 70, 110), strict=True):
        cv2.polylines(streaks, list(part), False, level, 1, cv2.LINE_AA, shift=4)
    share = cv2.GaussianBlur(streaks, (0, 0), float(rng.uniform(0.5, 0.9))).astype(np.float32) / 255
    return veil(image, 1 - share, np.clip(light.haze_color * 1.1, 0, 255))


def glare(
    image: np.ndarray, inverse_depth: np.ndarray, view: View, light: Light, rng: np.random.Generator
) -> np.ndarray:
    """The sun's light in the lens: a veil about it, its disc, and ghosts through the picture's middle."""
    if light.sun[2] < 0.1:
        return image
    homogeneous = view.projection[:, :3] @ light.sun
    u, v = homogeneous[:2] / homogeneous[2]
    height, width = image.shape[:2]
    reach = 0.35 * width
    outside = float(np.hypot(u - np.clip(u, 0, width), v - np.clip(v, 0, height)))
    if outside > reach:
        return image
    strength = light.shadow * rng.uniform(0.5, 1.5) * (1 - outside / reach)
    inside = 0 <= u < width - 1 and 0 <= v < height - 1
    if inside and inverse_depth[int(v), int(u)] > 0:
        strength *= 0.3  # something stands before the sun
    x, y = np.arange(0, width, 8, dtype=np.float32), np.arange(0, height, 8, dtype=np.float32)
    squared = (y[:, None] - v) ** 2 + (x[None] - u) ** 2
    glow = 130 * np.exp(-squared / (0.3 * width) ** 2) + 240 * np.exp(-squared / (0.05 * width) ** 2)
    for at, size, level in zip(
        rng.uniform(0.3, 2.2, 3), rng.uniform(0.01, 0.05, 3), rng.uniform(0, 30, 3), strict=True
    ):
        x0, y0 = u + at * (width / 2 - u), v + at * (height / 2 - v)
        glow += level * ((y[:, None] - y0) ** 2 + (x[None] - x0) ** 2 < (size * width) ** 2)
    tint = np.clip(light.sun_color / max(light.sun_color.max(), 1e-6), 0.3, 1)
    added = np.clip(strength * glow[..., None] * tint, 0, 255).astype(np.uint8)
    return cv2.add(image, cv2.resize(added, (width, height), interpolation=cv2.INTER_LINEAR))
