"""Plain rules about vehicles on lanes: what is wrong with this moment, by numbers that anybody can check."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from detectron2.config import CfgNode

from .alarms import Signal


@dataclass(frozen=True)
class Vehicle:
    """A vehicle on a lane.

    Attributes:
        id: number of its track.
        lane, position: m along the lane.
        speed: m/s along the lane, negative against it.
        forward: whether it faces along the lane.
        length: m.
        age: s since it was first seen.
    """

    id: int
    lane: str
    position: float
    speed: float
    forward: bool
    length: float
    age: float = math.inf


#: m by which two vehicles of a lane may seem to overlap before one of them is none.
_OVERLAP = 1.0
_KEEP = 0.5  # of the speed against the lane at which an alarm is raised: from there it goes on
_EPSILON = 1e-6  # s, by which times may be rounded


class Rules:
    """Says of each moment what the vehicles do that they should not.

    Args:
        rules: ``ROAD_WATCH.RULES``.
    """

    def __init__(self, rules: CfgNode) -> None:
        self._r = rules
        self._lines: dict[str, list[float]] = {}
        for lane, place in rules.STOP_LINES:
            self._lines.setdefault(str(lane), []).append(float(place))
        # Of each vehicle its lane, another one on which it seems to be and since when, and the times at which
        # it changed lanes.
        self._lane: dict[int, str] = {}
        self._next: dict[int, tuple[str, float]] = {}
        self._changes: dict[int, deque[float]] = {}
        self._seen: dict[int, float] = {}

    def look(self, time: float, vehicles: Sequence[Vehicle]) -> list[Signal]:
        """The signals of a moment."""
        lanes: dict[str, list[Vehicle]] = {}
        for vehicle in sorted(vehicles, key=lambda v: -v.position):
            lanes.setdefault(vehicle.lane, []).append(vehicle)
        signals: list[Signal] = []
        for lane in lanes.values():
            signals += self._queue(lane)
            for i, vehicle in enumerate(lane):
                ahead = lane[i - 1] if i else None
                behind = lane[i + 1] if i + 1 < len(lane) else None
                signals += self._alone(vehicle, ahead)
                signals += self._changing(time, vehicle, behind)
        self._forget(time)
        return signals

    def _alone(self, v: Vehicle, ahead: Vehicle | None) -> Iterator[Signal]:
        r = self._r
        if abs(v.speed) < r.STANDING_SPEED:
            if not self._waits(v, ahead):
                yield _signal("stopped", v, 1.0, least=r.STANDING_SECONDS)
            return
        least = r.SURE_SECONDS if v.age < r.SURE_SECONDS else None  # which a younger track cannot have
        if v.speed <= -_KEEP * r.AGAINST_SPEED:
            kind = "reversing" if v.forward else "wrong_way"
            yield _signal(kind, v, -v.speed / r.AGAINST_SPEED, _KEEP, least=least)
        elif v.speed > r.SPEED_LIMIT:
            yield _signal("speeding", v, v.speed / (r.SPEED_LIMIT * r.SPEEDING), 0.9, least=least)

    def _waits(self, v: Vehicle, ahead: Vehicle | None) -> bool:
        """Whether it has a reason to stand: someone before it, or a stop line."""
        if ahead is not None and _gap(v, ahead) < self._r.FREE_METRES:
            return True
        return self._at_line(v)

    def _at_line(self, v: Vehicle) -> bool:
        front = v.position + v.length / 2
        return any(-3.0 <= line - front <= self._r.STOP_METRES for line in self._lines.get(v.lane, ()))

    def _changing(self, time: float, v: Vehicle, behind: Vehicle | None) -> Iterator[Signal]:
        self._seen[v.id] = time
        changes = self._changes.get(v.id)
        if self._has_changed(time, v):
            if changes is None:
                changes = self._changes[v.id] = deque(maxlen=self._r.WEAVING_CHANGES)
            changes.append(time)
            if behind is not None and behind.speed > 1.0 and _gap(behind, v) > -_OVERLAP:
                left = max(_gap(behind, v), 0.1) / behind.speed
                if left < self._r.CUT_IN_SECONDS:
                    yield _signal("cut_in", v, self._r.CUT_IN_SECONDS / left, others=(behind.id,), least=0.0)
        full = changes is not None and len(changes) == self._r.WEAVING_CHANGES
        if full and changes is not None and time - changes[0] <= self._r.WEAVING_SECONDS:
            yield _signal("weaving", v, 1.0, least=0.0)

    def _has_changed(self, time: float, v: Vehicle) -> bool:
        """Whether it has been on another lane than its own for long enough: that is its own from now on."""
        lane = self._lane.setdefault(v.id, v.lane)
        if lane == v.lane:
            self._next.pop(v.id, None)
            return False
        other, since = self._next.get(v.id, ("", time))
        if other != v.lane:
            self._next[v.id] = v.lane, time
            since = time
        if time - since < self._r.LANE_SECONDS - _EPSILON:
            return False
        self._lane[v.id] = v.lane
        del self._next[v.id]
        return v.age >= self._r.SURE_SECONDS

    def _queue(self, lane: Sequence[Vehicle]) -> Iterator[Signal]:
        """Vehicles of a lane, the foremost first, that crawl behind each other for no reason."""
        row: list[Vehicle] = []
        for vehicle in [*lane, None]:
            crawls = vehicle is not None and abs(vehicle.speed) < self._r.QUEUE_SPEED
            near = bool(row) and vehicle is not None and _gap(vehicle, row[-1]) < self._r.FREE_METRES
            if vehicle is not None and crawls and (near or not row):
                row.append(vehicle)
                continue
            if len(row) >= self._r.QUEUE_VEHICLES and not any(map(self._at_line, row)):
                others = tuple(v.id for v in row[1:])
                score = len(row) / self._r.QUEUE_VEHICLES
                least = self._r.STANDING_SECONDS / 2
                yield _signal("phantom_queue", row[0], score, others=others, least=least)
            row = [vehicle] if vehicle is not None and crawls else []

    def _forget(self, time: float) -> None:
        late = [i for i, seen in self._seen.items() if time - seen > self._r.WEAVING_SECONDS]
        for number in late:
            self._seen.pop(number)
            self._lane.pop(number)
            self._next.pop(number, None)
            self._changes.pop(number, None)

    def state(self) -> dict[str, Any]:
        """Plain values, for :meth:`restore`."""
        changes = {str(i): list(times) for i, times in self._changes.items()}
        known = {str(i): [lane, self._seen[i]] for i, lane in self._lane.items()}
        coming = {str(i): [*lane] for i, lane in self._next.items()}
        return {"known": known, "coming": coming, "changes": changes}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from :meth:`state`."""
        self._lane = {int(i): lane for i, (lane, _) in state["known"].items()}
        self._seen = {int(i): seen for i, (_, seen) in state["known"].items()}
        self._next = {int(i): (lane, since) for i, (lane, since) in state["coming"].items()}
        most = self._r.WEAVING_CHANGES
        self._changes = {int(i): deque(times, most) for i, times in state["changes"].items()}


def _gap(behind: Vehicle, ahead: Vehicle) -> float:
    return ahead.position - behind.position - (ahead.length + behind.length) / 2


def _signal(
    kind: str,
    v: Vehicle,
    score: float,
    keep: float = 1.0,
    others: tuple[int, ...] = (),
    least: float | None = None,
) -> Signal:
    score = score if math.isfinite(score) else 0.0
    return Signal(kind, "rule", (v.id, *others), score, v.lane, v.position, keep=keep, least=least)
