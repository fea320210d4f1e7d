"""Where a clip is taken: a camera on a pole that sees all of a straight road with the simulated lanes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from d2ext.data.synthroad.cameras import CameraKind
from d2ext.data.synthroad.geometry import View
from d2ext.data.synthroad.light import WEATHER, light_of
from d2ext.data.synthroad.raster import SCALE, Canvas
from d2ext.data.synthroad.scene import Road, Scene
from d2ext.data.synthroad.scenery import draw_scenery
from d2ext.data.synthroad.sensor import sample_sensor
from d2ext.data.synthroad.video.section import CROSSING, WATCHED
from d2ext.data.synthtraffic.world import LANES

# Metres from the pole to where the watched section begins.
_NEAREST, _LATEST = 12.0, 27.0
_TALL = 1.5  # metres of what must be in the picture above the road
_MARGIN = 0.01  # of the picture's size
_TRIES = 2000
# Share of the places on the lanes that trees and posts may hide.
_HIDDEN = 0.04
_TWO_WAY = 0.6
_RED, _GREEN = 0, 2


@dataclass(frozen=True)
class Site:
    """A camera, its road without objects, and how the watched section lies there.

    Args:
        scene: as it looks while the signal is green.
        way: 1 where the simulated traffic drives away, -1 where it comes nearer.
        start: q in m where the section is nearest to the camera.
        two_way: there is another direction.
    """

    scene: Scene
    way: int
    start: float
    two_way: bool

    @property
    def red(self) -> Scene:
        """As it looks while the signal is red."""
        return replace(self.scene, road=replace(self.scene.road, signal=_RED))

    def ways(self) -> list[int]:
        """The simulated direction, and the other one if there is one."""
        return [self.way, -self.way] if self.two_way else [self.way]

    def center(self, way: int, lane: int) -> float:
        """p of the middle of a simulated lane: 1 is the inner one."""
        return self.scene.road.lane(lane - 1 if way > 0 else -lane)

    def along(self, way: int, position: np.ndarray | float) -> np.ndarray | float:
        """q of positions in the section, in metres along the traffic."""
        return self.start + position if way > 0 else self.start + WATCHED.length - position

    def lane_name(self, way: int, lane: int) -> str:
        """1 and 2 in the simulated direction, 3 and 4 in the other one."""
        return str(lane if way == self.way else lane + len(LANES))

    def lane_lines(self) -> dict[str, np.ndarray]:
        """(2, 2) by the lane's name: where its centre line begins and ends, in metres right of the camera and
        ahead on the ground."""
        ends = np.array([0.0, WATCHED.length])
        return {
            self.lane_name(way, lane): np.stack(
                self.scene.road.to_plane(self.center(way, lane), self.along(way, ends)), axis=1
            )
            for way in self.ways()
            for lane in LANES
        }


def sample_site(kind: CameraKind, width: int | None, rng: np.random.Generator) -> Site:
    """A camera of a family on a road that it sees; ``width``: of the picture in pixels, if not the family's.

    Raises:
        ValueError: the family's cameras do not see so much of a road.
    """
    way, two_way = (1 if rng.random() < 0.5 else -1), bool(rng.random() < _TWO_WAY)
    for _ in range(_TRIES):
        full = kind.sample_view(rng)
        view = _sized(full, width)
        road = _road(view, way, two_way, rng)
        start = _start(view, road, way)
        if start is None:
            continue
        site = Site(_scene(full, view, _signalled(road, way, start), rng), way, start, two_way)
        if _hidden(site) <= _HIDDEN:
            return site
    raise ValueError(f"camera {kind.name}: sees no {WATCHED.length:g} m of a road from a pole")


def _sized(view: View, width: int | None) -> View:
    """The same camera with pictures of another width."""
    if width is None or width == view.width:
        return view
    scale = width / view.width
    # Pixel centres are at whole numbers: u + 0.5 scales.
    resize = np.array([[scale, 0, scale / 2 - 0.5], [0, scale, scale / 2 - 0.5], [0, 0, 1]])
    height = max(round(view.height * scale), 1)
    return replace(view, projection=resize @ view.projection, width=width, height=height)


def _road(view: View, way: int, two_way: bool, rng: np.random.Generator) -> Road:
    """Two lanes for each direction; the camera over it or beside it, looking along it."""
    own, oncoming = (2 if two_way or way == side else 0 for side in (1, -1))
    plain = Road(
        angle=0.0,
        offset=0.0,
        lane_width=float(rng.uniform(3.2, 3.75)),
        lanes_own=own,
        lanes_oncoming=oncoming,
        parking_width=2.3 if rng.random() < 0.35 else 0.0,
        sidewalk_width=float(rng.uniform(2.2, 4.5)),
        crosswalk=None,
        crossroad=None,
        median=float(rng.uniform(0.6, 3.0)) if two_way and rng.random() < 0.4 else 0.0,
    )
    aim = rng.uniform(30, 60)
    offset = rng.uniform(plain.left_edge - 2, plain.right_edge + 2)
    middle = (plain.left_edge + plain.right_edge) / 2 + rng.normal(0, 1.5)
    angle = np.clip(np.arctan2(offset - middle, aim) + np.radians(rng.normal(0, 2)), -0.6, 0.6)
    return replace(plain, angle=float(angle), offset=float(offset))


def _start(view: View, road: Road, way: int) -> float | None:
    """q from which on the camera sees the lanes of a direction for the section's length."""
    lanes = [lane for lane in road.lanes if (lane >= 0) == (way > 0)]
    inner, outer = road.lane(min(lanes, key=abs)), road.lane(max(lanes, key=abs))
    p = np.array([min(inner, outer), max(inner, outer)]) + np.array([-0.5, 0.5]) * road.lane_width
    q = np.arange(_NEAREST, _LATEST + WATCHED.length + 1.0)
    points = np.stack([view.ground_point(*road.to_plane(p, q[:, None]), up) for up in (0.0, _TALL)], axis=1)
    uv, w = view.project(points)
    share = (uv + 0.5) / (view.width, view.height)
    inside = (w > 1) & (share > _MARGIN).all(-1) & (share < 1 - _MARGIN).all(-1)
    seen = np.all(inside, axis=(1, 2))
    first = int(np.argmax(seen))
    whole = seen[first : first + int(WATCHED.length) + 1]
    return float(q[first]) if whole.all() and q[first] <= _LATEST and seen.any() else None


