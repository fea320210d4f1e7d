"""Milliseconds a frame that tracking takes, by the number of objects, beside AB3DMOT's published rules."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from d2ext.engine.benchmark import Clock, machine, milliseconds, write_table
from d2ext.tracking import Detections, Tracker, TrackerConfig
from d2ext.tracking.baselines import AB3DMOT

#: Objects in a picture, and pictures in a run.
_COUNTS, _FRAMES = (10, 100, 300), 60


def run(args: argparse.Namespace, clock: Clock) -> None:
    """What the command times; its arguments are the command's."""
    makers: dict[str, Callable[[], Any]] = {
        "turn": Tracker,
        "velocity": lambda: Tracker(TrackerConfig(motion="velocity")),
        "image": lambda: Tracker(TrackerConfig(motion="image")),
        "AB3DMOT": AB3DMOT,
    }
    rows = []
    for count in _COUNTS:
        frames = _traffic(count)
        runs = [_follow(make, frames) for make in makers.values()]
        rows.append([str(count), *(milliseconds(t / _FRAMES) for t in clock.alternate(*runs))])
    header = ("objects", *(f"{name}, ms a frame" for name in makers))
    write_table(args.output / "tracking.md", machine(clock), header, rows)


def _follow(make: Callable[[], Any], frames: Sequence[Detections]) -> Callable[[], object]:
    def follow() -> None:
        tracker = make()
        for number, found in enumerate(frames):
            tracker.update(found, number / 10)

    return follow


def _traffic(count: int) -> list[Detections]:
    """Cars on ten lanes, 14 m behind each other, of which one in ten is missed."""
    rng = np.random.default_rng(0)
    lane, place = np.arange(count) % 10, np.arange(count) // 10 * 14.0 + 15
    ahead = np.where(lane < 5, 1.0, -1.0)
    speed, size = ahead * (10 + rng.normal(0, 1, count)), np.tile([1.5, 1.8, 4.3], (count, 1))
    frames = []
    for number in range(_FRAMES):
        middle = np.stack([lane * 3.5 - 16, place + speed * number / 10], 1)
        places = middle + rng.normal(0, 0.25, (count, 2))
        corner = np.stack([960 + 30 * middle[:, 0], 20 * middle[:, 1]], 1)
        found = Detections(
            rng.uniform(0.5, 1, count),
            np.zeros(count, np.int64),
            places,
            ahead * np.pi / 2 + rng.normal(0, 0.1, count),
            size,
            np.zeros(count),
            np.concatenate([corner, corner + [54.0, 86.0]], 1),
        )
        frames.append(found.select(rng.random(count) > 0.1))
    return frames
