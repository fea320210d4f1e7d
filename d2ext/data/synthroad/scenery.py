"""Everything around the road users: sky, ground, road markings, houses, trees and lamps."""

from __future__ import annotations

import cv2
import numpy as np

from d2ext.data.synthroad.geometry import clip_near
from d2ext.data.synthroad.ground import Ground, finish
from d2ext.data.synthroad.markings import draw_markings
from d2ext.data.synthroad.objects import HAZE_COLOR
from d2ext.data.synthroad.raster import NEAR, Canvas
from d2ext.data.synthroad.scene import Scene
from d2ext.data.synthroad.setting import lane_profile, make_setting
from d2ext.data.synthroad.sky import draw_sky, draw_skyline
from d2ext.data.synthroad.surfaces import draw_surfaces

FAR = 420.0
_MARKING = (214, 218, 220)
_WALLS = (
    (150, 178, 200),
    (120, 140, 176),
    (176, 188, 196),
    (160, 160, 150),
    (126, 152, 190),
    (190, 204, 214),
)


def draw_background(canvas: Canvas, scene: Scene) -> None:
    """Sky, far skyline and ground; no depth is written, objects always lie in front."""
    setting = make_setting(scene)
    draw_sky(canvas, scene)
    ground = Ground(canvas, scene)
    draw_surfaces(ground, setting)
    draw_markings(ground, setting)
    finish(ground, lane_profile(scene, setting), np.random.default_rng([scene.scenery_seed, 8]))
    draw_skyline(canvas, scene, setting)


def draw_scenery(canvas: Canvas, scene: Scene) -> None:
    """Houses, trees and lamps along both sides, with depth."""
    rng = np.random.default_rng([scene.scenery_seed, 1])
    road = scene.road
    for side in (-1, 1):
        kerb = road.right_edge if side > 0 else -road.left_edge
        front = kerb + road.sidewalk_width
        setback = rng.uniform(2.0, 7.0)
        q = rng.uniform(-6, 4)
        while q < 150:
            width = rng.uniform(9, 20)
            depth = rng.uniform(8, 12)
            tall = rng.uniform(5, 15)
            wall = np.array(_WALLS[rng.integers(len(_WALLS))]) + rng.normal(0, 7, 3)
            if rng.random() < 0.7 and not road.crosses(q - 3, q + width + 3):
                start = front + setback
                _draw_house(canvas, scene, (side * start, side * (start + depth)), (q, q + width), tall, wall)
            q += width + rng.uniform(0.5, 9)
        for q in np.arange(rng.uniform(2, 10), 130, rng.uniform(11, 18)):
            where = (side * (front + rng.uniform(0.5, 1.5)), q + rng.uniform(-2, 2))
            if road.crosses(where[1] - 3, where[1] + 3):
                continue
            if rng.random() < 0.35:
                _draw_lamp(canvas, scene, where, side)
            else:
                _draw_tree(canvas, scene, where, rng)


def _draw_house(
    canvas: Canvas,
    scene: Scene,
    p: tuple[float, float],
    q: tuple[float, float],
    tall: float,
    wall: np.ndarray,
) -> None:
    """A block with window rows; only the walls towards the camera and the roof edge matter."""
    walls = [((p[0], q[0]), (p[0], q[1])), ((p[0], q[0]), (p[1], q[0])), ((p[0], q[1]), (p[1], q[1]))]
    for start, end in walls:
        ps, qs = np.array([start[0], end[0]]), np.array([start[1], end[1]])
        corners = scene.road_points(ps[[0, 1, 1, 0]], qs[[0, 1, 1, 0]], np.array([0, 0, tall, tall]))
        length = float(np.hypot(ps[1] - ps[0], qs[1] - qs[0]))
        _draw_wall(canvas, scene, corners, (length, tall), wall)
    roof = scene.road_points(np.array([p[0], p[1], p[1], p[0]]), np.array([q[0], q[0], q[1], q[1]]), tall)
    _draw_wall(canvas, scene, roof, (0.0, 0.0), np.array([92.0, 96.0, 118.0]))


