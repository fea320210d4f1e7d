"""Road coordinates: from x, y to lane and arc length, by one polyline a lane."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

#: Points x segments projected at once: bounds the memory.
_BLOCK = 1 << 21
#: m; no road is larger, and beyond it float64 loses the millimetres.
MAX_COORDINATE = 1e8
#: Points of all centre lines together.
MAX_POINTS = 200_000


@dataclass(frozen=True)
class Road:
    """Lanes of a road section.

    Args:
        lanes: (P, 2) metres, the centre line of each lane in the direction in which it is driven, by the
            lane's name; numbers become their text. Empty where the recording has lane and position itself.
        half_width: m; points farther than this from every centre line are off the road.
        backward_lanes: lanes whose positions fall along the direction of travel. A polyline makes none.
        origin: latitude and longitude in degrees of x = y = 0, for recordings that have those; x is east.
        camera_to_road: (3, 4), from homogeneous points in a camera's frame to x, y and height above the road,
            in metres; None where no camera is known.

    Raises:
        ValueError: a centre line of fewer than two points, or with two equal ones in sequence, a number that
            is not finite or out of range, a transform that does not move rigidly.
    """

    lanes: Mapping[str, np.ndarray]
    half_width: float = 2.5
    backward_lanes: tuple[str, ...] = ()
    origin: tuple[float, float] | None = None
    camera_to_road: np.ndarray | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "lanes", {str(name): line for name, line in self.lanes.items()})
        object.__setattr__(self, "backward_lanes", tuple(map(str, self.backward_lanes)))
        for name, line in self.lanes.items():
            where = f"lane {name[:40]}"
            if line.ndim != 2 or line.shape[1] != 2 or len(line) < 2:
                raise ValueError(f"{where}: expected at least two points x, y, got shape {line.shape}")
            if not (np.abs(line) <= MAX_COORDINATE).all():
                raise ValueError(f"{where}: expected metres from -{MAX_COORDINATE:g} to {MAX_COORDINATE:g}")
            if (np.diff(line, axis=0) == 0).all(1).any():
                raise ValueError(f"{where}: two equal points follow each other")
        if sum(map(len, self.lanes.values())) > MAX_POINTS:
            raise ValueError(f"expected at most {MAX_POINTS} points in all centre lines")
        if not 0 < self.half_width < math.inf:
            raise ValueError(f"half_width must be positive and finite, got {self.half_width}")
        if self.origin is not None and not (abs(self.origin[0]) < 90 and abs(self.origin[1]) <= 180):
            raise ValueError(f"origin: expected latitude and longitude in degrees, got {self.origin}")
        if self.camera_to_road is not None:
            _check_rigid(self.camera_to_road)

    def project(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The nearest lane of each point.

        A lane does not reach past the ends of its line: a point before or behind it is on no lane.

        Args:
            x, y: (N,) metres.

        Returns:
            lane (N,) names, "" where ``on_road`` is False; position (N,) m along its line; on_road (N,) bool.
        """
        names = np.array(["", *self.lanes])
        lane, position = np.zeros(len(x), np.int64), np.zeros(len(x))
        nearest = np.full(len(x), np.inf)
        for number, line in enumerate(self.lanes.values(), start=1):
            low, high = line.min(0) - self.half_width, line.max(0) + self.half_width
            near = np.flatnonzero((x >= low[0]) & (x <= high[0]) & (y >= low[1]) & (y <= high[1]))
            size = max(1, _BLOCK // len(line))
            for block in np.split(near, range(size, len(near), size)):
                along, distance = _project(np.stack([x[block], y[block]], 1), line)
                better = distance < nearest[block]
                chosen = block[better]
                nearest[chosen], position[chosen], lane[chosen] = distance[better], along[better], number
        on_road = nearest <= self.half_width
        return names[np.where(on_road, lane, 0)], position, on_road


def _check_rigid(transform: np.ndarray) -> None:
    where = "camera_to_road"
    if transform.shape != (3, 4) or not (np.abs(transform) <= MAX_COORDINATE).all():
        raise ValueError(f"{where}: expected three rows of four finite numbers, got {transform.shape}")
    turn = transform[:, :3]
    if not np.allclose(turn @ turn.T, np.eye(3), atol=1e-3):
        raise ValueError(f"{where}: expected a rotation in its first three columns")


def _project(points: np.ndarray, line: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N,) arc length of the nearest point of a polyline (P, 2), and (N,) the distance to it, inf past its
    ends."""
    step = np.diff(line, axis=0)
    length = np.hypot(*step.T)
    start = np.concatenate([[0.0], np.cumsum(length)[:-1]])
    # (N, P - 1): along each segment in metres, cut to it
    raw = ((points[:, None] - line[:-1]) * (step / length[:, None])).sum(-1)
    cut = raw.clip(0, length)
    foot = line[:-1] + step * (cut / length)[..., None]
    distance = np.hypot(*np.moveaxis(points[:, None] - foot, -1, 0))
    best = distance.argmin(1)
    rows = np.arange(len(points))
    before = (best == 0) & (raw[:, 0] < 0)
    behind = (best == len(length) - 1) & (raw[:, -1] > length[-1])
    return start[best] + cut[rows, best], np.where(before | behind, np.inf, distance[rows, best])
