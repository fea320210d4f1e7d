"""Sampling scenes: cameras, roads, light and road users that never touch one another."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import cv2
import numpy as np

from d2ext.data.synthroad.cameras import CAR as CAR
from d2ext.data.synthroad.cameras import POLE as POLE
from d2ext.data.synthroad.cameras import CameraKind
from d2ext.data.synthroad.light import sample_light
from d2ext.data.synthroad.models import DISTRACTOR, SHAPES
from d2ext.data.synthroad.placing import Site, Spot, distractor_spot, spots
from d2ext.data.synthroad.roads import sample_road
from d2ext.data.synthroad.scene import Scene, SceneObject
from d2ext.data.synthroad.sensor import sample_sensor

# Least height in pixels of an object's 3D box in the picture.
MIN_BOX_HEIGHT = 13.0
# Metres between footprints: of vehicles, and where one of the two is small.
_GAP, _SMALL_GAP = 0.4, 0.12
_SMALL = 1.2  # metres of the longer side
_MAX_SPOTS = 600
# Least share of a box's outline that nearer ones leave to be seen, and the cells that it is counted in.
_MIN_SHOWN = 0.25
_CELL = 3

#: Classes of the datasets whose boxes are level (KITTI, Mono3DRefer); roadside ones have all.
LEVEL_CLASSES = frozenset(
    ("car", "van", "truck", "bus", "tram", "pedestrian", "person_sitting", "cyclist", "motorcyclist")
)


def sample_scene(kind: CameraKind, rng: np.random.Generator) -> Scene:
    """A random scene; its objects lie on the road, in the picture, apart from one another."""
    view = kind.sample_view(rng)
    road = sample_road(kind, view, rng)
    light = sample_light(view, rng)
    sensor = sample_sensor(light, view, rng)
    scene = Scene(view, road, light, int(rng.integers(2**31)), sensor=sensor)
    low, high = kind.count
    wanted = low + int((high - low + 1) * rng.random() ** 1.25)
    site = _site(kind, scene)
    crowd = Crowd(kind, scene)
    for spot in islice(spots(site, rng), _MAX_SPOTS):
        if len(scene.objects) == wanted:
            break
        if crowd.may_stand(spot) and crowd.admit(item := make_object(scene, spot, rng)):
            scene.objects.append(item)
    scene.objects[:] = _shown(scene)
    for _ in range(rng.poisson(1.2)):
        spot = distractor_spot(site, rng)
        if crowd.may_stand(spot) and crowd.admit(item := make_object(scene, spot, rng)):
            scene.distractors.append(item)
    return scene


def _site(kind: CameraKind, scene: Scene) -> Site:
    """What of the road is in the picture and large enough there."""
    view = scene.view
    column = view.projection[0, 2]
    rays = np.array([[column, view.height - 1, 1], [column, 0, 1]]) @ view.inverse_intrinsics.T
    down = rays @ -view.plane[:3]
    ahead = np.where(down > 1e-6, (rays @ view.ground_axes)[:, 2] * view.plane[3] / np.abs(down), np.inf)
    largest = view.projection[1, 1] * 1.7 / MIN_BOX_HEIGHT
    near = max(0.85 * float(ahead[0]), 0.5 * kind.depth[0])
    far = min(float(ahead[1]), kind.depth[1] * 1.05, largest)
    spread = view.width / 2 / view.projection[0, 0]
    return Site(scene.road, near, max(far, near * 1.5), float(spread), classes_of(kind), kind.driving)


def classes_of(kind: CameraKind) -> frozenset[str]:
    """What may stand in the pictures of a camera, by the datasets that they are written like."""
    return LEVEL_CLASSES if kind.level else frozenset(SHAPES)


def make_object(scene: Scene, spot: Spot, rng: np.random.Generator) -> SceneObject:
    """What stands at a spot, turned a little at random."""
    view, road, model = scene.view, scene.road, spot.model
    location = scene.road_points(np.array(spot.p), np.array(spot.q))
    tip = np.array(road.to_plane(spot.p + spot.heading[0], spot.q + spot.heading[1]))
    direction = tip - np.array(road.to_plane(spot.p, spot.q))
    turn = float(np.radians(spot.turn * np.clip(rng.normal(), -2, 2)))
    yaw = view.yaw_of(*direction) + turn
    yaw = float(np.arctan2(np.sin(yaw), np.cos(yaw)))
    # Labels are written with two decimals in KITTI's format: draw exactly what is written.
    yaw, location = round(yaw, 2), np.round(location, 2) if not view.tilted_boxes else location
    corners = view.box_corners(location, model.size, yaw)
    seed = int(rng.integers(2**31))
    return SceneObject(model.category, model.color, model.size, location, yaw, corners, model.shape, seed)


class Crowd:
    """The objects of a scene so far, as arrays: who stands where on the ground and in the picture."""

    def __init__(self, kind: CameraKind, scene: Scene) -> None:
        self.kind, self.scene = kind, scene
        self.footprints = np.empty((0, 4, 2))
        self.boxes = np.empty((0, 4))
        self.depths = np.empty(0)

    def may_stand(self, spot: Spot) -> bool:
        """Whether the spot is in the picture or near it, and not in a part of the road that is closed."""
        works = self.scene.road.works
        if works and not spot.inside and works[0] - 0.8 < spot.p < works[1] + 0.8:
            half = spot.model.size[2] / 2
            if works[2] - 1 - half < spot.q < works[3] + half:
                return False
        view = self.scene.view
        (u, v), w = view.project(self.scene.road_points(np.array(spot.p), np.array(spot.q)))
        return bool(w > 1 and -0.3 < u / view.width < 1.3 and -0.1 < v / view.height < 1.6)

    def admit(self, item: SceneObject) -> bool:
        """Take the object in if it is in range, well in the picture, apart from the others and not hidden."""
        view, (near, far) = self.scene.view, self.kind.depth
        _, w = view.project(item.corners)
        if w.min() < 1.5 or not near <= item.location[2] <= far:
            return False
        whole, box = view.box_rectangle(item.corners)
        least = 4.0 if item.category == DISTRACTOR else MIN_BOX_HEIGHT
        if _area(box) < 0.3 * _area(whole) or box[3] - box[1] < least:
            return False
        footprint = (item.corners[:4] @ view.ground_axes)[:, [0, 2]]
        if self._touches(footprint) or self._mostly_covered(box, item.location[2]):
            return False
        self.footprints = np.concatenate([self.footprints, footprint[None]])
        self.boxes = np.concatenate([self.boxes, box[None]])
        self.depths = np.append(self.depths, item.location[2])
        return True

    def _touches(self, footprint: np.ndarray) -> bool:
        """Separating axes of two footprints, with a gap, against all others at once."""
        others = self.footprints
        sides = np.concatenate([others, np.broadcast_to(footprint, others.shape)], axis=1)
        axes = np.stack([sides[:, i + 1] - sides[:, i] for i in (0, 1, 4, 5)], axis=1)
        lengths = np.linalg.norm(axes, axis=2, keepdims=True)
        axes = axes / lengths
        mine = np.einsum("kc,nac->nak", footprint, axes)
        theirs = np.einsum("nkc,nac->nak", others, axes)
        apart = np.maximum(mine.min(2) - theirs.max(2), theirs.min(2) - mine.max(2)).max(1)
        small = np.minimum(lengths[:, :2].max((1, 2)), lengths[:, 2:].max((1, 2))) < _SMALL
        return bool((apart < np.where(small, _SMALL_GAP, _GAP)).any())

    def _mostly_covered(self, box: np.ndarray, depth: float) -> bool:
        """Whether one rectangle hides most of another, whichever of the two is farther away."""
        overlap = np.minimum(box[2:], self.boxes[:, 2:]) - np.maximum(box[:2], self.boxes[:, :2])
        shared = np.clip(overlap, 0, None).prod(1)
        hidden = np.where(self.depths < depth, _area(box), _area(self.boxes))
        return bool((shared > 0.8 * hidden).any())


def _area(boxes: np.ndarray) -> np.ndarray:
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def _shown(scene: Scene) -> list[SceneObject]:
    """The objects without those that others together hide, by the outlines of their boxes."""
    view = scene.view
    items = sorted(scene.objects, key=lambda item: -item.location[2])
    hulls = [cv2.convexHull(np.rint(view.project(i.corners)[0] / _CELL).astype(np.int32)) for i in items]
    while items:
        seen, whole = _count_cells(hulls, (view.height // _CELL + 1, view.width // _CELL + 1))
        worst = int(np.argmin(seen / whole))
        if seen[worst] >= _MIN_SHOWN * whole[worst]:
            break
        del items[worst], hulls[worst]
    kept = {id(item) for item in items}
    return [item for item in scene.objects if id(item) in kept]


def _count_cells(hulls: Sequence[np.ndarray], shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Cells of each outline that later ones leave, and its cells alone; at least one."""
    ids = np.zeros(shape, np.uint8)
    whole = []
    for i, hull in enumerate(hulls):
        alone = np.zeros(shape, np.uint8)
        cv2.fillConvexPoly(alone, hull, 1)
        whole.append(max(int(alone.sum()), 1))
        ids[alone > 0] = i + 1
    seen = np.bincount(ids.ravel(), minlength=len(hulls) + 1)[1:]
    return seen, np.array(whole)
