"""The chain: pictures of a fixed camera in, tracks, alarms and counts out."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from detectron2.config import CfgNode

from d2ext.data.trajectories import Flow, Road, Tracks, tracks_on_road
from d2ext.data.trajectories.lanes import lane_directions
from d2ext.structures import Camera
from d2ext.tracking import Detections, GroundFrame, Tracked, Tracker, TrackerConfig

from .alarms import AlarmBook, Event, Signal
from .counts import LaneCounter
from .detector import Finder
from .learned import LearnedAlarms
from .rules import Rules, Vehicle


@dataclass(frozen=True)
class Look:
    """What is known after a picture.

    Attributes:
        number, time: of the picture; s.
        tracked: all tracks, on the ground.
        rows: of the vehicles on lanes, as TrajAD reads them.
        vehicles: the same with their direction and length.
        raised, over: events that begin and end with this picture.
        alarms: events that go on.
        flows: figures of lanes whose minute is over.
    """

    number: int
    time: float
    tracked: Tracked
    rows: Tracks
    vehicles: Sequence[Vehicle]
    raised: Sequence[Event]
    over: Sequence[Event]
    alarms: Sequence[Event]
    flows: Sequence[Flow]


class Watch:
    """Looks at one picture after the other. It neither reads nor writes anything: a server can use it.

    Args:
        cfg: with ``ROAD_WATCH``.
        finder: what finds the objects.
        road: its lanes; without any there are tracks only: neither rows, counts nor alarms.
        camera: of all pictures.
        ground: (4,) plane of the road.
        learned: a model of space-time graphs beside the rules.

    Raises:
        ValueError: settings that do not go together.
    """

    def __init__(
        self,
        cfg: CfgNode,
        finder: Finder,
        road: Road,
        camera: Camera,
        ground: Sequence[float],
        learned: LearnedAlarms | None = None,
    ) -> None:
        self._settings = cfg.ROAD_WATCH
        self.finder, self.road, self.camera, self.learned = finder, road, camera, learned
        self.frame = GroundFrame(ground)
        self.tracker = Tracker(tracker_config(self._settings.TRACKER, finder.class_names, ground))
        alarms = self._settings.ALARMS
        self._alarms = AlarmBook(alarms.LEAST_SECONDS, alarms.OVER_SECONDS, alarms.QUIET_SECONDS)
        self._rules = Rules(self._settings.RULES)
        self._counter = LaneCounter(road, self._settings.COUNT_LINE)
        self._turn, self._shift = _to_road(self.frame, road)
        self._last: tuple[float, Detections, np.ndarray] | None = None  # time, tracks, velocities

    def look(self, image: np.ndarray, number: int, time: float) -> Look:
        """Take a picture.

        Args:
            image: (H, W, 3) uint8 BGR.
            number: from 0; time: s, later than the last one's.

        Raises:
            ValueError: a picture of another size, or a time that is not later.
        """
        if image.shape[:2] != tuple(self.camera.image_size):
            expected = " x ".join(map(str, self.camera.image_size))
            raise ValueError(f"picture {number}: expected {expected} pixels, got {image.shape[:2]}")
        found = self.finder.find(image, number, self.expected(time))
        tracked = self.tracker.update(found, time)
        self._keep(tracked, time)
        rows, vehicles = self._on_lanes(tracked)
        signals: list[Signal] = []
        if self._settings.RULES.ENABLED:
            signals += self._rules.look(time, vehicles)
        if self.learned is not None:
            signals += self.learned.update(time, rows)
        raised, over = self._alarms.update(time, signals)
        flows = self._counter.update(time, ((v.id, v.lane, v.position, v.speed) for v in vehicles))
        return Look(number, time, tracked, rows, vehicles, raised, over, self._alarms.events, flows)

    def finish(self) -> tuple[list[Event], list[Flow]]:
        """The events and the minute that go on, which end here."""
        return self._alarms.finish(), self._counter.finish()

    def expected(self, time: float) -> np.ndarray | None:
        """(M, 4) 2D boxes in pixels where tracks should be, the most certain first; None where detection is
        to start cold."""
        if not self._settings.DETECTOR.WARM_START or self._last is None:
            return None
        before, tracks, velocity = self._last
        assert tracks.position is not None
        moved = replace(tracks, position=tracks.position + velocity * (time - before))
        boxes, _, valid = self.frame.boxes3d(moved).project(self.camera, clipped=True)
        visible = valid & (boxes[:, 2] - boxes[:, 0] > 1) & (boxes[:, 3] - boxes[:, 1] > 1)
        order = np.argsort(-tracks.scores, kind="stable")
        order = order[visible.numpy()[order]]
        return boxes.numpy()[order] if len(order) else None

    def _keep(self, tracked: Tracked, time: float) -> None:
        t = tracked
        tracks = Detections(t.scores, t.classes, t.position, t.heading, t.size, t.elevation)
        self._last = (time, tracks, t.velocity)

    def _on_lanes(self, tracked: Tracked) -> tuple[Tracks, list[Vehicle]]:
        """Rows are rounded as they are written, so that what follows does not depend on whether they were."""
        names = [str(name) for name in self.tracker.config.classes]
        wanted = np.array([names[kind] in self._settings.VEHICLES for kind in tracked.classes], bool)
        chosen = tracked.select(wanted)
        assert chosen.position is not None and chosen.heading is not None and chosen.size is not None
        place = chosen.position @ self._turn.T + self._shift
        velocity = chosen.velocity @ self._turn.T
        times = np.full(len(chosen), round(tracked.time, 3))
        if not self.road.lanes:
            return _NO_ROWS, []
        rows = tracks_on_road(chosen.ids, times, place, self.road, velocity)
        rows = replace(rows, position=np.round(rows.position, 2), speed=np.round(rows.speed, 2))
        facing = np.stack([np.cos(chosen.heading), np.sin(chosen.heading)], 1) @ self._turn.T
        along = lane_directions(self.road, rows.lane, rows.position)
        known = {int(number): i for i, number in enumerate(chosen.ids)}
        vehicles = []
        for i in range(len(rows)):
            number = int(rows.ids[rows.track[i]])
            own = known[number]
            forward = bool(facing[own] @ along[i] >= 0)
            position, speed = float(rows.position[i]), float(rows.speed[i])
            length = float(chosen.size[own, 2])
            age = float(tracked.time - chosen.first[own])
            vehicles.append(Vehicle(number, str(rows.lane[i]), position, speed, forward, length, age))
        return rows, vehicles

    @property
    def memory(self) -> float:
        """s of rows before now that :meth:`restore` wants."""
        return self.learned.memory if self.learned is not None else 0.0

    def state(self) -> dict[str, Any]:
        """All that the next picture depends on, as plain values for JSON."""
        content = {
            "tracker": base64.b64encode(self.tracker.state_bytes()).decode(),
            "alarms": self._alarms.state(),
            "rules": self._rules.state(),
            "counter": self._counter.state(),
            "learned": None if self.learned is None else self.learned.state(),
            "last": None,
        }
        if self._last is not None:
            time, tracks, velocity = self._last
            arrays = {name: getattr(tracks, name).tolist() for name in _KEPT}
            content["last"] = {"time": time, "velocity": velocity.tolist(), **arrays}
        return content

    def restore(self, state: Mapping[str, Any], rows: Tracks) -> None:
        """Go on from :meth:`state`.

        Args:
            rows: of the last :attr:`memory` seconds.

        Raises:
            ValueError: no such state.
        """
        try:
            self.tracker = Tracker.from_bytes(base64.b64decode(state["tracker"]), "saved tracker")
            self._alarms.restore(state["alarms"])
            self._rules.restore(state["rules"])
            self._counter.restore(state["counter"])
            if self.learned is not None:
                self.learned.restore(state["learned"], rows)
            last = state["last"]
            if last is not None:
                arrays = [np.array(last[name]).reshape(-1, *shape) for name, shape in _KEPT.items()]
                arrays[1] = arrays[1].astype(np.int64)
                velocity = np.array(last["velocity"]).reshape(-1, 2)
                self._last = (last["time"], Detections(*arrays), velocity)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"saved state: expected that of this chain: {error!r}"[:250]) from None


_NONE = np.zeros(0)
_NO_ROWS = Tracks(_NONE.astype(str), _NONE.astype(np.int64), _NONE, _NONE.astype(str), _NONE, _NONE)
_KEPT: dict[str, tuple[int, ...]] = {
    "scores": (), "classes": (), "position": (2,), "heading": (), "size": (3,), "elevation": (),
}  # fmt: skip


def tracker_config(settings: CfgNode, names: Sequence[str], ground: Sequence[float]) -> TrackerConfig:
    """Of ``ROAD_WATCH.TRACKER``.

    Raises:
        ValueError: settings that do not go together.
    """
    own = {name.lower(): value for name, value in settings.items()}
    a, b, c, d = (float(value) for value in ground)
    return TrackerConfig(classes=tuple(names), ground=(a, b, c, d), **own)


def _to_road(frame: GroundFrame, road: Road) -> tuple[np.ndarray, np.ndarray]:
    """(2, 2) and (2,) that lead from the ground below the camera to the road's x, y."""
    if road.camera_to_road is None:
        return np.eye(2), np.zeros(2)
    points = frame.to_camera(np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]))
    origin, right, ahead = points @ road.camera_to_road[:2, :3].T + road.camera_to_road[:2, 3]
    return np.stack([right - origin, ahead - origin], 1), origin