def _signalled(road: Road, way: int, start: float) -> Road:
    """The road with the simulation's stop lines, a crosswalk between them, and its signal."""
    stop = start + (WATCHED.stop_line if way > 0 else WATCHED.length - WATCHED.stop_line)
    ends = {way: stop, -way: stop + way * CROSSING}
    lines = tuple(ends[side] if lanes else None for side, lanes in _directions(road))
    return replace(road, crosswalk=stop + way * CROSSING / 2, stop_lines=(lines[0], lines[1]), signal=_GREEN)


def _directions(road: Road) -> Sequence[tuple[int, int]]:
    return (1, road.lanes_own), (-1, road.lanes_oncoming)


def _scene(full: View, view: View, road: Road, rng: np.random.Generator) -> Scene:
    """Its light and its sensor; ``full``: the view in pictures of the family's own size."""
    names = list(WEATHER)
    weights = np.array([WEATHER[name].weight for name in names])
    light = light_of(names[rng.choice(len(names), p=weights / weights.sum())], view, rng)
    sensor = sample_sensor(light, full, rng, unreal_share=0.0)
    # Smaller pictures are sharper and have less noise. Nothing moves a camera on a pole in every picture.
    scale = min(view.width / full.width, 1.0)
    sensor = replace(
        sensor, blur=scale * sensor.blur, chroma=scale * sensor.chroma, noise=scale * sensor.noise,
        motion=(0.0, 0.0),
    )  # fmt: skip
    return Scene(view, road, light, int(rng.integers(2**31)), sensor=sensor)


def _hidden(site: Site) -> float:
    """Share of places above the simulated lanes that something beside the road hides."""
    scene = site.scene
    canvas = Canvas(scene.view)
    draw_scenery(canvas, scene)
    p = np.array([site.center(site.way, lane) for lane in LANES])
    q = np.asarray(site.along(site.way, np.arange(0.0, WATCHED.length, 2.5)))[:, None]
    uv, w = scene.view.project(scene.road_points(p, q, 0.5 * _TALL))
    x, y = np.rint((uv + 0.5) * SCALE - 0.5).astype(int).reshape(-1, 2).T
    return float((canvas.inverse_depth[y, x] > 1 / w.ravel()).mean())
