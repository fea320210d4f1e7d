"""One recording: normal traffic, or traffic with one anomaly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from d2ext.data.synthtraffic.anomalies import KINDS
from d2ext.data.synthtraffic.world import DURATION, Gate, Row, World
from d2ext.data.trajectories import Interval, Tracks

GOOD = "good"
HOURS = (5.0, 23.0)
#: An anomaly needs its moment: a recording in which it did not come about, or in which vehicles collided, is
#: simulated again with other random numbers.
ATTEMPTS = 200


@dataclass(frozen=True)
class Recording:
    """A simulated recording.

    Args:
        kind: "good" or one of ``KINDS``.
        hour: time of day.
        tracks: what was recorded.
        intervals: the vehicles that show the anomaly, the responsible one first; empty when good.
        signal: the signal as it was.
        rows: number, time, lane, position and speed of all vehicles, in the section and beside it, unrounded.
    """

    kind: str
    hour: float
    tracks: Tracks
    intervals: list[Interval]
    signal: Gate
    rows: list[Row]


def simulate(
    kind: str,
    seed: list[int],
    make_world: Callable[[np.random.Generator, float], World] = World,
    fits: Callable[[Recording], bool] = lambda recording: True,
) -> Recording:
    """Simulate one recording; the same arguments give the same one.

    Args:
        make_world: of a source of chance and the time of day.
        fits: whether a recording will do; simulation goes on until one does.

    Raises:
        ValueError: an unknown kind.
        RuntimeError: the anomaly did not come about in any attempt.
    """
    if kind != GOOD and kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join([GOOD, *KINDS])}, got {kind!r}")
    for attempt in range(ATTEMPTS):
        recording = _attempt(kind, np.random.default_rng([*seed, attempt]), make_world)
        if recording is not None and fits(recording):
            return recording
    raise RuntimeError(f"{kind} did not come about in {ATTEMPTS} attempts from seed {seed}")


def _attempt(
    kind: str, rng: np.random.Generator, make_world: Callable[[np.random.Generator, float], World]
) -> Recording | None:
    hours = HOURS if kind == GOOD else KINDS[kind].hours
    world = make_world(rng, float(rng.uniform(*hours)))
    anomaly = None if kind == GOOD else KINDS[kind](world)
    while world.time < DURATION:
        if anomaly is not None:
            anomaly.act()
        world.step()
        if world.collided:
            return None
    tracks = world.tracks()
    intervals = [] if anomaly is None else anomaly.intervals(tracks)
    if anomaly is not None and not intervals:
        return None
    return Recording(kind, world.hour, tracks, intervals, world.signal, world.rows)
