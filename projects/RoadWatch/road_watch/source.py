"""Pictures from a file, a folder or a stream, read ahead in a thread."""

from __future__ import annotations

import logging
import os
import queue
import threading
import time as clock
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from detectron2.config import CfgNode

from d2ext.data.frames import ImageFiles, VideoFile

logger = logging.getLogger(__name__)
_END = object()


@dataclass(frozen=True)
class Picture:
    """One picture.

    Attributes:
        number: from 0, as the source counts.
        time: s from the beginning of the recording.
        image: (H, W, 3) uint8 BGR.
    """

    number: int
    time: float
    image: np.ndarray


class Folder:
    """The images of a folder, by name.

    Args:
        rate: pictures a second.
    """

    live = False

    def __init__(self, path: Path, rate: float) -> None:
        self._files = ImageFiles([path])
        self.fps = rate

    def open(self, start: int) -> Iterator[Picture]:
        """Pictures from number ``start`` on."""
        for number, frame in enumerate(self._files.items[start:], start):
            yield Picture(number, number / self.fps, self._files.read(frame))


class Video:
    """A video file."""

    live = False

    def __init__(self, path: Path) -> None:
        self._path = path
        self.fps = VideoFile(path).fps

    def open(self, start: int) -> Iterator[Picture]:
        """Pictures from number ``start`` on; those that cannot be decoded are left out with a warning."""
        for frame, image in VideoFile(self._path):
            number = frame.head["frame"]
            if isinstance(image, Exception):
                logger.warning("%s", image)
            elif number >= start:
                yield Picture(number, frame.head["time"], image)


class Stream:
    """A camera's stream, such as rtsp://; its times are those at which pictures come.

    Args:
        address: that OpenCV opens.
        silence: s after which it has stopped.
        epoch: s of the clock at which the recording began; 0: now.
        capture: gives pictures until the stream stops; None: OpenCV.
    """

    live = True
    fps = 10.0  # of annotated video, where the pictures' rate is not known

    def __init__(
        self,
        address: str,
        silence: float,
        epoch: float = 0.0,
        capture: Callable[[], Iterator[np.ndarray]] | None = None,
    ) -> None:
        self._address, self._silence = address, silence
        self.epoch = epoch or clock.time()
        self._capture = capture or self._opened
        self._number = -1
        self._time = -1.0

    def open(self, start: int) -> Iterator[Picture]:
        """Pictures as they come, numbered from ``start`` on, or on from the last one."""
        self._number = max(self._number, start - 1)
        for image in self._capture():
            self._number += 1
            self._time = max(self._time + 0.001, round(clock.time() - self.epoch, 3))
            yield Picture(self._number, self._time, image)

    def _opened(self) -> Iterator[np.ndarray]:
        os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
        wait = round(1000 * self._silence)
        options = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, wait, cv2.CAP_PROP_READ_TIMEOUT_MSEC, wait]
        video = cv2.VideoCapture(self._address, cv2.CAP_FFMPEG, options)
        try:
            while video.isOpened():
                good, image = video.read()
                if not good or image is None:
                    return
                yield image
        finally:
            video.release()


Source = Folder | Video | Stream


def make_source(text: str, settings: CfgNode, epoch: float = 0.0) -> Source:
    """What ``--input`` names.

    Raises:
        FileNotFoundError, ValueError: no such file, or none that can be read.
    """
    if "://" in text:
        return Stream(text, settings.SILENCE, epoch)
    path = Path(text)
    return Folder(path, settings.FOLDER_RATE) if path.is_dir() else Video(path)


class Reader:
    """Reads ahead in a thread. Pictures of a stream that come while ``QUEUE`` of them wait push the oldest
    out, and are counted; a file waits. A stream that stops is opened again and again.

    Args:
        settings: ``ROAD_WATCH.SOURCE``.
        start: number of the first picture.
        after: s; pictures are later than this.
        in_time: read a file as fast as it was recorded, and drop pictures as of a stream.

    Attributes:
        read, dropped: pictures so far, those that ``FPS`` leaves out not among them.
        stopped: how often a stream did.
    """

    def __init__(
        self, source: Source, settings: CfgNode, start: int = 0, after: float = -1.0, in_time: bool = False
    ) -> None:
        self._source, self._settings, self._start = source, settings, start
        self._in_time = in_time and not source.live
        self._after = after
        self._queue: queue.Queue[Any] = queue.Queue(settings.QUEUE)
        self._closed = threading.Event()
        self.read = self.dropped = self.stopped = 0
        self._thread = threading.Thread(target=self._run, name="reader", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Picture]:
        while True:
            item = self._queue.get()
            if item is _END:
                return
            if isinstance(item, Exception):
                raise item
            yield item

    def close(self) -> None:
        """Stop reading."""
        self._closed.set()
        self._thread.join(self._settings.SILENCE + 1)

    def _run(self) -> None:
        try:
            self._read_all()
        except Exception as error:  # goes on in the thread that looks
            self._put(error)
        self._put(_END)

    def _read_all(self) -> None:
        first, longest = self._settings.BACK_OFF
        delay = first
        while not self._closed.is_set():
            reason = "it ended"
            try:
                for picture in self._source.open(self._start):
                    delay = first
                    self._take(picture)
                    if self._closed.is_set():
                        return
            except (OSError, ValueError, cv2.error) as error:
                if not self._source.live:
                    raise
                reason = str(error)[:100]
            if not self._source.live:
                return
            self.stopped += 1
            logger.warning("the stream stopped (%s): opened again in %g s", reason, delay)
            self._closed.wait(delay)
            delay = min(2 * delay, longest)

    def _take(self, picture: Picture) -> None:
        if picture.time <= self._after or self._tick(picture.time) == self._tick(self._after):
            return
        self._after = picture.time
        if self._in_time:
            self._wait(picture.time)
        self.read += 1
        self._put(picture)

    def _tick(self, time: float) -> float:
        """The same for pictures of which one alone is looked at."""
        rate = self._settings.FPS
        return np.floor(time * rate + 1e-6) if rate else time

    def _wait(self, time: float) -> None:
        now = clock.monotonic()
        if not hasattr(self, "_zero"):
            self._zero = now - time
        self._closed.wait(max(0.0, self._zero + time - now))

    def _put(self, item: Any) -> None:
        late = (self._source.live or self._in_time) and isinstance(item, Picture)
        while not self._closed.is_set():
            try:
                return self._queue.put(item, timeout=0 if late else 0.2)
            except queue.Full:
                if late:
                    try:
                        self._queue.get_nowait()
                        self.dropped += 1
                    except queue.Empty:
                        pass
