"""A run: pictures from a source, through the chain, to files."""

from __future__ import annotations

import json
import logging
import re
import time as clock
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from detectron2.config import CfgNode

from d2ext.data.formats.kitti_tracking import kitti_tracks_text
from d2ext.data.formats.track_labels import labels_of_tracks
from d2ext.data.trajectories import Flow, flow_to_csv, tracks_to_csv
from d2ext.visualization.video import VideoWriter

from .alarms import Event
from .chain import Look, Watch
from .drawing import draw_look
from .notify import make_tellers
from .outputs import BOXES, COUNTS, EVENTS, TRACKS, Recorder
from .source import Picture, Reader, Source

logger = logging.getLogger(__name__)

#: Makes the chain for pictures of a size (height, width).
Maker = Callable[[tuple[int, int]], Watch]
_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 85]


@dataclass
class Tally:
    """What a run did: pictures looked at, read and dropped, stops of the stream, alarms, and seconds."""

    pictures: int = 0
    read: int = 0
    dropped: int = 0
    stopped: int = 0
    alarms: int = 0
    seconds: float = 0.0

    def line(self) -> str:
        """In words."""
        rate = self.pictures / self.seconds if self.seconds else 0.0
        said = f"{self.pictures} pictures ({rate:.1f} a second), {self.dropped} dropped, {self.alarms} alarms"
        return said + (f", the stream stopped {self.stopped} times" if self.stopped else "")


class Run:
    """Takes pictures to the end of the source, or for ever.

    Args:
        cfg: with ``ROAD_WATCH``.
        make: makes the chain once the size of the pictures is known.
        source: where they come from.
        recorder: where the results go.
        most: pictures to look at; 0: all.
        in_time: as :class:`~.source.Reader` has it.
        seen: called with each look and its picture, such as by a server.
    """

    def __init__(
        self,
        cfg: CfgNode,
        make: Maker,
        source: Source,
        recorder: Recorder,
        most: int = 0,
        in_time: bool = False,
        seen: Callable[[Look, np.ndarray], Any] | None = None,
    ) -> None:
        self._settings, self._make, self._source = cfg.ROAD_WATCH, make, source
        self._recorder, self._most, self._in_time, self._seen = recorder, most, in_time, seen
        self.tally = Tally()
        self.watch: Watch | None = None
        self._committed = -np.inf
        self._done = False
        self._last: tuple[int, float] | None = None  # number and time of the last picture
        output = self._settings.OUTPUT
        self._video = Parts(recorder.folder / "video", source.fps, output.VIDEO_SECONDS, output.VIDEO_PARTS)
        self._tellers = make_tellers(self._settings.NOTIFY, recorder.folder / EVENTS)

    def go(self) -> Tally:
        """Do it.

        Raises:
            ValueError, OSError: a picture of another size, a file that cannot be read, a full disk.
        """
        saved = self._recorder.state
        if saved is not None and saved["done"]:
            logger.warning("%s: this run is complete", self._recorder.folder)
            return self.tally
        start, after = (0, -1.0) if saved is None else (saved["number"] + 1, saved["time"])
        self._video.begin(start)
        began = clock.monotonic()
        reader = Reader(self._source, self._settings.SOURCE, start, after, self._in_time)
        try:
            for picture in reader:
                self._take(picture)
                self._count(reader)
                if self._most and self.tally.pictures >= self._most:
                    break
            else:
                self._finish()
            self._commit()
        finally:
            self._count(reader)
            self.tally.seconds = clock.monotonic() - began
            reader.close()
            self._video.close()
            for teller in self._tellers:
                teller.close(2 * self._settings.NOTIFY.TIMEOUT)
        return self.tally

    def close(self) -> None:
        """Let another run have the folder."""
        self._recorder.close()

    def _count(self, reader: Reader) -> None:
        if reader.dropped and not self.tally.dropped:
            logger.warning("the chain is late: pictures are dropped")
        self.tally.read, self.tally.dropped = reader.read, reader.dropped
        self.tally.stopped = reader.stopped

    def _take(self, picture: Picture) -> None:
        if self.watch is None:
            height, width = picture.image.shape[:2]
            self.watch = self._begin((height, width))
            self._committed = picture.time
        look = self.watch.look(picture.image, picture.number, picture.time)
        self._last = picture.number, picture.time
        self._record(look, picture)
        if self._seen is not None:
            self._seen(look, picture.image)
        self.tally.pictures += 1
        self.tally.alarms += len(look.raised)
        if picture.time - self._committed >= self._settings.OUTPUT.COMMIT_SECONDS:
            self._commit()

    def _begin(self, size: tuple[int, int]) -> Watch:
        """The chain as an earlier run left it."""
        watch, saved = self._make(size), self._recorder.state
        if saved is not None:
            rows = self._recorder.rows_since(saved["time"] - watch.memory)
            watch.restore(saved["watch"], rows)
            self._last = saved["number"], saved["time"]
        return watch

    def _record(self, look: Look, picture: Picture) -> None:
        assert self.watch is not None
        add = self._recorder.add
        add(TRACKS, tracks_to_csv(look.rows).split(b"\n", 1)[1])
        if self._settings.OUTPUT.BOXES:
            add(BOXES, box_rows(look, self.watch).encode())
        self._record_flows(look.flows)
        self._record_events([*look.raised, *look.over])
        if look.raised or self._video.seconds:
            drawn = draw_look(picture.image, look, self.watch)
            self._video.write(look.number, look.time, drawn)
            for event in look.raised:
                self._recorder.add_picture(event.picture, cv2.imencode(".jpg", drawn, _JPEG)[1].tobytes())

    def _record_events(self, events: Sequence[Event]) -> None:
        for event in events:
            self._recorder.add(EVENTS, (json.dumps(event.row()) + "\n").encode())

    def _record_flows(self, flows: Sequence[Flow]) -> None:
        self._recorder.add(COUNTS, flow_to_csv(list(flows)).split(b"\n", 1)[1])

    def _finish(self) -> None:
        """At the end of a recording."""
        saved = self._recorder.state
        if self.watch is None and saved is not None:
            self.watch = self._begin((saved["size"][0], saved["size"][1]))
        if self.watch is not None:
            events, flows = self.watch.finish()
            self._record_events(events)
            self._record_flows(flows)
            self._done = True

    def _commit(self) -> None:
        if self.watch is None or self._last is None:
            return
        number, time = self._last
        state = {
            "number": number,
            "time": time,
            "size": list(self.watch.camera.image_size),
            "epoch": getattr(self._source, "epoch", 0.0),
            "done": self._done,
            "watch": self.watch.state(),
        }
        self._recorder.commit(state, time)
        self._committed = time
        for teller in self._tellers:
            teller.tell(self._recorder.told)


