"""Centre lines of lanes out of the paths that vehicles took: a road for a camera whose map nobody has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d, maximum_filter1d
from scipy.spatial import cKDTree

_STEP = 1.0  # m between points of a path
_ROUNDS = 4  # in which a line moves to the middle of its paths
_TURN = np.cos(np.deg2rad(30.0))
_ROUGH = 6.0  # m along a line, over which its course is smoothed


@dataclass(frozen=True)
class LaneRules:
    """What makes a lane.

    Attributes:
        width: m from one lane to the next; paths within half of it from a line are its own.
        least_vehicles: on every metre of it.
        least_length: m, of a lane.
        least_path: m that a vehicle must have moved; who stands says nothing about a lane.

    Raises:
        ValueError: a number that is not positive.
    """

    width: float = 3.2
    least_vehicles: int = 3
    least_length: float = 15.0
    least_path: float = 8.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0:
                raise ValueError(f"{name}: expected a positive number, got {value}")


@dataclass(frozen=True)
class Paths:
    """Points of all paths at even steps: place (N, 2) m, course (N, 2) unit vectors, path (N,) index."""

    place: np.ndarray
    course: np.ndarray
    path: np.ndarray

    def select(self, rows: np.ndarray) -> Paths:
        """Some points."""
        return Paths(self.place[rows], self.course[rows], self.path[rows])


def find_lanes(paths: Sequence[np.ndarray], rules: LaneRules | None = None) -> dict[str, np.ndarray]:
    """Lanes of a road, each along the middle of the paths on it, in the direction in which it was driven.

    The path that runs where most others run begins a lane; its line moves to the median of the paths beside
    it and grows with those that go on beyond its ends. Then the next lane is found among the paths that are
    left. Broken tracks do no harm, a vehicle that changes lanes makes none.

    Args:
        paths: (T, 2) x, y on the ground in m, in the order of time, of each vehicle.
        rules: None: a usual road's.

    Returns:
        (P, 2) m, by name: "1", "2", ... by how many vehicles drove there. None where too few did.
    """
    rules = rules or LaneRules()
    left = even_paths(paths, rules.least_path)
    found: list[tuple[int, np.ndarray]] = []
    while len(left.path):
        first, company = _densest(left, rules.width)
        if company < rules.least_vehicles:
            break
        line = left.place[left.path == first]
        for _ in range(_ROUNDS):
            line = _grown(_centred(line, left, rules.width), left, rules.width)
        line = _driven(_centred(line, left, rules.width), left, rules)
        own = _beside(line, left, rules.width)[0] if len(line) else np.zeros(len(left.path), bool)
        line = _apart(line, [other for _, other in found], rules)
        if len(line):
            found.append((len(np.unique(left.path[own])), line))
        else:  # the path is alone, or on lanes that are there
            own |= left.path == first
        left = _without(left, own, rules.least_path)
    found.sort(key=lambda item: -item[0])
    return {str(number): line for number, (_, line) in enumerate(found, start=1)}


def even_paths(paths: Sequence[np.ndarray], least: float) -> Paths:
    """Points at steps of 1 m of the paths (T, 2) in m that went ``least`` m from where they began."""
    places, courses, numbers = [np.zeros((0, 2))], [np.zeros((0, 2))], [np.zeros(0, np.int64)]
    for number, path in enumerate(paths):
        points = _even(np.asarray(path, np.float64).reshape(-1, 2))
        if len(points) < 3 or np.linalg.norm(points - points[0], axis=1).max() < least:
            continue
        places.append(points)
        courses.append(_course(points))
        numbers.append(np.full(len(points), number))
    return Paths(np.concatenate(places), np.concatenate(courses), np.concatenate(numbers))


def _even(points: np.ndarray) -> np.ndarray:
    """At steps of 1 m. Jitter of a standing vehicle is no way: a point counts once it is a step from the
    last one that did."""
    kept = [0] if len(points) else []
    for i in range(1, len(points)):
        if np.hypot(*(points[i] - points[kept[-1]])) >= _STEP:
            kept.append(i)
    corners = points[kept]
    if len(corners) < 2:
        return corners
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(corners, axis=0), axis=1))])
    at = np.linspace(0, along[-1], round(along[-1] / _STEP) + 1)
    even = np.stack([np.interp(at, along, corners[:, k]) for k in (0, 1)], 1)
    rim = min(8, len(even) - 1)  # reflected through the ends, which stay where they are
    padded = np.pad(even, ((rim, rim), (0, 0)), mode="reflect", reflect_type="odd")
    return gaussian_filter1d(padded, 2.0, axis=0)[rim : rim + len(even)]


def _course(points: np.ndarray) -> np.ndarray:
    step = np.gradient(points, axis=0)
    return step / np.maximum(np.linalg.norm(step, axis=1, keepdims=True), 1e-9)


def _densest(paths: Paths, width: float) -> tuple[int, int]:
    """The path beside which most others run the same way, by the sum over its points, and how many there are
    where there are most, itself included."""
    pairs = cKDTree(paths.place).query_pairs(width / 4, output_type="ndarray")
    pairs = np.concatenate([pairs, pairs[:, ::-1]])
    same = (paths.course[pairs[:, 0]] * paths.course[pairs[:, 1]]).sum(1) > _TURN
    same &= paths.path[pairs[:, 0]] != paths.path[pairs[:, 1]]
    others = np.unique(np.stack([pairs[same, 0], paths.path[pairs[same, 1]]], 1), axis=0)
    company = np.bincount(others[:, 0], minlength=len(paths.path))
    sums = np.bincount(paths.path, company)
    first = int(sums.argmax()) if sums.any() else int(paths.path[0])
    return first, int(company[paths.path == first].max()) + 1


def _without(paths: Paths, gone: np.ndarray, least: float) -> Paths:
    """Without some points; what is left of a path on both sides of them becomes two, short rests go."""
    rest = paths.select(~gone)
    apart = np.linalg.norm(np.diff(rest.place, axis=0), axis=1) > 2 * _STEP
    number = np.cumsum(np.append(0, (np.diff(rest.path) != 0) | apart)[: len(rest.path)])
    rest = Paths(rest.place, rest.course, number)
    return rest.select(np.bincount(number, minlength=1)[number] * _STEP >= max(least, 3 * _STEP))


def _beside(line: np.ndarray, paths: Paths, width: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which points (N,) run along a line within half a lane's width; the nearest station (N,) of the line,
    and how far (N,) m to its left they are."""
    away, station = cKDTree(line).query(paths.place)
    course = _course(line)[station]
    offset = paths.place - line[station]
    left = course[:, 0] * offset[:, 1] - course[:, 1] * offset[:, 0]
    beyond = np.abs((course * offset).sum(1)) > 2 * _STEP
    own = (np.abs(left) < width / 2) & ~beyond & (away < width)
    return own & ((course * paths.course).sum(1) > _TURN), station, left


