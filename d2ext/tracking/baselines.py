"""Two trackers to compare with: the nearest neighbour, and AB3DMOT by its published rules.

Both have the interface of :class:`~d2ext.tracking.Tracker` and count in frames, as published. AB3DMOT: X.
Weng, J. Wang, D. Held, K. Kitani, "3D Multi-Object Tracking: A Baseline and New Evaluation Metrics", IROS
2020, section III: a Kalman filter of x, y, z, heading, length, width, height with a constant velocity of the
first three, Hungarian assignment on 3D IoU of at least 0.01, a heading that is more than a quarter turn off
turned round, tracks shown after 3 detections and dropped after 2 frames without one; each class on its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from . import steady
from .detections import Detections, Tracked
from .overlap import overlap_3d
from .turning import wrap

#: AB3DMOT's noise: of the first state, of its velocity, of a step of the velocity, of a step, of a detection.
_FIRST, _FIRST_RATE, _RATE_STEP, _STEP, _NOISE = 10.0, 1e4, 0.01, 1.0, 1.0
MIN_HITS, MAX_AGE, MIN_IOU = 3, 2, 0.01


@dataclass
class _Object:
    number: int
    kind: int
    first: float
    score: float
    mean: np.ndarray  # (1, 8, 2): x, y, z, heading, height, width, length, (unused); value and rate a frame
    cov: np.ndarray
    hits: int = 1
    missed: int = 0
    row: int = -1  # of the last detection


def _state(found: Detections, row: int) -> np.ndarray:
    assert found.position is not None and found.heading is not None and found.size is not None
    z = 0.0 if found.elevation is None else found.elevation[row]
    return np.array([*found.position[row], z, found.heading[row], *found.size[row]])


def _report(objects: list[_Object], time: float, rate: float) -> Tracked:
    """Tracks as the trackers give them; ``rate`` frames a second."""
    mean = np.concatenate([o.mean for o in objects]) if objects else np.zeros((0, 7, 2))
    values, velocity = mean[..., 0], mean[:, :2, 1] * rate
    heading = wrap(values[:, 3])

    def column(name: str, kind: type = float) -> np.ndarray:
        return np.array([getattr(o, name) for o in objects], dtype=kind)

    return Tracked(
        time=time,
        ids=column("number", int),
        scores=column("score"),
        classes=column("kind", int),
        velocity=velocity,
        speed=velocity[:, 0] * np.cos(heading) + velocity[:, 1] * np.sin(heading),
        yaw_rate=np.zeros(len(objects)),
        deviation=np.zeros(len(objects)),
        first=column("first"),
        missed=column("missed") / rate,
        hits=column("hits", int),
        detection=column("row", int),
        position=values[:, :2],
        heading=heading,
        size=values[:, 4:7],
        elevation=values[:, 2],
    )


@dataclass
class NearestTracker:
    """Each detection belongs to the nearest last place of a track, nearest pairs first.

    Attributes:
        gate: m, the farthest.
        max_age: frames without a detection, after which a track is dropped.
        rate: frames a second.
    """

    gate: float = 3.0
    max_age: int = MAX_AGE
    rate: float = 10.0
    _objects: list[_Object] = field(default_factory=list)
    _count: int = 0

    def update(self, found: Detections, time: float) -> Tracked:
        """As :meth:`d2ext.tracking.Tracker.update`; shown is what has a detection now."""
        assert found.position is not None
        known = np.array([o.mean[0, :2, 0] for o in self._objects]).reshape(-1, 2)
        apart = np.linalg.norm(known[:, None] - found.position, axis=-1)
        free = np.ones(len(found), bool)
        for o in self._objects:
            o.missed, o.row = o.missed + 1, -1
        for pair in np.argsort(apart, axis=None, kind="stable"):
            i, j = np.unravel_index(pair, apart.shape)
            o = self._objects[int(i)]
            same = o.kind == found.classes[j]
            if apart[i, j] <= self.gate and free[j] and o.missed and same:
                state = _state(found, int(j))
                change = (state[:2] - o.mean[0, :2, 0]) / o.missed
                o.mean[0, :, 0], o.mean[0, :2, 1] = state, change
                o.hits, o.missed, o.row, o.score = o.hits + 1, 0, int(j), float(found.scores[j])
                free[j] = False
        self._objects = [o for o in self._objects if o.missed <= self.max_age]
        for j in np.flatnonzero(free).tolist():
            self._count += 1
            mean = np.stack([_state(found, j), np.zeros(7)], -1)[None]
            kind, score = int(found.classes[j]), float(found.scores[j])
            self._objects.append(_Object(self._count, kind, time, score, mean, mean, row=j))
        return _report([o for o in self._objects if not o.missed], time, self.rate)


@dataclass
class AB3DMOT:
    """The published rules.

    Attributes:
        rate: frames a second, for the speeds only.
    """

    rate: float = 10.0
    _objects: list[_Object] = field(default_factory=list)
    _count: int = 0
    _frames: int = 0

    def update(self, found: Detections, time: float) -> Tracked:
        """As :meth:`d2ext.tracking.Tracker.update`."""
        self._frames += 1
        rate_walk = np.array([1, 1, 1, 0, 0, 0, 0]) * np.sqrt(_RATE_STEP)
        for o in self._objects:
            o.mean, cov = steady.predict(o.mean, o.cov, 1.0, np.zeros(7))
            o.cov = cov + np.stack([np.full(7, _STEP), np.zeros(7), rate_walk**2], -1)
            o.mean[0, 3, 0] = wrap(o.mean[0, 3, 0])
            o.missed, o.row = o.missed + 1, -1
        taken = np.zeros(len(found), bool)
        for kind in sorted({o.kind for o in self._objects}):
            own = [o for o in self._objects if o.kind == kind]
            rows = np.flatnonzero(found.classes == kind)
            for i, j in self._pairs(own, found, rows):
                self._renew(own[i], found, int(rows[j]))
                taken[rows[j]] = True
        for j in np.flatnonzero(~taken).tolist():
            self._count += 1
            mean = np.stack([_state(found, j), np.zeros(7)], -1)[None]
            moving = np.array([1.0, 1, 1, 0, 0, 0, 0])
            cov = np.stack([np.full(7, _FIRST), np.zeros(7), _FIRST_RATE * moving], -1)[None]
            kind, score = int(found.classes[j]), float(found.scores[j])
            self._objects.append(_Object(self._count, kind, time, score, mean, cov, row=j))
        early = self._frames <= MIN_HITS
        shown = [o for o in self._objects if o.missed < MAX_AGE and (o.hits >= MIN_HITS or early)]
        self._objects = [o for o in self._objects if o.missed < MAX_AGE]
        return _report(shown, time, self.rate)

    @staticmethod
    def _pairs(own: list[_Object], found: Detections, rows: np.ndarray) -> list[tuple[int, int]]:
        if not len(rows):
            return []
        states = np.array([_state(found, j) for j in rows])
        i, j = (index.ravel() for index in np.indices((len(own), len(rows))))

        def boxes(values: np.ndarray) -> tuple[Any, ...]:
            return values[:, :2], values[:, 3], values[:, 4:7], values[:, 2]

        known = np.array([o.mean[0, :, 0] for o in own])
        iou = overlap_3d(*boxes(known[i]), *boxes(states[j])).reshape(len(own), len(rows))
        chosen = zip(*linear_sum_assignment(-iou), strict=True)
        return [(int(a), int(b)) for a, b in chosen if iou[a, b] >= MIN_IOU]

    @staticmethod
    def _renew(o: _Object, found: Detections, row: int) -> None:
        innovation = _state(found, row) - o.mean[0, :, 0]
        turn = wrap(innovation[3])
        if abs(turn) > np.pi / 2:  # the track turns round, then the rest is a small step
            o.mean[0, 3, 0] = wrap(o.mean[0, 3, 0] + np.pi)
            turn = wrap(turn + np.pi)
        innovation[3] = turn
        o.mean, o.cov = steady.update(o.mean, o.cov, innovation[None], np.full((1, 7), _NOISE))
        o.hits, o.missed, o.row, o.score = o.hits + 1, 0, row, float(found.scores[row])
