"""Road coordinates: from x, y to lane and arc length, by one polyline a lane."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from d2ext.data.formats.records import read_json, require

#: Points projected at once: bounds the memory of points x segments.
_BLOCK = 1 << 15


@dataclass(frozen=True)
class Road:
    """Lanes of a road section.

    Args:
        lanes: (P, 2) metres, the centre line of each lane in the direction in which it is driven, by lane
            number. Empty where the recording has lane and position itself.
        half_width: m; points farther than this from every centre line are off the road.
        backward_lanes: lanes whose positions fall along the direction of travel. A polyline makes none.

    Raises:
        ValueError: a centre line of fewer than two points, or with two equal ones in sequence.
    """

    lanes: Mapping[int, np.ndarray]
    half_width: float = 2.5
    backward_lanes: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for number, line in self.lanes.items():
            if line.ndim != 2 or line.shape[1] != 2 or len(line) < 2 or not np.isfinite(line).all():
                raise ValueError(f"lane {number}: expected at least two points x, y, got shape {line.shape}")
            if (np.diff(line, axis=0) == 0).all(1).any():
                raise ValueError(f"lane {number}: two equal points follow each other")
        if self.half_width <= 0:
            raise ValueError(f"half_width must be positive, got {self.half_width}")

    def project(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The nearest lane of each point.

        A lane does not reach past the ends of its line: a point before or behind it is on no lane.

        Args:
            x, y: (N,) metres.

        Returns:
            lane (N,) int, 0 where ``on_road`` is False; position (N,) m along its line; on_road (N,) bool.
        """
        lane, position = np.zeros(len(x), np.int64), np.zeros(len(x))
        nearest = np.full(len(x), np.inf)
        for number, line in self.lanes.items():
            for start in range(0, len(x), _BLOCK):
                block = slice(start, start + _BLOCK)
                along, distance = _project(np.stack([x[block], y[block]], 1), line)
                better = distance < nearest[block]
                nearest[block][better] = distance[better]
                position[block][better] = along[better]
                lane[block][better] = number
        on_road = nearest <= self.half_width
        return np.where(on_road, lane, 0), position, on_road


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


def read_road(path: str | Path) -> Road:
    """Read a road from JSON: ``{"lanes": {"1": [[x, y], ...], ...}, "half_width": 2.5, "backward_lanes":
    []}``; every key is optional.

    Raises:
        FileNotFoundError, ValueError: names the file and the field.
    """
    data = read_json(Path(path))
    if not isinstance(data, dict):
        raise ValueError(f"{path}: expected an object, got {type(data).__name__}")
    unknown = sorted(set(data) - {"lanes", "half_width", "backward_lanes"})
    if unknown:
        raise ValueError(f"{path}: unknown field {unknown[0]!r}, expected lanes, half_width, backward_lanes")
    half_width = require({"half_width": Road.half_width, **data}, "half_width", (int, float), str(path))
    backward = require({"backward_lanes": [], **data}, "backward_lanes", list, str(path))
    if not all(type(number) is int for number in backward):
        raise ValueError(f"{path}: field 'backward_lanes': expected whole numbers, got {backward!r}")
    lanes = {}
    for key, line in require({"lanes": {}, **data}, "lanes", dict, str(path)).items():
        if not re.fullmatch(r"-?\d+", key):
            raise ValueError(f"{path}: field 'lanes': expected the numbers of lanes as keys, got {key!r}")
        try:
            lanes[int(key)] = np.array(line, dtype=float)
        except (ValueError, TypeError) as error:
            raise ValueError(f"{path}: lane {key}: expected a list of points [x, y]") from error
    try:
        return Road(lanes, float(half_width), tuple(backward))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
