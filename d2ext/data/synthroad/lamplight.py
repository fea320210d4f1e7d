"""Light in spots on the ground: below street lamps, mirrored where it is wet, and sun through leaves."""

from __future__ import annotations

import cv2
import numpy as np

from d2ext.data.synthroad import materials
from d2ext.data.synthroad.ground import Ground
from d2ext.data.synthroad.raster import SCALE
from d2ext.data.synthroad.setting import Setting
from d2ext.data.synthroad.standing import Neighbourhood

# Lamps are added up on every fourth pixel: their light is smooth.
_STEP = 4
_SIGNALS = np.array([[50.0, 40.0, 235.0], [60.0, 190.0, 240.0], [150.0, 220.0, 70.0]])


def cast_lamps(ground: Ground, around: Neighbourhood) -> None:
    """Fill `ground.glow`; a lamp's light falls off as that of a small source straight above the ground."""
    if not ground.lamps.any() or not ground.glow.size:
        return
    p, q = ground.p[::_STEP, ::_STEP], ground.q[::_STEP, ::_STEP]
    total = np.zeros_like(p)
    for post in around.posts:
        if post.kind == "lamp":
            wide = np.float32(1 / (0.9 * post.tall) ** 2)
            away = (p - np.float32(post.p - post.side)) ** 2 + (q - np.float32(post.q)) ** 2
            total += 1 / (1 + away * wide) ** 2
    size = (p.shape[1] * _STEP, p.shape[0] * _STEP)
    full = cv2.resize(np.clip(255 * total, 0, 255).astype(np.uint8), size, interpolation=cv2.INTER_LINEAR)
    ground.glow[:] = full[: ground.glow.shape[0], : ground.glow.shape[1]]


def dapple(ground: Ground, setting: Setting) -> None:
    """Sun through crowns that are out of the picture, in a band across or along the road."""
    light = ground.scene.light
    rng = np.random.default_rng([ground.scene.scenery_seed, 10])
    chance = {"avenue": 0.35, "wood": 0.6, "suburb": 0.25, "country": 0.2}.get(setting.place, 0.1)
    if light.shadow <= 0 or not ground.light.size or rng.random() > chance or setting.season == 2:
        return
    if rng.random() < 0.6:
        side, start = (1, -1)[rng.integers(2)], rng.uniform(-2, 6)
        inside = (side * ground.p - start) / 1.5
    else:
        start, length = rng.uniform(2, 30), rng.uniform(8, 40)
        inside = np.minimum(ground.q - start, start + length - ground.q) / 1.5
    leaves = materials.coarse().read(
        materials.DAPPLE, ground.p * 0.8 + 7, ground.q * 0.8 + np.float32(rng.uniform(0, 40)), ground.levels
    )
    cover = np.rint(255 * np.clip(inside + 0.5, 0, 1)).astype(np.uint8)
    np.minimum(ground.light, 255 - cv2.multiply(leaves, cover, scale=1 / 255), out=ground.light)


def draw_streaks(ground: Ground, around: Neighbourhood) -> None:
    """Mirror images of lamps and signals on a wet road, drawn out towards the camera."""
    scene = ground.scene
    strength = min(scene.light.lamps, 1.0) * scene.light.wet
    height, width = ground.glow.shape
    if strength < 0.1 or not ground.glow.size:
        return
    small = np.zeros((height // _STEP + 1, width // _STEP + 1, 3), np.float32)
    for post in around.posts:
        if post.kind not in ("lamp", "signal") or not 3 < post.q < 120:
            continue
        p = post.p - post.side * (1.2 if post.kind == "lamp" else 0.0)
        points = scene.road_points(
            np.full(2, p), np.full(2, post.q), np.array([-post.tall, -0.3 * post.tall])
        )
        pixels, w = scene.view.project(points)
        if w.min() < 1:
            continue
        color = ground.lamps * 220 if post.kind == "lamp" else _SIGNALS[post.seed % 3]
        a, b = np.clip((pixels - [0, ground.top]) / _STEP, -9999, 9999).astype(int).tolist()
        cv2.line(small, a, b, color.tolist(), max(int(0.35 * width / _STEP / w[0]), 1))
    if not small.any():
        return
    soft = cv2.GaussianBlur(small, (0, 0), sigmaX=0.8, sigmaY=0.02 * width / _STEP)
    size = (small.shape[1] * _STEP * SCALE, small.shape[0] * _STEP * SCALE)
    veil = cv2.resize(np.clip(soft * (0.8 * strength), 0, 255).astype(np.uint8), size)
    part = ground.canvas.color[ground.top * SCALE :]
    cv2.add(part, np.ascontiguousarray(veil[: part.shape[0], : part.shape[1]]), dst=part)
