"""The latest look of a run for any number of viewers: each picture is drawn once, when one asks for it."""

from __future__ import annotations

import json
import logging
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from d2ext.data.trajectories import Road, Tracks
from d2ext.visualization.anomaly import draw_anomalies
from d2ext.visualization.bev import draw_bev
from d2ext.visualization.canvas import draw_text

from .asker import Scene
from .chain import Look, Watch
from .drawing import ALARM, CALM, draw_look
from .outputs import EVENTS

logger = logging.getLogger(__name__)

VIEWS = ("picture", "above", "graph")
#: Alarms that are listed, those of them with a clip, seconds of a clip before and after the alarm, its
#: pictures a second and their width in pixels.
_ALARMS, _CLIPS, _BEFORE, _AFTER, _RATE, _WIDTH = 200, 30, 3.0, 3.0, 5.0, 480
#: Of the graph where no model draws one: seconds across, pixels of a second, and of a lane's height.
_SPAN, _SECOND, _LANE, _MARGIN = 90.0, 6, 84, 44
_DARK, _LINE, _TEXT = (34, 29, 27), (74, 66, 62), (190, 184, 180)


@dataclass
class Alarm:
    """An event and what was seen of it."""

    row: dict[str, Any]
    until: float = -1.0  # s, up to which pictures are added
    clip: list[bytes] = field(default_factory=list)


@dataclass(frozen=True)
class Moment:
    """A look, its picture (H, W, 3) uint8 BGR, and the chain that saw it."""

    look: Look
    image: np.ndarray
    watch: Watch
    heat: tuple[Any, np.ndarray] | None
    drawn: dict[str, bytes] = field(default_factory=dict)