def box_rows(look: Look, watch: Watch) -> str:
    """All tracks of a picture as rows of KITTI tracking's label_02."""
    labels = labels_of_tracks("", [look.time], [look.tracked], watch.frame.ground)
    boxes, _, valid = watch.frame.boxes3d(look.tracked).project(watch.camera, clipped=True)
    boxes[~valid] = 0
    labels = replace(labels, frame=labels.frame + look.number, boxes=boxes.numpy())
    return kitti_tracks_text(labels, watch.tracker.config.classes)


class Parts:
    """Annotated video in parts, ``NUMBER.mp4`` by the first picture's number. A part that was not complete
    when a run was killed cannot be played: it is removed, and the video goes on with the pictures after it.

    Args:
        seconds: of a part; 0: no video.
        most: parts that are kept, the latest; 0: all.
    """

    def __init__(self, folder: Path, fps: float, seconds: float, most: int = 0) -> None:
        self.seconds, self._folder, self._fps, self._most = seconds, folder, fps, most
        self._writer: VideoWriter | None = None
        self._began = 0.0

    def begin(self, number: int) -> None:
        """Remove what is not complete before pictures from ``number`` on are written."""
        for path in self._folder.glob("*.part.mp4"):
            logger.warning("%s: was not complete, removed", path)
            path.unlink()
        for path in self._folder.glob("*.mp4"):
            if re.fullmatch(r"\d+", path.stem) and int(path.stem) >= number:
                path.unlink()

    def write(self, number: int, time: float, picture: np.ndarray) -> None:
        """Add (H, W, 3) uint8 BGR."""
        if not self.seconds:
            return
        if self._writer is None or time - self._began >= self.seconds:
            self.close()
            self._writer = VideoWriter(self._folder / f"{number:08d}.part.mp4", self._fps)
            self._began = time
        self._writer.write(picture)

    def close(self) -> None:
        """Complete the part."""
        if self._writer is not None:
            self._writer.__exit__(None, None, None)
            path = self._writer.path
            path.replace(path.with_name(path.name.replace(".part", "")))
            self._writer = None
            for old in sorted(self._folder.glob("*.mp4"))[: -self._most] if self._most else ():
                old.unlink()
