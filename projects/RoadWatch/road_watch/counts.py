"""Vehicles and speeds by lane and minute, as they pass."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from d2ext.data.trajectories import Flow, Road
from d2ext.data.trajectories.lanes import CLEAR, goes_on

SPAN = 60.0  # s
#: s after which a vehicle that is not seen is forgotten.
_MEMORY = 10.0


class LaneCounter:
    """The figures of :func:`d2ext.data.trajectories.lane_flow` of a recording that goes on.

    Args:
        road: whose lanes are counted.
        share: of each lane's length, where vehicles are counted.
    """

    def __init__(self, road: Road, share: float) -> None:
        self._place = {name: share * lane_length(line) for name, line in road.lanes.items()}
        # of each vehicle time, lane, m past the place, and whether it was past it when that was sure
        self._last: dict[int, tuple[float, str, float, bool]] = {}
        self._span: int | None = None
        self._sums: dict[str, list[float]] = {}  # vehicles and the sum of their speeds

    def update(self, time: float, rows: Iterable[tuple[int, str, float, float]]) -> list[Flow]:
        """Take the rows of a moment: track, lane, position (m), speed (m/s). Gives the lanes' figures of a
        minute that is over: a passage is counted in the minute of its later row."""
        span = int(time // SPAN)
        flows = self.finish() if self._span is not None and span > self._span else []
        self._span = span
        for number, lane, position, speed in rows:
            before, past = self._last.get(number), float(position - self._place[lane])
            on = before is not None and (
                before[1] == lane or goes_on(past - before[2], speed, time - before[0])
            )
            side = past >= 0 if before is None or not on or abs(past) > CLEAR else before[3]
            if before is not None and on and side != before[3]:
                sums = self._sums.setdefault(lane, [0, 0.0])
                sums[0] += 1
                sums[1] += speed
            self._last[number] = time, lane, past, side
        late = [number for number, (seen, *_) in self._last.items() if time - seen > _MEMORY]
        for number in late:
            del self._last[number]
        return flows

    def finish(self) -> list[Flow]:
        """The figures of the minute that goes on, which ends here."""
        if self._span is None:
            return []
        flows = []
        for lane in self._place:
            count, total = self._sums.get(lane, (0, 0.0))
            mean = total / count if count else float("nan")
            flows.append(Flow(lane, self._span * SPAN, int(count), mean))
        self._sums, self._span = {}, None
        return flows

    def state(self) -> dict[str, Any]:
        """Plain values, for :meth:`restore`."""
        return {"last": [[i, *at] for i, at in self._last.items()], "span": self._span, "sums": self._sums}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from :meth:`state`."""
        self._last = {int(i): (time, lane, past, side) for i, time, lane, past, side in state["last"]}
        self._span, self._sums = state["span"], {k: list(v) for k, v in state["sums"].items()}


def lane_length(line: Any) -> float:
    """m along a centre line (P, 2)."""
    step = line[1:] - line[:-1]
    return float(((step**2).sum(1) ** 0.5).sum())
