"""Road users rendered onto a picture of an empty road: labelled data for the camera that took it.

The idea is that of SGV3D (L. Yang et al., "SGV3D: Towards Scenario Generalization for Vision-based Roadside
3D Object Detection", 2024), whose foreground objects are cut out of photographs; these are rendered. The
picture is best a median over a video. Nothing in it is known to stand in front of the ground, so nothing
hides an object but another one. Boxes stand on the ground plane.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice

import cv2
import numpy as np

from d2ext.data.formats.kitti import read_calib, read_ground
from d2ext.data.image_io import read_image
from d2ext.data.synthroad.cameras import CameraKind
from d2ext.data.synthroad.geometry import View
from d2ext.data.synthroad.labels import Frame, make_frame
from d2ext.data.synthroad.layout import Crowd, classes_of, make_object
from d2ext.data.synthroad.matching import Match, match_picture
from d2ext.data.synthroad.objects import draw_objects, draw_shadows
from d2ext.data.synthroad.placing import TRAFFIC, Site, Spot
from d2ext.data.synthroad.raster import SCALE, Canvas
from d2ext.data.synthroad.render import Rendering
from d2ext.data.synthroad.scene import Light, Road, Scene

_NEAR, _FAR = 3.0, 150.0
_STRAIGHT = 80.0  # metres ahead that a road which is not known is taken to be straight
_LANE = 3.5
_BESIDE = {
    "pedestrian": 0.45, "cyclist": 0.2, "motorcyclist": 0.1, "tricyclist": 0.05, "trafficcone": 0.06,
    "barrow": 0.04, "person_sitting": 0.04, "unknown_movable": 0.03, "unknown_unmovable": 0.03,
}  # fmt: skip


@dataclass(frozen=True)
class Backdrop:
    """A picture (H, W, 3) BGR of an empty road, its view, what it tells of light and camera, and its lanes:
    each (4,), from right, forward to right, forward in metres on the ground, along the traffic."""

    image: np.ndarray
    view: View
    match: Match
    lanes: Sequence[np.ndarray]

    @property
    def kind(self) -> CameraKind:
        """Its camera as a family of one."""
        size, depth = (self.view.width, self.view.height), (_NEAR, _FAR)
        nothing = (0.0, 0.0)
        return CameraKind(
            "background", (size,), nothing, nothing, 0.0, nothing, depth, (1, 24), (1, 30), False
        )

    def frame(self, rng: np.random.Generator) -> Frame:
        """The picture with road users, and their labels."""
        return make_frame(self.kind, rng, self.sample, self.render)

    def sample(self, kind: CameraKind, rng: np.random.Generator) -> Scene:
        """Road users on the lanes and beside them."""
        road = Road(0.0, 0.0, _LANE, 1, 1, 0.0, 0.0, None, None)
        scene = Scene(self.view, road, _light(self.match, self.view, rng), int(rng.integers(2**31)))
        lanes = self.lanes or _straight_lanes()
        site = Site(road, _NEAR, _FAR, self.view.width / 2 / self.view.projection[0, 0], classes_of(kind))
        crowd = Crowd(kind, scene)
        wanted = kind.count[0] + int((kind.count[1] - kind.count[0] + 1) * rng.random() ** 1.5)
        for spot in islice(_spots(site, lanes, rng), 400):
            if len(scene.objects) == wanted:
                break
            if crowd.may_stand(spot) and crowd.admit(item := make_object(scene, spot, rng)):
                scene.objects.append(item)
        return scene

    def render(self, scene: Scene, rng: np.random.Generator) -> Rendering:
        """The objects and their shadows on the picture; what they do not reach keeps its values."""
        size, match = (self.view.width, self.view.height), self.match
        canvas = Canvas(scene.view)
        canvas.color[:] = 255
        draw_shadows(canvas, scene)
        shade = cv2.resize(canvas.color, size, interpolation=cv2.INTER_AREA).astype(np.float64) / 255
        visible, alone = draw_objects(canvas, scene)
        mask = (canvas.ids > 0).astype(np.float32)
        paint = match.black + canvas.color * (match.tone * (1 - match.black / 255)).astype(np.float32)
        fine = np.dstack([np.minimum(paint, 255) * mask[..., None], mask]).astype(np.float32)
        small = cv2.resize(fine, size, interpolation=cv2.INTER_AREA)
        layers = cv2.GaussianBlur(small, (0, 0), match.blur)
        cover = layers[..., 3:]
        grain = rng.standard_normal((*size[::-1], 1)) + 0.4 * rng.standard_normal((*size[::-1], 3))
        mixed = self.image * shade * (1 - cover) + layers[..., :3] + match.noise * grain * cover
        image = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
        area = SCALE * SCALE
        return Rendering(image, canvas.ids, visible / area, alone / area)


@cache
def load_backdrop(background: str, calib: str, ground: str, lanes: str = "") -> Backdrop:
    """Read a picture of an empty road, its calibration (KITTI's P2) and its ground plane (denorm).

    Args:
        lanes: "x1,y1,x2,y2;...": middles of lanes in pixels, each along its traffic; empty: not known.

    Raises:
        FileNotFoundError, ValueError: no such file, one that is not as expected, or lanes that are not on the
            ground.
    """
    picture = read_image(background)
    height, width = picture.shape[:2]
    projection = np.array(read_calib(calib, (height, width)))
    view = View(projection, np.array(read_ground(ground)), width, height, tilted_boxes=True)
    return Backdrop(picture, view, match_picture(picture, view), _read_lanes(lanes, view))


def _read_lanes(text: str, view: View) -> list[np.ndarray]:
    lanes = []
    for part in filter(None, text.split(";")):
        try:
            pixels = np.array([float(number) for number in part.split(",")]).reshape(2, 2)
        except ValueError:
            raise ValueError(f"lanes: expected x1,y1,x2,y2 in pixels, got {part[:60]!r}") from None
        rays = np.c_[pixels, np.ones(2)] @ view.inverse_intrinsics.T
        down = rays @ -view.plane[:3]
        if not (down * 500 > view.plane[3]).all() or np.allclose(*pixels):
            raise ValueError(f"lanes: expected two places on the ground within 500 m, got {part[:60]!r}")
        height = float(view.plane[:3] @ view.center + view.plane[3])
        points = view.center + rays * (height / down)[:, None]
        lanes.append((points @ view.ground_axes)[:, [0, 2]].ravel())
    return lanes


def _straight_lanes() -> list[np.ndarray]:
    """Two lanes either way, straight ahead, where no road is known."""
    across = [(index + 0.5) * _LANE for index in (0, 1)]
    away = [np.array([p, _NEAR, p, _STRAIGHT]) for p in across]
    return away + [np.array([-p, _STRAIGHT, -p, _NEAR]) for p in across]


def _light(match: Match, view: View, rng: np.random.Generator) -> Light:
    """Sun from anywhere, as strong as the ground of the picture suggests."""
    azimuth, elevation = rng.uniform(0, 2 * np.pi), np.radians(rng.uniform(25, 70))
    local = [np.cos(elevation) * np.cos(azimuth), -np.sin(elevation), np.cos(elevation) * np.sin(azimuth)]
    hard = float(np.clip(match.hardness + rng.normal(0, 0.15), 0, 1))
    return Light(
        sun=view.ground_axes @ np.array(local),
        ambient=0.85 - 0.3 * hard,
        shadow=0.5 * hard if hard > 0.15 else 0.0,
        haze=0.0,
    )


def _spots(site: Site, lanes: Sequence[np.ndarray], rng: np.random.Generator) -> Iterator[Spot]:
    """Vehicles on the lanes, one or some behind one another, others beside them; road coordinates are metres
    to the right and forward, as the road's angle and offset are 0."""
    while True:
        lane = lanes[int(rng.integers(len(lanes)))]
        start, end = lane[:2], lane[2:]
        way = (end - start) / np.linalg.norm(end - start)
        heading = (float(way[0]), float(way[1]))
        place = start + way * np.linalg.norm(end - start) * _share(start, end, rng)
        if rng.random() < 0.3:
            p, q = place + np.array([way[1], -way[0]]) * rng.normal(0, 3.0)
            if model := site.model(_BESIDE, rng):
                yield Spot(model, float(p), float(q), heading, 25.0)
            continue
        for _ in range(1 if rng.random() < 0.6 else int(rng.integers(2, 5))):
            model = site.model(TRAFFIC, rng)
            if model is None:
                return
            place = place - way * model.size[2] / 2
            p, q = place + rng.normal(0, 0.15, 2)
            yield Spot(model, float(p), float(q), heading, 1.5)
            place = place - way * (model.size[2] / 2 + rng.uniform(1, 5))


def _share(start: np.ndarray, end: np.ndarray, rng: np.random.Generator) -> float:
    """Where between two places on the ground, as often near as far in the picture."""
    a, b = np.maximum([np.linalg.norm(start), np.linalg.norm(end)], 1.0)
    if abs(a - b) < 1:
        return float(rng.random())
    return float((np.exp(rng.uniform(np.log(min(a, b)), np.log(max(a, b)))) - a) / (b - a))
