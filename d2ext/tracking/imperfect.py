"""Detections as a detector might make them of labelled objects: off, missed, invented. For tests of trackers
where there is no detector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .detections import Detections


@dataclass(frozen=True)
class Faults:
    """What is wrong with the detections.

    Attributes:
        along, along_share, across, across_share: as in ``TrackerConfig``, of the places.
        heading: rad, standard deviation.
        flipped: share of headings that point backwards.
        size: share of the sizes, standard deviation.
        missed: share of objects that are missed, each frame on its own.
        hidden: share of the time in which an object is hidden as a whole.
        hidden_seconds: s, how long at a time.
        invented: false detections a frame, on the average.
        other_class: share of detections of another class.
    """

    along: float = 0.2
    along_share: float = 0.01
    across: float = 0.15
    across_share: float = 0.003
    heading: float = 0.1
    flipped: float = 0.02
    size: float = 0.05
    missed: float = 0.1
    hidden: float = 0.1
    hidden_seconds: float = 1.5
    invented: float = 0.5
    other_class: float = 0.02


def imperfect(
    frames: Sequence[tuple[float, np.ndarray, Detections]], faults: Faults, seed: int, classes: int
) -> list[Detections]:
    """What is detected in each frame; the same for the same seed.

    Args:
        frames: time (s), (N,) names of the objects, and the objects as they are, on the ground.
        classes: how many there are.
    """
    rng = np.random.default_rng(seed)
    hidden = _hidden(frames, faults, rng)
    found = []
    for (_, names, truth), gone in zip(frames, hidden, strict=True):
        assert len(names) == len(truth)
        seen = truth.select((rng.random(len(truth)) >= faults.missed) & ~gone)
        found.append(_with_inventions(_noisy(seen, faults, rng, classes), truth, faults, rng))
    return found


def _hidden(
    frames: Sequence[tuple[float, np.ndarray, Detections]], faults: Faults, rng: np.random.Generator
) -> list[np.ndarray]:
    """(N,) bool of each frame: spans of ``hidden_seconds`` that begin at random."""
    until: dict[str, float] = {}
    gone, last = [], frames[0][0] if frames else 0.0
    for time, names, _ in frames:
        chance = faults.hidden * (time - last) / max(faults.hidden_seconds * (1 - faults.hidden), 1e-9)
        last = time
        for name, draw in zip(names.tolist(), rng.random(len(names)).tolist(), strict=True):
            if time >= until.get(name, -np.inf) and draw < chance:
                until[name] = time + faults.hidden_seconds
        gone.append(np.array([time < until.get(name, -np.inf) for name in names.tolist()], bool))
    return gone


def _noisy(truth: Detections, faults: Faults, rng: np.random.Generator, classes: int) -> Detections:
    assert truth.position is not None and truth.heading is not None and truth.size is not None
    count = len(truth)
    distance = np.hypot(*truth.position.T)
    ahead = truth.position / np.maximum(distance, 1e-9)[:, None]
    left = np.stack([-ahead[:, 1], ahead[:, 0]], 1)
    along = rng.normal(0, 1, count) * (faults.along + faults.along_share * distance)
    across = rng.normal(0, 1, count) * (faults.across + faults.across_share * distance)
    heading = truth.heading + rng.normal(0, faults.heading, count)
    heading += np.pi * (rng.random(count) < faults.flipped)
    other = rng.random(count) < faults.other_class
    return replace(
        truth,
        scores=np.clip(rng.normal(0.75, 0.15, count), 0.15, 0.99),
        classes=np.where(other, rng.integers(0, classes, count), truth.classes),
        position=truth.position + along[:, None] * ahead + across[:, None] * left,
        heading=heading,
        size=truth.size * np.exp(rng.normal(0, faults.size, (count, 3))),
    )


def _with_inventions(
    found: Detections, truth: Detections, faults: Faults, rng: np.random.Generator
) -> Detections:
    """False detections beside, as far from the true ones as those are from each other."""
    count = int(rng.poisson(faults.invented))
    if not count or not len(truth):
        return found
    assert truth.position is not None and truth.size is not None
    like = truth.select(rng.integers(0, len(truth), count))
    assert like.position is not None
    invented = replace(
        like,
        scores=rng.uniform(0.1, 0.6, count),
        position=like.position + rng.normal(0, 8.0, (count, 2)),
        heading=rng.uniform(-np.pi, np.pi, count),
    )
    parts: dict[str, Any] = {}
    for name in ("scores", "classes", "position", "heading", "size", "elevation", "boxes"):
        a, b = getattr(found, name), getattr(invented, name)
        parts[name] = None if a is None else np.concatenate([a, b])
    return Detections(**parts)
