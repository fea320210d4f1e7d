"""Sampling scenes: cameras, roads, light and road users that never touch one another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from d2ext.data.synthroad.geometry import View, plane_from_tilt
from d2ext.data.synthroad.light import sample_light
from d2ext.data.synthroad.models import SIZES
from d2ext.data.synthroad.palette import COLORS
from d2ext.data.synthroad.scene import Road, Scene, SceneObject
from d2ext.data.synthroad.sensor import sample_sensor


@dataclass(frozen=True)
class CameraKind:
    """How one camera's scenes are sampled. depth: z in metres; count, labelled: objects placed, labelled."""

    name: str
    width: int
    height: int
    depth: tuple[float, float]
    count: tuple[int, int]
    labelled: tuple[int, int]


CAR = CameraKind("car", 1242, 375, (5.0, 60.0), (4, 9), (3, 9))
POLE = CameraKind("pole", 960, 540, (15.0, 120.0), (8, 18), (6, 20))

# Least height in pixels of an object's 3D box in the picture.
MIN_BOX_HEIGHT = 13.0
_GAP = 0.5
_MAX_TRIES = 400

_VEHICLES = ("car", "van", "truck", "bus")
_VEHICLE_WEIGHTS = (0.62, 0.15, 0.13, 0.10)
_KINDS = ("own", "oncoming", "parked", "crossing", "sidewalk", "crosswalk", "cyclist")
_KIND_WEIGHTS = (0.27, 0.22, 0.16, 0.09, 0.12, 0.06, 0.08)


def sample_scene(kind: CameraKind, rng: np.random.Generator) -> Scene:
    """A random scene; its objects lie on the road, in the picture, apart from one another."""
    view = _car_view(rng) if kind is CAR else _pole_view(rng)
    road = _car_road(rng) if kind is CAR else _pole_road(rng)
    light = sample_light(view, rng)
    sensor = sample_sensor(light, view, rng)
    scene = Scene(view, road, light, int(rng.integers(2**31)), sensor=sensor)
    wanted = int(rng.integers(kind.count[0], kind.count[1] + 1))
    for _ in range(_MAX_TRIES):
        if len(scene.objects) == wanted:
            break
        item = _sample_object(kind, scene, rng)
        if item is not None and _fits(kind, scene, item):
            scene.objects.append(item)
    return scene


def _car_view(rng: np.random.Generator) -> View:
    focal = 721.5377 + rng.normal(0, 4)
    cx, cy = 609.5593 + rng.normal(0, 3), 172.854 + rng.normal(0, 3)
    projection = np.array([[focal, 0, cx, 44.85728], [0, focal, cy, 0.2163791], [0, 0, 1, 0.002745884]])
    pitch, roll = np.radians(np.clip(rng.normal(0, [0.25, 0.2]), -0.5, 0.5))
    return View(
        projection, plane_from_tilt(1.65 + rng.normal(0, 0.03), pitch, roll), CAR.width, CAR.height, False
    )


def _pole_view(rng: np.random.Generator) -> View:
    fx = rng.uniform(1100, 1400)
    fy = fx * rng.uniform(1.0, 1.06)
    cx, cy = 479.5 + rng.normal(0, 8), 269.5 + rng.normal(0, 6)
    projection = np.array([[fx, 0, cx, 0], [0, fy, cy, 0], [0, 0, 1, 0]])
    pitch, roll = np.radians(rng.uniform(8, 14)), np.radians(rng.uniform(-2, 2))
    return View(projection, plane_from_tilt(rng.uniform(6, 8), pitch, roll), POLE.width, POLE.height, True)


def _car_road(rng: np.random.Generator) -> Road:
    lane_width = rng.uniform(3.2, 3.6)
    own, oncoming = (int(n) for n in rng.integers(1, 3, 2))
    lane = int(rng.integers(own))
    offset = (lane + 0.5) * lane_width + rng.normal(0, 0.15)
    angle = np.radians(np.clip(rng.normal(0, 1.5), -4, 4))
    return _finish_road(rng, angle, offset, lane_width, (own, oncoming), (18, 45))


def _pole_road(rng: np.random.Generator) -> Road:
    lane_width = rng.uniform(3.3, 3.7)
    own, oncoming = (int(n) for n in rng.integers(2, 4, 2))
    angle = np.radians(rng.uniform(-12, 12))
    # The camera stands over the road or its edge and looks at the centre line some 45 m ahead.
    edge = min(own, oncoming) * lane_width
    offset = np.clip(rng.uniform(-4, 4) + 45 * np.tan(angle), -edge, edge)
    return _finish_road(rng, angle, float(offset), lane_width, (own, oncoming), (35, 85))


def _finish_road(
    rng: np.random.Generator,
    angle: float,
    offset: float,
    lane_width: float,
    lanes: tuple[int, int],
    crossing: tuple[float, float],
) -> Road:
    parking = 2.3 if rng.random() < 0.6 else 0.0
    sidewalk = rng.uniform(2.2, 3.4)
    q = rng.uniform(*crossing)
    choice = rng.random()
    crosswalk = q if choice < 0.6 else None
    crossroad = (q + 3.0, q + 3.0 + rng.uniform(7, 9)) if choice < 0.42 else None
    return Road(angle, offset, lane_width, *lanes, parking, sidewalk, crosswalk, crossroad)