class Live:
    """Takes what :class:`~.run.Run` sees, in the run's thread, and gives it to the threads of a server.

    Attributes:
        state: "none" (no video), "waiting", "on", "over" or "failed".
        error: a line, of "failed".
        folder: of the run's files.
        tally: of the run.
    """

    def __init__(self) -> None:
        self.state, self.error = "none", ""
        self.folder: Path | None = None
        self.tally: Any = None
        self._watch: Callable[[], Watch | None] = lambda: None
        self._moment: Moment | None = None
        self._runs = 0
        self._lock, self._drawing = threading.Lock(), threading.Lock()
        self._alarms: OrderedDict[int, Alarm] = OrderedDict()
        self._ring: deque[tuple[float, bytes]] = deque()
        self._rows: deque[tuple[float, Tracks]] = deque()

    def begin(self, run: Any, folder: Path) -> None:
        """A :class:`~.run.Run` begins; its earlier alarms are read from ``folder``."""
        self.state, self.error, self.folder, self.tally = "waiting", "", folder, run.tally
        self._watch = lambda: run.watch
        with self._lock:
            self._runs += 1
            self._alarms.clear()
            self._ring.clear()
            self._rows.clear()
            for line in _lines(folder / EVENTS):
                self._add(line)

    def seen(self, look: Look, image: np.ndarray) -> None:
        """Called by the run."""
        watch = self._watch()
        assert watch is not None
        learned = watch.learned
        heat = None
        if learned is not None and learned.graph is not None and learned.heat_map is not None:
            heat = learned.graph, learned.heat_map
        with self._lock:
            self._moment = Moment(look, image, watch, heat)
            self._rows.append((look.time, look.rows))
            while self._rows[0][0] < look.time - _SPAN:
                self._rows.popleft()
            for event in [*look.raised, *look.over]:
                self._add(event.row())
            self._film(look, image)
        self.state = "on"

    def end(self, error: str = "") -> None:
        """The run is over, and with it the alarms that went on."""
        with self._lock:
            for line in _lines(self.folder / EVENTS) if self.folder is not None else ():
                self._add(line)
        self.state, self.error = ("failed" if error else "over"), error

    def _add(self, row: Mapping[str, Any]) -> None:
        alarm = self._alarms.setdefault(int(row["id"]), Alarm({}))
        alarm.row = dict(row)
        while len(self._alarms) > _ALARMS:
            self._alarms.popitem(last=False)
        with_clip = [a for a in self._alarms.values() if a.clip]
        for old in with_clip[:-_CLIPS]:
            old.clip = []

    def _film(self, look: Look, image: np.ndarray) -> None:
        early = bool(self._ring) and look.time - self._ring[-1][0] < 1 / _RATE - 1e-6
        if early and not look.raised:
            return
        small = image
        if image.shape[1] > _WIDTH:
            size = (_WIDTH, max(1, round(image.shape[0] * _WIDTH / image.shape[1])))
            small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        data = jpeg(small, 75)
        self._ring.append((look.time, data))
        while self._ring[0][0] < look.time - _BEFORE:
            self._ring.popleft()
        for event in look.raised:
            alarm = self._alarms[event.id]
            alarm.clip, alarm.until = [d for _, d in self._ring], look.time + _AFTER
        raised = {event.id for event in look.raised}
        for number, alarm in self._alarms.items():
            if number not in raised and look.time <= alarm.until:
                alarm.clip.append(data)

    @property
    def number(self) -> int:
        """Of the latest picture; -1 before the first."""
        moment = self._moment
        return -1 if moment is None else moment.look.number

    def status(self) -> dict[str, Any]:
        """Plain values for JSON."""
        moment, tally = self._moment, self.tally
        content: dict[str, Any] = {"state": self.state, "error": self.error, "number": self.number}
        content["dropped"] = 0 if tally is None else tally.dropped
        if moment is None:
            return content
        look, (height, width) = moment.look, moment.image.shape[:2]
        speeds = [abs(vehicle.speed) for vehicle in look.vehicles]
        return content | {
            "time": round(look.time, 2),
            "size": [height, width],
            "tracks": len(look.tracked),
            "vehicles": len(look.vehicles),
            "kmh": round(3.6 * float(np.mean(speeds)), 1) if speeds else None,
            "alarms": [event.id for event in look.alarms],
            "lanes": len(moment.watch.road.lanes),
        }

    def view(self, name: str) -> tuple[int, bytes] | None:
        """Number and JPEG of one of ``VIEWS``; None before the first picture."""
        moment = self._moment
        if moment is None:
            return None
        with self._drawing:  # one draws, the others wait for it
            if name not in moment.drawn:
                moment.drawn[name] = jpeg(self._draw(moment, name))
        return moment.look.number, moment.drawn[name]

    def scene(self) -> Scene | None:
        """The latest picture, to be asked about."""
        moment = self._moment
        if moment is None:
            return None
        key = "live", self._runs, moment.look.number
        return Scene(key, moment.image, moment.watch.camera, moment.watch.frame.ground)

    def alarms(self) -> list[dict[str, Any]]:
        """The latest first: rows of events, with the number of pictures of the ``clip``."""
        with self._lock:
            return [a.row | {"clip": len(a.clip)} for a in reversed(self._alarms.values())]

    def clip(self, alarm: int, number: int) -> bytes | None:
        """A picture of an alarm's clip, JPEG."""
        with self._lock:
            clip = self._alarms[alarm].clip if alarm in self._alarms else []
            return clip[number] if 0 <= number < len(clip) else None

    def alarm_picture(self, alarm: int) -> bytes | None:
        """The annotated picture of when an alarm was raised, JPEG."""
        with self._lock:
            row = self._alarms[alarm].row if alarm in self._alarms else {}
        name = str(row.get("picture", ""))
        if self.folder is None or not name:
            return None
        path = (self.folder / name).resolve()
        inside = path.is_relative_to(self.folder.resolve())
        return path.read_bytes() if inside and path.suffix == ".jpg" and path.is_file() else None

    def _draw(self, moment: Moment, name: str) -> np.ndarray:
        look, watch = moment.look, moment.watch
        if name == "picture":
            return draw_look(moment.image, look, watch)
        if name == "above":
            guilty = {number for event in look.alarms for number in event.vehicles}
            colors = [ALARM if number in guilty else CALM for number in look.tracked.ids.tolist()]
            boxes = watch.frame.boxes3d(look.tracked).to("cpu")
            names = [str(number) for number in look.tracked.ids.tolist()]
            return draw_bev(boxes, names, colors, (560, 420), ground=watch.frame.ground, camera=watch.camera)
        if moment.heat is not None:
            graph, values = moment.heat
            threshold = float(getattr(watch.learned, "threshold", 0.0)) or max(float(values.max()), 1e-6)
            return draw_anomalies(graph, values, threshold)
        with self._lock:
            rows = list(self._rows)
        return draw_traffic(rows, watch.road, look.alarms)


