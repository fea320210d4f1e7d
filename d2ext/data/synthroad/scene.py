"""What a SynthRoad scene consists of: a camera, a road, objects and light. Nothing here draws."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from d2ext.data.synthroad.geometry import View


@dataclass(frozen=True)
class SceneObject:
    """One road user, or what resembles one. location (3,) bottom centre in camera coordinates, size (3,)
    h, w, l, yaw = ry. shape: which of its category's shapes, the first where empty; seed: of its look,
    that is finish, dirt, clothes, pose and whatever else leaves category, colour and box as they are.
    braking: its brake lights are on."""

    category: str
    color: str
    size: np.ndarray
    location: np.ndarray
    yaw: float
    corners: np.ndarray
    shape: str = ""
    seed: int = 0
    braking: bool = False


@dataclass(frozen=True)
class Road:
    """A straight road on the ground plane, traffic keeps to the right.

    Road coordinates: p metres to the right of the centre line, q metres along the road from the camera.
    angle: of the road against the camera's forward axis (radians, to the right); offset: the camera's p.
    median: width of what parts the directions, its middle at p = 0. kind: "street" (kerbs and pavements),
    "country" (verges, no pavement) or "motorway" (shoulders, where a street has its parking lane, and guard
    rails). No lanes of one direction: a one-way road, whose edge is at p = 0. works: (p0, p1, q0, q1) of a
    closed part of the road. tracks: in the innermost lanes, for trams. A parking lane wider than a car is
    long has its cars stand across. stop_lines: q where those who drive away and those who come nearer stop
    before the crosswalk's signal, None for a direction that has no lanes; None: wherever chance puts them.
    signal: 0 red, 1 amber, 2 green; None: chance tells.
    """

    angle: float
    offset: float
    lane_width: float
    lanes_own: int
    lanes_oncoming: int
    parking_width: float
    sidewalk_width: float
    crosswalk: float | None
    crossroad: tuple[float, float] | None
    median: float = 0.0
    kind: str = "street"
    works: tuple[float, float, float, float] | None = None
    tracks: bool = False
    stop_lines: tuple[float | None, float | None] | None = None
    signal: int | None = None

    @property
    def right_edge(self) -> float:
        """p of the right kerb."""
        return self.median / 2 + self.lanes_own * self.lane_width + self.parking_width

    @property
    def left_edge(self) -> float:
        """p of the left kerb (negative)."""
        return -self.median / 2 - self.lanes_oncoming * self.lane_width - self.parking_width

    def lane(self, index: int) -> float:
        """p of the middle of a lane: 0 is the innermost of the own direction, -1 that of the oncoming one."""
        side, number = (1, index) if index >= 0 else (-1, -index - 1)
        return side * (self.median / 2 + (number + 0.5) * self.lane_width)

    @property
    def lanes(self) -> list[int]:
        """The indices of all lanes, from left to right."""
        return list(range(-self.lanes_oncoming, self.lanes_own))

    def to_plane(self, p: np.ndarray | float, q: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
        """Road coordinates -> metres right and forward on the ground plane."""
        across = np.asarray(p, dtype=float) - self.offset
        along = np.asarray(q, dtype=float)
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        return across * cos + along * sin, along * cos - across * sin

    def crosses(self, q0: float, q1: float) -> bool:
        """Whether [q0, q1] meets the crossroad."""
        return self.crossroad is not None and q0 < self.crossroad[1] and q1 > self.crossroad[0]


@dataclass(frozen=True)
class Light:
    """What falls on a scene. Colours are (3,) BGR.

    sun: (3,) unit vector towards the sun (or the moon) in camera coordinates; sun_color, sky_color: what
    its light and that of the sky multiply a surface's colour by, about 1 by day; ambient: share of the
    sky's light in [0, 1]; shadow: how much of the light a cast shadow takes, 0 under clouds. zenith,
    horizon: of the sky as it is seen, in 0-255. haze: share that 100 m of air replace by haze_color
    (0-255). lamps: strength of street lamps, headlights and lit windows, 0 by day, 1 at night. wet: of
    the road, from 0 to 1 under water. rain: strength of what falls, in [0, 1].
    """

    sun: np.ndarray
    ambient: float
    shadow: float
    haze: float
    sun_color: np.ndarray = field(default_factory=lambda: np.ones(3))
    sky_color: np.ndarray = field(default_factory=lambda: np.ones(3))
    zenith: np.ndarray = field(default_factory=lambda: np.array([225.0, 178.0, 138.0]))
    horizon: np.ndarray = field(default_factory=lambda: np.array([238.0, 228.0, 218.0]))
    haze_color: np.ndarray = field(default_factory=lambda: np.array([214.0, 206.0, 200.0]))
    lamps: float = 0.0
    wet: float = 0.0
    rain: float = 0.0


@dataclass(frozen=True)
class Sensor:
    """How a camera turns light into an image. Sigmas and lengths are in its pixels, levels in 0-255.

    gain: (3,) BGR, exposure and white balance; contrast: slope about mid-gray; gamma: of the tone curve;
    saturation: 0 for gray. vignetting: light lost in the corners, in [0, 1]; blur: sigma of the lens;
    motion: (length, angle in radians) of the camera's movement in the picture; chroma: how far red and
    blue are apart in the corners; bloom: share of the brightest light that the lens scatters. noise: sigma
    in levels at mid-gray, color_noise: of its colour to its brightness; grain: sigma of a grain's blur.
    sharpen: strength of the halos; jpeg: quality of a compression before the image is written, None for
    none. resample: pixels of the sensor per pixel of the picture, below 1 in upscaled pictures; dirt:
    strength of what lies on the lens; stamp: text burnt into the picture.
    """

    gain: np.ndarray = field(default_factory=lambda: np.ones(3))
    contrast: float = 1.0
    gamma: float = 1.0
    saturation: float = 1.0
    vignetting: float = 0.0
    blur: float = 0.4
    motion: tuple[float, float] = (0.0, 0.0)
    chroma: float = 0.0
    bloom: float = 0.0
    noise: float = 1.0
    color_noise: float = 0.0
    grain: float = 0.0
    sharpen: float = 0.0
    jpeg: int | None = None
    resample: float = 1.0
    dirt: float = 0.0
    stamp: str = ""


@dataclass(frozen=True)
class Scene:
    """A complete scene; scenery_seed makes houses and trees the same whenever the scene is drawn again.
    distractors are drawn like objects and have no label."""

    view: View
    road: Road
    light: Light
    scenery_seed: int
    objects: list[SceneObject] = field(default_factory=list)
    sensor: Sensor = field(default_factory=Sensor)
    distractors: list[SceneObject] = field(default_factory=list)

    @cached_property
    def up(self) -> np.ndarray:
        """(3,) unit normal of the ground in the camera's frame."""
        return self.view.plane[:3]

    @cached_property
    def _road_frame(self) -> np.ndarray:
        """(4, 3): the point p = q = 0 on the ground, and what a metre of p, of q and of height adds to it."""
        right, forward = self.road.to_plane(np.array([0.0, 1.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0, 0.0]))
        points = self.view.ground_point(right, forward, np.array([0.0, 0.0, 0.0, 1.0]))
        return np.concatenate([points[:1], points[1:] - points[0]])

    def road_points(self, p: np.ndarray, q: np.ndarray, up: np.ndarray | float = 0.0) -> np.ndarray:
        """Road coordinates -> camera coordinates (..., 3)."""
        origin, across, along, above = self._road_frame
        p, q, up = (np.asarray(value, dtype=float)[..., None] for value in (p, q, up))
        return origin + p * across + q * along + up * above
