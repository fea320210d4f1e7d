"""From what rules and models say of a moment to events that begin, last and end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Signal:
    """What a rule or a model says of a moment.

    Attributes:
        kind: such as "reversing"; "abnormal" where a model does not tell.
        by: who speaks: "rule" or "model".
        vehicles: numbers of their tracks, the responsible one first.
        score: from 1 on an alarm is due; rules say how far their limit is passed.
        keep: from here on one that was raised goes on.
        lane, position: where the first vehicle is, m along the lane.
        since: s, when it began; None: now.
        least: s for which it must last before an alarm is raised; None: as settings have it.
    """

    kind: str
    by: str
    vehicles: tuple[int, ...]
    score: float
    lane: str
    position: float
    keep: float = 1.0
    since: float | None = None
    least: float | None = None

    @property
    def key(self) -> str:
        """What is the same from moment to moment."""
        return f"{self.by}/{self.kind}/{self.vehicles[0] if self.vehicles else self.lane}"


@dataclass(frozen=True)
class Event:
    """An alarm.

    Attributes:
        id: number from 1 on, in the order in which alarms are raised.
        kind, by, vehicles: as in :class:`Signal`; vehicles that join later are added.
        start: s, when it began; raised: when the alarm was raised; end: when it was last seen, None while it
            goes on.
        place: lane, position where it was raised, and the range of positions so far.
        score: the greatest so far.
        picture: path in the output folder.
    """

    id: int
    kind: str
    by: str
    vehicles: tuple[int, ...]
    start: float
    raised: float
    end: float | None
    place: dict[str, Any]
    score: float
    picture: str = ""

    def row(self) -> dict[str, Any]:
        """As it is written; ``state`` is "raised" or "over"."""
        rounded = {
            name: None if value is None else round(value, 3)
            for name, value in (("start", self.start), ("raised", self.raised), ("end", self.end))
        }
        state = "raised" if self.end is None else "over"
        content = asdict(self) | rounded | {"vehicles": list(self.vehicles), "score": round(self.score, 3)}
        return {"id": self.id, "state": state} | content


@dataclass
class _Open:
    """What has been said for a while: of an event once ``event`` is there."""

    since: float
    last: float
    least: float
    event: Event | None = None


class AlarmBook:
    """Raises alarms with a minimum duration, and ends them after a silence.

    Args:
        least: s for which a signal must last, silences of half of that included; over: s of silence after
            which an alarm is over.
        quiet: s; no alarm is raised before.
    """

    def __init__(self, least: float, over: float, quiet: float = 0.0) -> None:
        self._least, self._over, self._quiet = least, over, quiet
        self._open: dict[str, _Open] = {}
        self._next = 1

    @property
    def events(self) -> list[Event]:
        """Those that go on."""
        return [item.event for item in self._open.values() if item.event is not None]

    def update(self, time: float, signals: Iterable[Signal]) -> tuple[list[Event], list[Event]]:
        """The signals of a moment -> events that are raised, and events that are over, now."""
        raised: list[Event] = []
        for signal in signals:
            item = self._open.get(signal.key)
            least = self._least if signal.least is None else signal.least
            if item is None:
                if signal.score < 1:
                    continue
                since = time if signal.since is None else min(signal.since, time)
                item = self._open[signal.key] = _Open(since, time, least)
            elif signal.score < (signal.keep if item.event is not None else 1):
                continue
            item.last, item.least = time, least
            if item.event is not None:
                item.event = _joined(item.event, signal)
                continue
            if time >= self._quiet and time - item.since >= item.least - 1e-6:
                item.event = self._raise(signal, item.since, time)
                raised.append(item.event)
        over = [key for key, item in self._open.items() if time - item.last > self._patience(item) - 1e-6]
        ended = [self._open.pop(key) for key in over]
        return raised, [replace(item.event, end=item.last) for item in ended if item.event is not None]

    def _patience(self, item: _Open) -> float:
        return self._over if item.event is not None else min(self._over, max(item.least / 2, 1e-3))

    def finish(self) -> list[Event]:
        """Events that go on at the end, as over."""
        ended = [replace(i.event, end=i.last) for i in self._open.values() if i.event is not None]
        self._open.clear()
        return ended

    def _raise(self, signal: Signal, since: float, time: float) -> Event:
        place = {"lane": signal.lane, "position": round(signal.position, 2)}
        place |= {"from": place["position"], "to": place["position"]}
        number, self._next = self._next, self._next + 1
        picture = f"pictures/{number:06d}.jpg"
        return Event(
            number, signal.kind, signal.by, signal.vehicles, since, time, None, place, signal.score, picture
        )

    def state(self) -> dict[str, Any]:
        """Plain values, for :meth:`restore`."""
        items = {key: asdict(item) for key, item in self._open.items()}
        return {"open": items, "next": self._next}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`state`."""
        self._next = int(state["next"])
        self._open = {}
        for key, item in state["open"].items():
            event = item["event"]
            if event is not None:
                event = Event(**{**event, "vehicles": tuple(event["vehicles"])})
            self._open[key] = _Open(item["since"], item["last"], item["least"], event)


def _joined(event: Event, signal: Signal) -> Event:
    position = round(signal.position, 2)
    low, high = min(event.place["from"], position), max(event.place["to"], position)
    more = tuple(v for v in signal.vehicles if v not in event.vehicles)
    return replace(
        event,
        vehicles=event.vehicles + more,
        place=event.place | {"from": low, "to": high},
        score=max(event.score, signal.score),
    )
