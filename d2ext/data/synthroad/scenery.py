"""Everything around the road users: sky, ground, road markings, houses, trees and lamps."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import cv2
import numpy as np

from d2ext.data.synthroad.geometry import clip_near
from d2ext.data.synthroad.objects import HAZE_COLOR
from d2ext.data.synthroad.raster import NEAR, SCALE, Canvas
from d2ext.data.synthroad.scene import Scene

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
    rng = np.random.default_rng(scene.scenery_seed)
    _draw_sky(canvas, scene, rng)
    _draw_ground(canvas, scene, rng)
    _draw_markings(canvas, scene)


def _ground_polygon(
    canvas: Canvas, scene: Scene, p: tuple[float, float], q: tuple[float, float], color: Sequence[float]
) -> None:
    """Fill the road-coordinate rectangle p x q on the ground."""
    points = scene.road_points(np.array([p[0], p[1], p[1], p[0]]), np.array([q[0], q[0], q[1], q[1]]))
    _, w = canvas.project(points)
    points = clip_near(points, w, NEAR)
    if len(points) >= 3:
        pixels, _ = canvas.project(points)
        canvas.paint(pixels, color)


def _draw_sky(canvas: Canvas, scene: Scene, rng: np.random.Generator) -> None:
    top = np.array([225.0, 178.0, 138.0]) + rng.normal(0, 12) + rng.normal(0, 4, 3)
    low = np.array([238.0, 228.0, 218.0]) + rng.normal(0, 6, 3)
    horizon, _ = canvas.project(scene.view.ground_point(0.0, FAR))
    rows = int(np.clip(_horizon_row(scene) * SCALE + 4, 1, canvas.color.shape[0]))
    ramp = np.clip(np.arange(rows) / max(float(horizon[1]), 1.0), 0, 1)[:, None]
    column = np.clip(top + (low - top) * ramp, 0, 255).astype(np.uint8)[:, None]
    canvas.color[:rows] = cv2.resize(column, (canvas.color.shape[1], rows), interpolation=cv2.INTER_NEAREST)
    # A far skyline of hills or woods closes the view.
    right = np.linspace(-FAR, FAR, 60)
    tops = 9 + np.cumsum(rng.normal(0, 1.3, 60))
    tops = np.clip(tops - tops.min() + 4, 4, 22)
    base = np.array([132.0, 150.0, 128.0]) + rng.normal(0, 8, 3)
    upper, _ = canvas.project(scene.view.ground_point(right, FAR, tops))
    lower, _ = canvas.project(scene.view.ground_point(right, FAR, 0.0))
    for i in range(59):
        canvas.paint(np.stack([upper[i], upper[i + 1], lower[i + 1], lower[i]]), base.tolist())


def _draw_ground(canvas: Canvas, scene: Scene, rng: np.random.Generator) -> None:
    road = scene.road
    grass = np.array([70.0, 122.0, 104.0]) + rng.normal(0, 8, 3)
    asphalt = np.full(3, rng.uniform(84, 116)) + rng.normal(0, 1.5, 3)
    pavement = np.full(3, rng.uniform(142, 172)) + np.array([-6.0, 0.0, 5.0])
    kerb = pavement * 1.14
    _ground_polygon(canvas, scene, (-FAR, FAR), (-10, FAR), grass.tolist())
    left, right, walk = road.left_edge, road.right_edge, road.sidewalk_width
    _ground_polygon(canvas, scene, (left - walk, right + walk), (-10, FAR), pavement.tolist())
    _ground_polygon(canvas, scene, (left - 0.2, right + 0.2), (-10, FAR), kerb.tolist())
    _ground_polygon(canvas, scene, (left, right), (-10, FAR), asphalt.tolist())
    if road.crossroad is not None:
        q0, q1 = road.crossroad
        for span in ((-FAR, left - walk), (right + walk, FAR)):
            _ground_polygon(canvas, scene, span, (q0 - walk, q1 + walk), pavement.tolist())
        _ground_polygon(canvas, scene, (-FAR, FAR), (q0, q1), asphalt.tolist())
    if road.parking_width:
        lighter = (asphalt * 1.10).tolist()
        for q0, q1 in _outside_crossroad(scene, -10, FAR):
            _ground_polygon(canvas, scene, (right - road.parking_width, right), (q0, q1), lighter)
            _ground_polygon(canvas, scene, (left, left + road.parking_width), (q0, q1), lighter)
    _texture(canvas, scene)


@cache
def _grain() -> np.ndarray:
    """A (512, 512) tile of smooth noise around 128, 16 pixels a metre."""
    rng = np.random.default_rng(7)
    fine = rng.normal(0, 1, (512, 512)).astype(np.float32)
    margin = 96
    padded = np.pad(fine, margin, mode="wrap")
    layers = [cv2.GaussianBlur(padded, (0, 0), s)[margin:-margin, margin:-margin] for s in (1.5, 5, 24)]
    total = sum(layer / layer.std() * weight for layer, weight in zip(layers, (2.0, 2.5, 4.5), strict=True))
    return np.clip(128 + total, 0, 255).astype(np.uint8)


def _texture(canvas: Canvas, scene: Scene) -> None:
    """Modulate the ground by smooth noise that lies on the plane."""
    height, width = canvas.color.shape[0] // SCALE, canvas.color.shape[1] // SCALE
    corners = scene.road_points(np.array([0.0, 1.0, 1.0, 0.0]), np.array([30.0, 30.0, 31.0, 31.0]))
    pixels, _ = scene.view.project(corners)
    tile = np.array([[0, 0], [16, 0], [16, 16], [0, 16]], np.float32) + np.array([0, 480], np.float32)
    matrix = cv2.getPerspectiveTransform(pixels.astype(np.float32), tile)
    horizon = int(np.clip(_horizon_row(scene) + 3, 0, height - 1))
    matrix = matrix @ np.array([[1, 0, 0], [0, 1, horizon], [0, 0, 1.0]])
    grain = cv2.warpPerspective(
        _grain(),
        matrix,
        (width, height - horizon),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_WRAP,
    )
    grain = cv2.resize(grain, (width * SCALE, (height - horizon) * SCALE), interpolation=cv2.INTER_LINEAR)
    ground = canvas.color[horizon * SCALE :]
    cv2.multiply(ground, cv2.merge([grain] * 3), dst=ground, scale=1 / 128)


def _horizon_row(scene: Scene) -> float:
    """The lowest image row of the horizon."""
    rows = scene.view.project(scene.view.ground_point(np.array([-FAR, FAR]), np.array([FAR, FAR])))[0][:, 1]
    return float(rows.max())


def _outside_crossroad(scene: Scene, q0: float, q1: float) -> list[tuple[float, float]]:
    if scene.road.crossroad is None:
        return [(q0, q1)]
    a, b = scene.road.crossroad
    return [(q0, a - 5.0), (b + 5.0, q1)]


def _draw_markings(canvas: Canvas, scene: Scene) -> None:
    road = scene.road
    lines = [(i * road.lane_width, True) for i in range(1, road.lanes_own)]
    lines += [(-i * road.lane_width, True) for i in range(1, road.lanes_oncoming)]
    lines += [(0.0, road.lanes_own + road.lanes_oncoming == 2)]
    lines += [(road.right_edge - road.parking_width - 0.12, False)]
    lines += [(road.left_edge + road.parking_width + 0.12, False)]
    for q0, q1 in _outside_crossroad(scene, -9.0, 160.0):
        for p, dashed in lines:
            starts = np.arange(q0, q1 - 3, 9.0) if dashed else [q0]
            length = 3.0 if dashed else q1 - q0
            for start in starts:
                _ground_polygon(canvas, scene, (p - 0.07, p + 0.07), (start, start + length), _MARKING)
    if road.crosswalk is not None:
        q = road.crosswalk
        for p in np.arange(road.left_edge + 0.4, road.right_edge - 0.5, 1.0):
            _ground_polygon(canvas, scene, (p, p + 0.5), (q - 1.6, q + 1.6), _MARKING)
        _ground_polygon(
            canvas, scene, (0.1, road.right_edge - road.parking_width), (q - 3.0, q - 2.6), _MARKING
        )


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
