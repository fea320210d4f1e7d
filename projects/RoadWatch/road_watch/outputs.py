"""The files of a run: they grow together with the state that a run goes on from, whatever ends it."""

from __future__ import annotations

import csv
import fcntl
import json
import logging
import os
import time as clock
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from d2ext.data.trajectories import Tracks
from d2ext.files import atomic_write, write_bytes
from d2ext.reading import read_json

logger = logging.getLogger(__name__)

TRACKS, BOXES, EVENTS, COUNTS = "tracks.csv", "boxes.txt", "events.jsonl", "counts.csv"
HEADERS = {
    TRACKS: b"track_id,time,lane,position,speed\n",
    BOXES: b"",
    EVENTS: b"",
    COUNTS: b"lane,start,vehicles,speed\n",
}
STATE = "state.json"
_FORMAT = 2
#: s between two places in TRACKS that are remembered, from which its end is read.
_MARK = 20.0
#: s before another try on a full disk.
_FIRST, _LONGEST = 0.5, 30.0


class Recorder:
    """Appends to the files of a folder. What is added is kept in memory until :meth:`commit`, which writes it
    and then the state, in which the sizes of the files are; a run that was killed cuts them to these sizes,
    so that nothing is there twice and nothing is missing.

    Args:
        folder: empty, or of an earlier run.
        identity: of the input and the settings; an earlier run must have had the same.
        patience: s for which a full disk is waited for.

    Attributes:
        state: of the earlier run, None of a new one.

    Raises:
        ValueError: the folder holds something else, or another run uses it.
        OSError: it cannot be written.
    """

    def __init__(self, folder: Path, identity: str, patience: float) -> None:
        self.folder, self._identity, self._patience = folder, identity, patience
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = open(folder / ".lock", "wb")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ValueError(f"{folder}: another run writes there") from None
        self._added = {name: bytearray() for name in HEADERS}
        self._pictures: dict[str, bytes] = {}
        self._sizes = dict.fromkeys(HEADERS, 0)
        self._marks: list[list[float]] = []
        self.state: dict[str, Any] | None = self._read()
        if not (folder / STATE).is_file():
            for name, header in HEADERS.items():
                self._added[name] += header
            self.commit(None, 0.0)  # whatever comes, the folder is this run's from now on
        self._cut()

    def _read(self) -> dict[str, Any] | None:
        path = self.folder / STATE
        if not path.is_file():
            others = [p.name for p in self.folder.iterdir() if not p.name.startswith(".")]
            if set(others) - set(HEADERS):
                raise ValueError(f"{self.folder}: expected an empty folder, or one of an earlier run")
            return None
        saved = read_json(path)
        if not isinstance(saved, dict) or saved.get("format") != _FORMAT:
            raise ValueError(f"{path}: expected the state of a run, format {_FORMAT}")
        if saved.get("identity") != self._identity and saved.get("state") is not None:
            raise ValueError(
                f"{self.folder}: holds a run of another input or with other settings, expected another folder"
            )
        self._sizes, self._marks = dict(saved["sizes"]), list(saved["marks"])
        for name, size in self._sizes.items():
            file = self.folder / name
            if size and (not file.is_file() or file.stat().st_size < size):
                raise ValueError(f"{file}: expected at least {size} bytes, as {STATE} has it")
        return saved["state"]

    def close(self) -> None:
        """Let others use the folder."""
        self._lock.close()

    def add(self, name: str, data: bytes) -> None:
        """To one of the files."""
        self._added[name] += data

    def add_picture(self, name: str, data: bytes) -> None:
        """A file of its own."""
        self._pictures[name] = data

    @property
    def told(self) -> int:
        """Bytes of EVENTS that are there for good."""
        return self._sizes[EVENTS]

    def commit(self, state: Mapping[str, Any] | None, time: float) -> None:
        """Write what was added, and the state after it. On a full disk it tries again until there is room.

        Args:
            time: s of the last row.

        Raises:
            OSError: there was none for too long.
        """
        delay, began = _FIRST, clock.monotonic()
        while True:
            try:
                return self._write(state, time)
            except OSError as error:
                if clock.monotonic() - began + delay > self._patience:
                    text = f"{self.folder}: cannot be written: {error.strerror}; start again to go on"
                    raise OSError(text) from None
                logger.warning("%s: %s; tried again in %g s", self.folder, error.strerror, delay)
                clock.sleep(delay)
                delay = min(2 * delay, _LONGEST)

    def _write(self, state: Mapping[str, Any] | None, time: float) -> None:
        for name, data in self._pictures.items():
            write_bytes(self.folder / name, data)
        self._cut()
        sizes = {}
        for name, added in self._added.items():
            sizes[name] = self._sizes[name] + len(added)
            if added or not sizes[name]:
                append(self.folder / name, bytes(added))
        marks = self._marks
        if not marks or time - marks[-1][0] >= _MARK:
            marks = [*marks, [time, sizes[TRACKS]]][-1000:]
        content = {
            "format": _FORMAT, "identity": self._identity, "sizes": sizes, "marks": marks, "state": state,
        }  # fmt: skip
        with atomic_write(self.folder / STATE) as file:
            file.write(json.dumps(content).encode())
        self._sizes, self._marks = sizes, marks
        self._added = {name: bytearray() for name in HEADERS}
        self._pictures = {}

    def _cut(self) -> None:
        """Make the files as long as the state has them."""
        for name, size in self._sizes.items():
            path = self.folder / name
            if path.is_file() and path.stat().st_size != size:
                os.truncate(path, size)

    def rows_since(self, time: float) -> Tracks:
        """The rows of TRACKS from ``time`` s on, as far as they are there for good."""
        before = [size for at, size in self._marks if at < time]
        start = int(before[-1]) if before else len(HEADERS[TRACKS])
        with open(self.folder / TRACKS, "rb") as file:
            file.seek(start)
            text = file.read(max(0, self._sizes[TRACKS] - start)).decode()
        fields = [row for row in csv.reader(text.splitlines()) if float(row[1]) >= time]
        return tracks_of(fields)


def append(path: Path, data: bytes) -> None:
    """Add to a file, and wait until it is on the disk."""
    with open(path, "ab") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def tracks_of(fields: Sequence[Sequence[str]]) -> Tracks:
    """Rows as TRACKS has them, in any order."""
    names = np.array([row[0] for row in fields], dtype=str)
    ids, track = np.unique(names, return_inverse=True)
    time, position, speed = (np.array([float(row[i]) for row in fields]) for i in (1, 3, 4))
    order = np.lexsort((time, track.reshape(-1)))
    lane = np.array([row[2] for row in fields], dtype=str)
    return Tracks(ids, track.reshape(-1)[order], time[order], lane[order], position[order], speed[order])
