"""The tracks of one recording as flat arrays."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Tracks:
    """Rows of all vehicles, vehicle by vehicle and in each by time.

    Args:
        ids: (T,) names of the vehicles, as text.
        track: (N,) int index into ``ids``, not falling.
        time: (N,) s, rising inside a vehicle.
        lane: (N,) name of the lane, as text; numbers become their text.
        position: (N,) m along the lane.
        speed: (N,) m/s in the direction in which the lane is driven, negative against it.
    """

    ids: np.ndarray
    track: np.ndarray
    time: np.ndarray
    lane: np.ndarray
    position: np.ndarray
    speed: np.ndarray

    def __post_init__(self) -> None:
        if self.lane.dtype.kind != "U":
            object.__setattr__(self, "lane", self.lane.astype(str))

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.time)

    def select(self, rows: np.ndarray) -> Tracks:
        """The rows of a boolean mask (N,) or of rising indices; ``ids`` stays as it is."""
        return Tracks(
            self.ids,
            self.track[rows],
            self.time[rows],
            self.lane[rows],
            self.position[rows],
            self.speed[rows],
        )

    def of(self, track_id: str) -> Tracks:
        """The rows of one vehicle, none where there is no such vehicle."""
        number = np.flatnonzero(self.ids == track_id)
        if not len(number):
            return self.select(number)
        return self.select(np.arange(*np.searchsorted(self.track, [number[0], number[0] + 1])))


def merge_tracks(parts: Sequence[Tracks]) -> Tracks:
    """One recording out of several of the same vehicles.

    Raises:
        ValueError: a vehicle has two rows at the same time.
    """
    names = np.concatenate([part.ids[part.track] for part in parts])
    ids, track = np.unique(names, return_inverse=True)
    merged = [
        np.concatenate([getattr(p, name) for p in parts]) for name in ("time", "lane", "position", "speed")
    ]
    order = np.lexsort((merged[0], track))
    track, (time, lane, position, speed) = track[order], (values[order] for values in merged)
    twice = np.flatnonzero((np.diff(track) == 0) & (np.diff(time) == 0))
    if len(twice):
        raise ValueError(f"vehicle {ids[track[twice[0]]]}: two rows at {time[twice[0]]:g} s, expected one")
    return Tracks(ids, track, time, lane, position, speed)


def speed_along(
    track: np.ndarray,
    time: np.ndarray,
    lane: np.ndarray,
    position: np.ndarray,
    backward_lanes: Collection[str] = (),
) -> np.ndarray:
    """(N,) m/s: the change of position to the next row of the same vehicle in the same lane, at its last row
    the change from the row before; 0 for a vehicle of one row; infinite where the time between is too short.

    Args:
        backward_lanes: lanes that are driven towards falling positions.
    """
    joined = (track[1:] == track[:-1]) & (lane[1:] == lane[:-1])
    rate = np.zeros(len(time))
    with np.errstate(over="ignore"):
        rate[:-1][joined] = np.diff(position)[joined] / np.diff(time)[joined]
    last = np.flatnonzero(np.append(~joined, True)[: len(time)])
    last = last[last > 0]
    last = last[track[last] == track[last - 1]]
    rate[last] = rate[last - 1]
    return np.where(in_lanes(lane, backward_lanes), -rate, rate)


def in_lanes(lane: np.ndarray, names: Collection[str]) -> np.ndarray:
    """(N,) bool: whether each lane (N,) is one of the names."""
    found = np.zeros(len(lane), bool)
    for name in names:
        found |= lane == name
    return found
