"""What a SynthRoad scene consists of: a camera, a road, objects and light. Nothing here draws."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from d2ext.data.synthroad.geometry import View


@dataclass(frozen=True)
class SceneObject:
    """One road user. location (3,) bottom centre in camera coordinates, size (3,) h, w, l, yaw = ry."""

    category: str
    color: str
    size: np.ndarray
    location: np.ndarray
    yaw: float
    corners: np.ndarray


@dataclass(frozen=True)
class Road:
    """A straight road on the ground plane, traffic keeps to the right.

    Road coordinates: p metres to the right of the centre line, q metres along the road from the camera.
    angle: of the road against the camera's forward axis (radians, to the right); offset: the camera's p.
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

    @property
    def right_edge(self) -> float:
        """p of the right kerb."""
        return self.lanes_own * self.lane_width + self.parking_width

    @property
    def left_edge(self) -> float:
        """p of the left kerb (negative)."""
        return -self.lanes_oncoming * self.lane_width - self.parking_width

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
    """sun (3,) unit vector towards the sun in camera coordinates; the others are plain strengths."""

    sun: np.ndarray
    ambient: float
    shadow: float
    gain: np.ndarray
    contrast: float
    haze: float
    blur: float
    noise: float


@dataclass(frozen=True)
class Scene:
    """A complete scene; scenery_seed makes houses and trees the same whenever the scene is drawn again."""

    view: View
    road: Road
    light: Light
    scenery_seed: int
    objects: list[SceneObject] = field(default_factory=list)

    @cached_property
    def up(self) -> np.ndarray:
        """(3,) unit normal of the ground in the camera's frame."""
        return self.view.plane[:3]

    def road_points(self, p: np.ndarray, q: np.ndarray, up: np.ndarray | float = 0.0) -> np.ndarray:
        """Road coordinates -> camera coordinates (..., 3)."""
        right, forward = self.road.to_plane(p, q)
        return self.view.ground_point(right, forward, up)
