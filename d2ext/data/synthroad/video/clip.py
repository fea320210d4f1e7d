"""What happens in a clip: the site, every body's way, and the anomaly with its vehicles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np

from d2ext.data.synthroad import models
from d2ext.data.synthroad.cameras import CameraKind
from d2ext.data.synthroad.fleet import Model, draw, sample_model
from d2ext.data.synthroad.video.motion import Path, make_paths
from d2ext.data.synthroad.video.passers import passers
from d2ext.data.synthroad.video.section import OPPOSITE, RATE, WATCHED
from d2ext.data.synthroad.video.site import Site, sample_site
from d2ext.data.synthtraffic.simulate import GOOD, Recording, simulate
from d2ext.data.synthtraffic.world import DURATION, World
from d2ext.data.trajectories import Interval

#: Seconds of the longest clip.
LONGEST = int(DURATION) - 8
_MIX = {"car": 0.72, "van": 0.12, "truck": 0.07, "bus": 0.04, "motorcyclist": 0.05}
_HEAVY = ("truck", "bus")
# Anomalies that need an agile driver.
_MOMENTS = 50  # tries to find one with traffic
_AGILE = ("speeding", "weaving", "cut_in")
# Metres between two bodies on the road at least: ahead and beside.
_APART = np.array([0.0, 0.05])


@dataclass(frozen=True)
class Body:
    """One object of a clip.

    Args:
        seed: of its look.
        frame: (M,) int, the pictures in which it is on the road or beside it.
        p, q: (M,) m, where.
        heading: (M, 2) unit, where it faces, along p and q.
        speed: (M,) m/s along its lane's traffic, or its own way.
        braking: (M,) bool, its brake lights are on.
        position: (M,) m along its lane in the section; nan beside the road.
        lane: (M,) names, "" beside the road.
        vehicle: its direction and number in the simulation; None beside the road.
    """

    model: Model
    seed: int
    frame: np.ndarray
    p: np.ndarray
    q: np.ndarray
    heading: np.ndarray
    speed: np.ndarray
    braking: np.ndarray
    position: np.ndarray
    lane: np.ndarray
    vehicle: tuple[int, int] | None = None


@dataclass(frozen=True)
class Clip:
    """A clip before it is drawn.

    Args:
        kind: "good", or an anomaly.
        intervals: its vehicles' numbers and their seconds of the clip, the responsible one first.
        red: (F,) bool, whether the signal is red.
        seed: of what changes from picture to picture.
    """

    kind: str
    site: Site
    bodies: Sequence[Body]
    intervals: Sequence[Interval]
    red: np.ndarray
    hour: float
    seed: list[int]

    @property
    def frames(self) -> int:
        """Number of pictures."""
        return len(self.red)


def make_clip(camera: CameraKind, width: int | None, kind: str, frames: int, seed: list[int]) -> Clip:
    """The same for the same arguments.

    Raises:
        ValueError: the camera's family does not see enough of a road.
    """
    rng = np.random.default_rng([*seed, 0])
    site = sample_site(camera, width, rng)
    main = _simulated(kind, site, site.way, [*seed, 1])
    first = _first_tick(main, frames, rng)
    intervals = _cut(main.intervals, first, frames)
    bodies = _bodies(site, site.way, main, first, frames, [*seed, 1])
    if site.two_way:
        other = _simulated(GOOD, site, -site.way, [*seed, 2], main)
        bodies += _bodies(site, -site.way, other, first, frames, [*seed, 2])
    nowhere = np.full(frames, np.nan)
    for one in passers(site, frames, rng):
        heading = np.tile(one.heading, (frames, 1))
        bodies.append(
            Body(
                one.model, int(rng.integers(2**31)), np.arange(frames), one.p, one.q, heading,
                np.full(frames, one.speed), np.zeros(frames, bool), nowhere, np.full(frames, ""),
            )
        )  # fmt: skip
    red = np.array([main.signal.is_closed((first + i) / RATE) for i in range(frames)])
    return Clip(kind, site, bodies, intervals, red, main.hour, [*seed, 3])


def _simulated(kind: str, site: Site, way: int, seed: list[int], other: Recording | None = None) -> Recording:
    """A recording in which no two bodies touch; ``other``: of the other direction, with the same signal."""
    section = WATCHED if other is None else OPPOSITE

    def length_of(number: int) -> float:
        return float(_model(tuple(seed), number).size[2])

    def make_world(rng: np.random.Generator, hour: float) -> World:
        if other is None:
            return World(rng, hour, section, length_of)
        world = World(rng, other.hour, section, length_of, other.signal.offset)
        world.signal.closed = other.signal.closed
        return world

    return simulate(kind, seed, make_world, partial(_fits, site, way, seed))


def _fits(site: Site, way: int, seed: list[int], recording: Recording) -> bool:
    intervals = recording.intervals
    if intervals and recording.kind in _AGILE:
        if _model(tuple(seed), int(intervals[0].track_id)).category in _HEAVY:
            return False
    return not _touching(_paths(site, way, recording, seed), seed)


def _paths(site: Site, way: int, recording: Recording, seed: list[int]) -> list[Path]:
    return make_paths(recording.rows, partial(site.center, way), seed)


def _touching(paths: Sequence[Path], seed: list[int]) -> bool:
    """Whether two vehicles touch at any moment near the section."""
    last = max(int(path.tick[-1]) for path in paths)
    places = np.full((2, len(paths), last + 1), np.nan)
    sizes = np.array([_model(tuple(seed), path.number).size[[2, 1]] for path in paths])
    for i, path in enumerate(paths):
        near = (path.position > -30) & (path.position < WATCHED.length + 60)
        places[:, i, path.tick[near]] = path.position[near], path.across[near]
    for i in range(len(paths) - 1):
        apart = np.abs(places[:, i + 1 :] - places[:, i : i + 1])
        least = (sizes[i + 1 :] + sizes[i]).T / 2 + _APART[:, None]
        if (apart < least[..., None]).all(axis=0).any():
            return True
    return False


@lru_cache(maxsize=4096)
def _model(seed: tuple[int, ...], number: int) -> Model:
    """What a vehicle of a simulation is."""
    rng = np.random.default_rng([*seed, number, 9])
    return sample_model(draw(_MIX, rng), models.SHAPES, rng)


def _first_tick(recording: Recording, frames: int, rng: np.random.Generator) -> int:
    """The tenth of a second at which the clip begins: the anomaly begins in its first half, if it can."""
    latest = round(DURATION * RATE) - 4 - frames
    if not recording.intervals:
        return _busy_tick(recording, frames, latest, rng)
    begin = min(interval.start for interval in recording.intervals) * RATE
    first = begin - rng.uniform(0.2, 0.6) * frames
    return int(np.clip(first, 0, latest)) // 2 * 2


def _busy_tick(recording: Recording, frames: int, latest: int, rng: np.random.Generator) -> int:
    """One from which on somebody passes the section, if such a one is found."""
    time = recording.tracks.time * RATE
    for _ in range(_MOMENTS):
        first = int(rng.integers(latest // 2 + 1)) * 2
        if ((time >= first + 2) & (time < first + frames - 4)).any():
            break
    return first


def _cut(intervals: Sequence[Interval], first: int, frames: int) -> list[Interval]:
    """What of the intervals the clip shows, in seconds from its beginning."""
    start, length = first / RATE, (frames - 1) / RATE
    moved = [(i.track_id, max(i.start - start, 0.0), min(i.end - start, length)) for i in intervals]
    return [Interval(name, round(a, 3), round(b, 3)) for name, a, b in moved if a <= b]


def _bodies(
    site: Site, way: int, recording: Recording, first: int, frames: int, seed: list[int]
) -> list[Body]:
    bodies = []
    for path in _paths(site, way, recording, seed):
        now = (path.tick >= first) & (path.tick < first + frames)
        if not now.any():
            continue
        heading = np.stack([path.slope[now], np.full(now.sum(), float(way))], axis=1)
        heading *= (-1 if path.backwards else 1) / np.linalg.norm(heading, axis=1, keepdims=True)
        rng = np.random.default_rng([*seed, path.number, 7])
        names = np.array([site.lane_name(way, int(lane)) for lane in path.lane[now]])
        bodies.append(
            Body(
                _model(tuple(seed), path.number), int(rng.integers(2**31)), path.tick[now] - first,
                path.across[now], np.asarray(site.along(way, path.position[now])), heading,
                path.speed[now], path.braking[now], path.position[now], names, (way, path.number),
            )
        )  # fmt: skip
    return bodies
