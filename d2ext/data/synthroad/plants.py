"""Trees and bushes on upright planes, and the shadows that they and houses cast on the ground."""

from __future__ import annotations

import cv2
import numpy as np

from d2ext.data.synthroad import foliage
from d2ext.data.synthroad.ground import Ground
from d2ext.data.synthroad.panels import cross, draw_panel, seen
from d2ext.data.synthroad.raster import NEAR, Canvas
from d2ext.data.synthroad.scene import Scene
from d2ext.data.synthroad.standing import Neighbourhood, Plant

# A shadow is at most this many times as long as what casts it is high.
_LONGEST = 6.0


def _pictures(plant: Plant) -> list[np.ndarray]:
    if plant.kind == "bush":
        choices = foliage.bushes()
    elif plant.kind == "bare":
        choices = foliage.bare_trees()
    else:
        choices = foliage.trees(plant.kind, plant.autumn)
    return choices[plant.number % len(choices)]


def draw_plant(canvas: Canvas, scene: Scene, plant: Plant) -> None:
    """Turned to the camera, lit by sky and sun from where they are."""
    foot = scene.road_points(np.array(plant.p), np.array(plant.q))
    if not seen(canvas, foot + plant.tall / 2 * scene.up, plant.tall):
        return
    away = foot - scene.view.center
    away = away - (away @ scene.up) * scene.up
    right = cross(away, scene.up)
    right = right / np.linalg.norm(right)
    right = right if right @ scene.view.ground_axes[:, 0] > 0 else -right
    levels = _pictures(plant)
    width = plant.tall * levels[0].shape[1] / levels[0].shape[0]
    up = plant.tall * scene.up
    # The sun is drawn on the left of every picture; the mirrored plane has it on the right.
    flip = -1 if right @ scene.light.sun > 0 else 1
    half = flip * width / 2 * right
    corners = np.stack([foot - half, foot + half, foot + half + up, foot - half + up])
    light = scene.light
    front = max(float(-away @ light.sun) / float(np.linalg.norm(away)), -0.3)
    direct = (1.08 - light.ambient) * (0.62 + 0.45 * front)
    tone = (light.ambient * light.sky_color + direct * light.sun_color) * plant.tint * 0.95
    draw_panel(canvas, corners, levels, tone)


def cast_shadows(ground: Ground, around: Neighbourhood) -> None:
    """Darken `ground.light` where houses and plants keep the sun off."""
    scene = ground.scene
    rise = float(scene.light.sun @ scene.up)
    if scene.light.shadow <= 0 or rise <= 0.02 or not ground.light.size:
        return
    # Where the shadow of a point one metre up falls, from its foot.
    reach = scene.up - scene.light.sun / rise
    length = float(np.linalg.norm(reach))
    # Crowns are deep: below a high sun too, their shadow has some length.
    way = reach / length if length > 1e-6 else scene.view.ground_axes[:, 2]
    reach = way * float(np.clip(length, 0.35, _LONGEST))
    for house in around.houses:
        _shade_block(ground, house.p, house.q, house.tall + 0.5 * house.roof, reach)
    for plant in around.plants:
        _shade_plant(ground, plant, reach)
    ground.light[:] = cv2.GaussianBlur(ground.light, (0, 0), 1.0)


def _shade_block(
    ground: Ground, p: tuple[float, float], q: tuple[float, float], tall: float, reach: np.ndarray
) -> None:
    foot = ground.scene.road_points(np.array([p[0], p[1], p[1], p[0]]), np.array([q[0], q[0], q[1], q[1]]))
    points = np.concatenate([foot, foot + tall * reach])
    pixels, w = ground.scene.view.project(points)
    if w.min() < NEAR:
        points = points[w > NEAR]
        if len(points) < 3:
            return
        pixels, _ = ground.scene.view.project(points)
    if not _near_picture(ground, pixels):
        return
    hull = cv2.convexHull((pixels - [0, ground.top]).clip(-30000, 30000).astype(np.float32))
    cv2.fillConvexPoly(ground.light, np.rint(hull[:, 0] * 16).astype(np.int32), 0, cv2.LINE_AA, 4)


def _near_picture(ground: Ground, pixels: np.ndarray) -> bool:
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    return bool((high > 0).all() and (low < ground.size).all() and high[1] > ground.top)


def _shade_plant(ground: Ground, plant: Plant, reach: np.ndarray) -> None:
    scene = ground.scene
    foot = scene.road_points(np.array(plant.p), np.array(plant.q))
    across = cross(scene.up, reach)
    across = across / np.linalg.norm(across)
    levels = _pictures(plant)
    picture = levels[min(1, len(levels) - 1)]
    height, width = picture.shape[:2]
    half = plant.tall * width / height / 2 * across
    top = plant.tall * reach
    corners = np.stack([foot - half, foot + half, foot + half + top, foot - half + top])
    pixels, w = scene.view.project(corners)
    if w.min() < 1.0 or not _near_picture(ground, pixels):
        return
    low = np.maximum(np.floor(pixels.min(axis=0)), [0, ground.top]).astype(int)
    high = np.minimum(np.ceil(pixels.max(axis=0)) + 1, ground.size).astype(int)
    if (low >= high).any():
        return
    source = np.array([[0, height], [width, height], [width, 0], [0, 0]], np.float32)
    matrix = cv2.getPerspectiveTransform(source, (pixels - low).astype(np.float32))
    alpha = np.ascontiguousarray(picture[..., 3])
    shade = cv2.warpPerspective(alpha, matrix, tuple((high - low).tolist()), flags=cv2.INTER_LINEAR)
    part = ground.light[low[1] - ground.top : high[1] - ground.top, low[0] : high[0]]
    np.minimum(part, 255 - shade, out=part)
