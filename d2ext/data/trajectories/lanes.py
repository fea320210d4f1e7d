"""Tracks on the ground as recordings: lanes and positions of a road, and how many vehicles pass how fast."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Any

import numpy as np

from .road import Road
from .tracks import Tracks, in_lanes, speed_along

CLEAR = 1.0  # m past a place, from where on a vehicle has surely passed it


def tracks_on_road(
    names: np.ndarray,
    time: np.ndarray,
    position: np.ndarray,
    road: Road,
    velocity: np.ndarray | None = None,
) -> Tracks:
    """Rows on the lanes of a road; those off it are left out.

    Args:
        names: (N,) of the vehicles; numbers become their text.
        time: (N,) s.
        position: (N, 2) x, y on the ground in m, in the road's coordinates.
        velocity: (N, 2) m/s; None: the speed is the change of position.

    Raises:
        ValueError: the road has no centre lines, or a vehicle has two rows at one time.
    """
    if not road.lanes:
        raise ValueError("road: expected centre lines of lanes")
    lane, along, on_road = road.project(position[:, 0], position[:, 1])
    ids, track = np.unique(np.asarray(names)[on_road].astype(str), return_inverse=True)
    rows = np.flatnonzero(on_road)
    order = np.lexsort((time[rows], track))
    rows, track = rows[order], track.reshape(-1)[order]
    twice = np.flatnonzero((np.diff(track) == 0) & (np.diff(time[rows]) == 0))
    if len(twice):
        raise ValueError(f"vehicle {ids[track[twice[0]]]}: two rows at {time[rows[twice[0]]]:g} s")
    lane, along = lane[rows], along[rows]
    if velocity is None:
        speed = speed_along(track, time[rows], lane, along, road.backward_lanes)
    else:
        speed = (velocity[rows] * lane_directions(road, lane, along)).sum(1)
        speed = np.where(in_lanes(lane, road.backward_lanes), -speed, speed)
    return Tracks(ids, track, time[rows], lane, along, speed)


def lane_directions(road: Road, lane: np.ndarray, position: np.ndarray) -> np.ndarray:
    """(N, 2) unit vectors along the centre lines at positions (N,) m of lanes (N,)."""
    found = np.zeros((len(lane), 2))
    for name, line in road.lanes.items():
        rows = np.flatnonzero(lane == name)
        step = np.diff(line, axis=0)
        length = np.hypot(*step.T)
        segment = np.searchsorted(np.cumsum(length)[:-1], position[rows], side="right")
        found[rows] = step[segment] / length[segment, None]
    return found


@dataclass(frozen=True)
class Flow:
    """The traffic of a lane in a span of time.

    Attributes:
        lane: name.
        start: s.
        vehicles: that passed the place.
        speed: m/s, mean of their speeds there, against the lane negative; nan where there were none.
    """

    lane: str
    start: float
    vehicles: int
    speed: float


def goes_on(moved: np.ndarray | float, speed: np.ndarray | float, seconds: np.ndarray | float) -> Any:
    """Whether two rows on different lanes are of one way past the lanes' places: how far (m) the vehicle is
    from its lane's place has changed as its speed says. Else the places are not beside each other."""
    return np.abs(np.abs(moved) - np.abs(speed) * seconds) < 2 * CLEAR


def lane_flow(tracks: Tracks, place: float, seconds: float = 60.0) -> list[Flow]:
    """Vehicles that pass a place, and their speeds, by lane and minute; spans without any are there too.

    A vehicle passes, in either direction, once it is ``CLEAR`` metres past the place, so that one that stands
    there is not counted by the noise of its position. Time, lane and speed are those of that row.

    Args:
        place: m along the lanes.
        seconds: a span; spans begin at multiples of it.
    """
    if not len(tracks):
        return []
    past, rows = tracks.position - place, np.arange(len(tracks))
    on = np.zeros(len(tracks), bool)  # with the row before
    on[1:] = (tracks.lane[1:] == tracks.lane[:-1]) | goes_on(
        np.diff(past), tracks.speed[1:], np.diff(tracks.time)
    )
    on[1:] &= tracks.track[1:] == tracks.track[:-1]
    sure = np.maximum.accumulate(np.where(~on | (np.abs(past) > CLEAR), rows, 0))  # the last clear row
    side = (past >= 0)[sure]
    passed = rows[1:][on[1:] & (side[1:] != side[:-1])]
    lane, speed = tracks.lane[passed], tracks.speed[passed]
    span = np.floor(tracks.time[passed] / seconds).astype(np.int64)
    first, last = (int(np.floor(t / seconds)) for t in (tracks.time.min(), tracks.time.max()))
    flows = []
    for name in np.unique(tracks.lane).tolist():
        for number in range(first, last + 1):
            own = (lane == name) & (span == number)
            mean = float(speed[own].mean()) if own.any() else float("nan")
            flows.append(Flow(name, number * seconds, int(own.sum()), mean))
    return flows


def flow_to_csv(flows: list[Flow]) -> bytes:
    """A CSV file: lane, start in s, vehicles, speed in m/s (empty where there were none)."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["lane", "start", "vehicles", "speed"])
    for flow in flows:
        speed = f"{flow.speed:.2f}" if flow.vehicles else ""
        writer.writerow([flow.lane, f"{flow.start:.3f}", flow.vehicles, speed])
    return text.getvalue().encode()