def _draw_wall(
    canvas: Canvas, scene: Scene, corners: np.ndarray, extent: tuple[float, float], color: np.ndarray
) -> None:
    normal = np.cross(corners[1] - corners[0], corners[3] - corners[0])
    normal /= np.linalg.norm(normal)
    if normal @ (corners[0] - scene.view.center) > 0:
        normal = -normal
    _, w = canvas.project(corners)
    outline = clip_near(corners, w, NEAR)
    if len(outline) < 3:
        return
    light = scene.light
    haze = float(np.clip(light.haze * np.clip(w, 0, 200).mean() / 100, 0, 0.4))
    value = light.ambient + (1.08 - light.ambient) * max(float(normal @ light.sun), 0.0)

    def tone(paint: np.ndarray) -> list[float]:
        shaded = np.clip(paint * value, 0, 255)
        return (shaded + (HAZE_COLOR - shaded) * haze).tolist()

    windows = []
    if extent[0] > 0 and w.min() < 90:
        windows = _windows(canvas, corners, extent, tone(np.array([88.0, 72.0, 60.0])))
    plane = canvas.depth_planes(normal[None], corners[:1])[0]
    pixels, _ = canvas.project(outline)
    canvas.face(pixels, plane, tone(color), windows)


def _windows(canvas: Canvas, corners: np.ndarray, extent: tuple[float, float], color: list[float]) -> list:
    columns, rows = max(int(extent[0] / 3.0), 1), max(int(extent[1] / 3.0), 1)
    u = (np.arange(columns)[:, None, None] + np.array([0.28, 0.72, 0.72, 0.28])) / columns
    v = (np.arange(rows)[None, :, None] + np.array([0.32, 0.32, 0.80, 0.80])) / rows
    u, v = np.broadcast_arrays(u, v)
    u, v = u.reshape(-1, 4, 1), v.reshape(-1, 4, 1)
    points = corners[0] + u * (corners[1] - corners[0]) + v * (corners[3] - corners[0])
    pixels, w = canvas.project(points)
    return [(quad, color) for quad, near in zip(pixels, w.min(axis=1), strict=True) if near > NEAR]


def _upright(
    canvas: Canvas, scene: Scene, center: np.ndarray, polygons: list[tuple[np.ndarray, np.ndarray]]
) -> None:
    """Draw camera-facing polygons, each (K, 2) metres right of and above `center`, with its colour."""
    right, up = scene.view.ground_axes[:, 0], scene.up
    normal = np.cross(right, up)
    plane = canvas.depth_planes(normal[None], center[None])[0]
    for outline, color in polygons:
        pixels, w = canvas.project(center + outline[:, :1] * right + outline[:, 1:] * up)
        if w.min() > 1.5:
            canvas.face(pixels, plane, color.tolist())
            # A later polygon of the same tree must win against the equal depth of an earlier one.
            plane = plane * np.float32(1.0005)


def _draw_tree(canvas: Canvas, scene: Scene, where: tuple[float, float], rng: np.random.Generator) -> None:
    center = scene.road_points(np.array(where[0]), np.array(where[1]))
    trunk, crown = rng.uniform(1.8, 2.8), rng.uniform(1.2, 2.2)
    value = scene.light.ambient + 0.25
    half = 0.12 + 0.03 * crown
    wood = np.array([52.0, 70.0, 92.0]) * value
    polygons = [(np.array([[-half, 0], [half, 0], [half, trunk + 0.5], [-half, trunk + 0.5]]), wood)]
    leaf = np.array([44.0, 104.0, 72.0]) + rng.normal(0, 10, 3)
    angles = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    for i in range(5):
        radius = crown * rng.uniform(0.5, 0.85)
        middle = np.array([rng.normal(0, 0.35) * crown, trunk + crown * (0.55 + 0.28 * i)])
        wobble = radius * rng.uniform(0.88, 1.0, 12)
        outline = middle + np.stack([np.cos(angles), np.sin(angles)], axis=1) * wobble[:, None]
        outline = cv2.convexHull(outline.astype(np.float32))[:, 0].astype(float)
        polygons.append((outline, np.clip(leaf * value * (0.78 + 0.09 * i), 0, 255)))
    _upright(canvas, scene, center, polygons)


def _draw_lamp(canvas: Canvas, scene: Scene, where: tuple[float, float], side: int) -> None:
    center = scene.road_points(np.array(where[0]), np.array(where[1]))
    steel = np.array([112.0, 108.0, 104.0]) * (scene.light.ambient + 0.15)
    pole = np.array([[-0.06, 0], [0.06, 0], [0.05, 6.5], [-0.05, 6.5]])
    x0, x1 = (-1.6, 0.06) if side > 0 else (-0.06, 1.6)
    arm = np.array([[x0, 6.45], [x1, 6.45], [x1, 6.55], [x0, 6.55]])
    _upright(canvas, scene, center, [(pole, steel), (arm, steel)])
