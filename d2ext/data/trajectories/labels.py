"""Labels of a recording: which vehicles show what anomaly when; masks are drawn from them at any scale.

A label file is JSON: ``{"anomalies": [{"kind": "reversing", "tracks": [{"id": "17", "start": 31.2, "end":
40.4}, ...]}, ...]}``, times in s, ids as text, written as in the recording. The first track of an anomaly is
the responsible one. No anomalies: a normal recording.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from d2ext.reading import clear_errors, read_json, require

from .fields import finite
from .graph import SpaceTimeGraph
from .table import name_fault
from .tracks import Tracks

#: Pixels by which a mask reaches past the lines of its vehicles.
MASK_MARGIN = 2


@dataclass(frozen=True)
class Interval:
    """A vehicle and the time (s) in which it shows the anomaly."""

    track_id: str
    start: float
    end: float


@dataclass(frozen=True)
class LabelledAnomaly:
    """An anomaly and the vehicles that show it, the responsible one first."""

    kind: str
    intervals: tuple[Interval, ...]


@clear_errors
def read_labels(path: str | Path) -> list[LabelledAnomaly]:
    """Read a label file.

    Raises:
        FileNotFoundError, ValueError: names the file and the field.
    """
    anomalies = []
    for number, item in enumerate(require(read_json(Path(path)), "anomalies", list, str(path))):
        where = f"{path}: anomaly {number}"
        kind = require(item, "kind", str, where)
        if name_fault(kind):
            raise ValueError(f"{where}: field 'kind': expected {name_fault(kind)}")
        tracks = require(item, "tracks", list, where)
        if not tracks:
            raise ValueError(f"{where}: field 'tracks': expected at least one vehicle")
        intervals = []
        for track in tracks:
            name = require(track, "id", str, where)
            start, end = (finite(track, key, where) for key in ("start", "end"))
            if end < start:
                raise ValueError(f"{where}: vehicle {name[:40]!r}: end {end:g} s before start {start:g} s")
            intervals.append(Interval(name, start, end))
        anomalies.append(LabelledAnomaly(kind, tuple(intervals)))
    return anomalies


def labels_to_json(anomalies: Sequence[LabelledAnomaly], **notes: object) -> bytes:
    """A label file; ``notes`` are further fields for a reader."""
    items = []
    for anomaly in anomalies:
        tracks = [asdict(interval) for interval in anomaly.intervals]
        items.append({"kind": anomaly.kind, "tracks": [{"id": t.pop("track_id"), **t} for t in tracks]})
    return (json.dumps({**notes, "anomalies": items}, indent=1) + "\n").encode()


def check_labels(anomalies: Sequence[LabelledAnomaly], tracks: Tracks, path: str | Path) -> None:
    """Check that the vehicles of all anomalies are in the recording, at their times.

    Args:
        path: the label file, for the messages.

    Raises:
        ValueError: names the vehicle.
    """
    for number, anomaly in enumerate(anomalies):
        for interval in anomaly.intervals:
            where = f"{path}: anomaly {number}: vehicle {interval.track_id[:80]!r}"
            time = tracks.of(interval.track_id).time
            if not len(time):
                raise ValueError(f"{where} is not in the recording")
            if time[-1] < interval.start or time[0] > interval.end:
                raise ValueError(
                    f"{where} is there from {time[0]:g} to {time[-1]:g} s, "
                    f"not from {interval.start:g} to {interval.end:g} s"
                )


def anomaly_mask(graph: SpaceTimeGraph, anomalies: Sequence[LabelledAnomaly]) -> np.ndarray:
    """(H, W) bool: the lines of the labelled vehicles in their times, and ``MASK_MARGIN`` pixels around."""
    mask = np.zeros(graph.image.shape[:2], np.uint8)
    for anomaly in anomalies:
        for interval in anomaly.intervals:
            index = np.flatnonzero(graph.ids == interval.track_id)
            mask |= graph.covered(index, interval.start, interval.end)
    return cv2.dilate(mask, np.ones((2 * MASK_MARGIN + 1,) * 2, np.uint8)).astype(bool)