def _centred(line: np.ndarray, paths: Paths, width: float) -> np.ndarray:
    """The line moved to the median of the paths beside it, station by station, and smoothed."""
    own, station, left = _beside(line, paths, width)
    order = np.argsort(station[own], kind="stable")
    at, values = station[own][order], left[own][order]
    stations, first = np.unique(at, return_index=True)
    if len(stations) < 2:
        return line
    medians = np.array([np.median(group) for group in np.split(values, first[1:])])
    shift = np.interp(np.arange(len(line)), stations, medians)
    shift = gaussian_filter1d(shift, _ROUGH / _STEP, mode="nearest")
    moved = _even(line + shift[:, None] * _course(line)[:, ::-1] * [-1, 1])
    return moved if len(moved) > 2 else line


def _grown(line: np.ndarray, paths: Paths, width: float) -> np.ndarray:
    """The line with what the paths that run along it go on beyond its ends, by the one that goes farthest."""
    own, station, left = _beside(line, paths, width)
    before, behind = np.zeros((0, 2)), np.zeros((0, 2))
    normal = _course(line)[:, ::-1] * [-1, 1]
    for number in np.unique(paths.path[own]):
        rows = np.flatnonzero(paths.path == number)
        along = rows[own[rows]]
        if len(along) < 2 * width / _STEP:
            continue
        first, last = along[0], along[-1]
        if station[first] < width / _STEP and first - rows[0] > len(before):
            before = paths.place[rows[0] : first] - left[first] * normal[station[first]]
        if len(line) - 1 - station[last] < width / _STEP and rows[-1] - last > len(behind):
            behind = paths.place[last + 1 : rows[-1] + 1] - left[last] * normal[station[last]]
    return np.concatenate([before, line, behind])


def _driven(line: np.ndarray, paths: Paths, rules: LaneRules) -> np.ndarray:
    """The longest part of a line where enough vehicles drove; (0, 2) if it is too short for a lane."""
    own, station, _ = _beside(line, paths, rules.width)
    pairs = np.unique(np.stack([station[own], paths.path[own]], 1), axis=0)
    count = np.bincount(pairs[:, 0].astype(np.int64), minlength=len(line)).astype(float)
    near = maximum_filter1d(count, 3, mode="constant")  # a vehicle between two stations is at both
    return _longest(line, near >= rules.least_vehicles, rules.least_length)


def _apart(line: np.ndarray, others: Sequence[np.ndarray], rules: LaneRules) -> np.ndarray:
    """The longest part of a line that is not on one of the others in the same direction."""
    if not len(line) or not others:
        return line
    places, courses = np.concatenate(others), np.concatenate([_course(other) for other in others])
    away, nearest = cKDTree(places).query(line)
    same = (courses[nearest] * _course(line)).sum(1) > 0
    return _longest(line, (away > rules.width / 2) | ~same, rules.least_length)


def _longest(line: np.ndarray, good: np.ndarray, least: float) -> np.ndarray:
    """The longest run of good points."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], good.astype(int), [0]])))
    runs = edges.reshape(-1, 2)
    if not len(runs):
        return np.zeros((0, 2))
    start, end = runs[np.argmax(runs[:, 1] - runs[:, 0])]
    return line[start:end] if (end - start - 1) * _STEP >= least else np.zeros((0, 2))