def draw_traffic(
    rows: list[tuple[float, Tracks]], road: Road, alarms: Any, span: float = _SPAN
) -> np.ndarray:
    """A space-time graph without a model: a strip for each lane, time to the right, place upwards; vehicles
    of alarms red, others from orange (standing) to green.

    Args:
        rows: time (s) and vehicles, by time.
        road: the lanes.
        alarms: events that go on.

    Returns:
        uint8 BGR.
    """
    lanes = list(road.lanes)
    height, width = len(lanes) * _LANE + 24, _MARGIN + round(span * _SECOND) + 12
    canvas = np.full((height, width, 3), _DARK, np.uint8)
    if not lanes:
        draw_text(canvas, "no lanes are known (--road)", 8, 16, 13, _TEXT)
        return canvas
    now = rows[-1][0] if rows else 0.0
    start = max(0.0, now - span)
    guilty = {number for event in alarms for number in event.vehicles}
    lengths = {name: max(_length(line), 1.0) for name, line in road.lanes.items()}
    for i, name in enumerate(lanes):
        top = 4 + i * _LANE
        cv2.rectangle(canvas, (_MARGIN, top), (width - 8, top + _LANE - 8), _LINE, 1)
        draw_text(canvas, name, 8, top + _LANE // 2, 13, _TEXT)
    for seconds in range(int(np.ceil(start / 15)) * 15, int(start + span) + 1, 15):
        x = _MARGIN + round((seconds - start) * _SECOND)
        cv2.line(canvas, (x, 4), (x, height - 24), _LINE, 1)
        if x < width - 40:
            draw_text(canvas, f"{seconds} s", x, height - 6, 12, _TEXT)
    for time, tracks in rows:
        x = _MARGIN + round((time - start) * _SECOND)
        for k in range(len(tracks)):
            lane = str(tracks.lane[k])
            top = 4 + lanes.index(lane) * _LANE
            share = min(max(float(tracks.position[k]) / lengths[lane], 0.0), 1.0)
            y = round(top + _LANE - 10 - share * (_LANE - 12))
            quick = min(abs(float(tracks.speed[k])) / 14, 1.0)
            color = (90, round(140 + 80 * quick), round(240 - 150 * quick))
            number = int(tracks.ids[tracks.track[k]])
            cv2.circle(canvas, (x, y), 2, ALARM if number in guilty else color, -1, cv2.LINE_AA)
    return canvas


def jpeg(image: np.ndarray, quality: int = 85) -> bytes:
    """(H, W, 3) uint8 BGR -> a JPEG file."""
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def _length(line: Any) -> float:
    step = np.diff(np.asarray(line, float), axis=0)
    return float(np.linalg.norm(step, axis=1).sum())


def _lines(path: Path) -> list[dict[str, Any]]:
    """The rows of an earlier run's events; one that was cut off is left out."""
    if not path.is_file():
        return []
    rows = []
    for line in path.read_bytes().splitlines():
        try:
            rows.append(json.loads(line))
        except ValueError:
            logger.warning("%s: a line that is no JSON is left out", path)
    return rows