def _sample_object(kind: CameraKind, scene: Scene, rng: np.random.Generator) -> SceneObject | None:
    """One road user somewhere it belongs; None where this road has no such place."""
    road = scene.road
    place = _KINDS[rng.choice(len(_KINDS), p=_KIND_WEIGHTS)]
    near, far = kind.depth
    q = float(np.exp(rng.uniform(np.log(near), np.log(far))))
    side = 1 if rng.random() < 0.5 else -1
    edge = road.right_edge if side > 0 else road.left_edge
    heading = (0.0, float(side))
    if place in ("own", "oncoming"):
        side = 1 if place == "own" else -1
        lanes = road.lanes_own if side > 0 else road.lanes_oncoming
        p = side * (rng.integers(lanes) + 0.5) * road.lane_width + rng.normal(0, 0.15)
        heading = (0.0, float(side))
    elif place == "parked":
        if not road.parking_width:
            return None
        p = edge - side * (road.parking_width / 2 + rng.normal(0, 0.08))
    elif place == "crossing":
        if road.crossroad is None:
            return None
        p = road.offset + rng.uniform(-0.45, 0.45) * road.crossroad[0]
        middle, quarter = sum(road.crossroad) / 2, (road.crossroad[1] - road.crossroad[0]) / 4
        q = middle - side * quarter
        heading = (float(side), 0.0)
    elif place == "sidewalk":
        p = edge + side * rng.uniform(0.5, road.sidewalk_width - 0.5)
        heading = (0.0, 1.0 if rng.random() < 0.5 else -1.0)
    elif place == "crosswalk":
        if road.crosswalk is None:
            return None
        p, q = rng.uniform(road.left_edge, road.right_edge), road.crosswalk + rng.uniform(-1.2, 1.2)
        heading = (float(side), 0.0)
    else:
        p = edge - side * (road.parking_width + rng.uniform(0.6, 1.0))
    category = _category_at(place, rng)
    if place in ("parked",) and category in ("truck", "bus"):
        return None
    return _make_object(scene, category, (float(p), q), heading, rng)


def _category_at(place: str, rng: np.random.Generator) -> str:
    if place in ("sidewalk", "crosswalk"):
        return "pedestrian"
    if place == "cyclist":
        return "cyclist"
    return str(rng.choice(_VEHICLES, p=_VEHICLE_WEIGHTS))


def _make_object(
    scene: Scene,
    category: str,
    where: tuple[float, float],
    heading: tuple[float, float],
    rng: np.random.Generator,
) -> SceneObject:
    view, road = scene.view, scene.road
    location = scene.road_points(np.array(where[0]), np.array(where[1]))
    tip = np.array(road.to_plane(where[0] + heading[0], where[1] + heading[1]))
    direction = tip - np.array(road.to_plane(*where))
    spread = 8.0 if category == "pedestrian" else 2.0
    yaw = view.yaw_of(*direction) + float(np.radians(np.clip(rng.normal(0, spread), -2 * spread, 2 * spread)))
    yaw = float(np.arctan2(np.sin(yaw), np.cos(yaw)))
    # Labels are written with two decimals in KITTI's format: draw exactly what is written.
    yaw, location = round(yaw, 2), np.round(location, 2) if not view.tilted_boxes else location
    size = SIZES[category].sample(rng)
    color = COLORS[rng.integers(len(COLORS))]
    return SceneObject(category, color, size, location, yaw, view.box_corners(location, size, yaw))


def _fits(kind: CameraKind, scene: Scene, item: SceneObject) -> bool:
    """Whether the object is in range, well in the picture, and apart from the others."""
    _, w = scene.view.project(item.corners)
    if w.min() < 1.5 or not kind.depth[0] <= item.location[2] <= kind.depth[1]:
        return False
    whole, clipped = scene.view.box_rectangle(item.corners)
    area = (whole[2] - whole[0]) * (whole[3] - whole[1])
    shown = (clipped[2] - clipped[0]) * (clipped[3] - clipped[1])
    if shown < 0.5 * area or clipped[3] - clipped[1] < MIN_BOX_HEIGHT:
        return False
    if any(_too_close(item, other) for other in scene.objects):
        return False
    return not _mostly_covered(scene, item, clipped)


def _too_close(a: SceneObject, b: SceneObject) -> bool:
    """Separating axes of the two footprints, with a gap."""
    first, second = a.corners[:4], b.corners[:4]
    for axis in (first[1] - first[0], first[2] - first[1], second[1] - second[0], second[2] - second[1]):
        axis = axis / np.linalg.norm(axis)
        low, high = first @ axis, second @ axis
        if low.max() + _GAP < high.min() or high.max() + _GAP < low.min():
            return False
    return True


def _mostly_covered(scene: Scene, item: SceneObject, box: np.ndarray) -> bool:
    """Whether one rectangle hides most of another, whichever of the two is farther away."""
    for other in scene.objects:
        _, rival = scene.view.box_rectangle(other.corners)
        far, near = (box, rival) if other.location[2] < item.location[2] else (rival, box)
        overlap = np.minimum(far[2:], near[2:]) - np.maximum(far[:2], near[:2])
        if (overlap > 0).all() and overlap.prod() > 0.75 * (far[2:] - far[:2]).prod():
            return True
    return False
