"""Labels of a recording: which vehicles show what anomaly when; masks are drawn from them at any scale.

A label file is JSON: ``{"anomalies": [{"kind": "reversing", "tracks": [{"id": "17", "start": 31.2, "end":
40.4}, ...]}, ...]}``, times in s. The first track of an anomaly is the responsible one. No anomalies: a
normal recording.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from d2ext.data.formats.records import read_json, require

from .spacetime import SpaceTimeGraph

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


def read_labels(path: str | Path) -> list[LabelledAnomaly]:
    """Read a label file.

    Raises:
        FileNotFoundError, ValueError: names the file and the field.
    """
    anomalies = []
    for number, item in enumerate(require(read_json(Path(path)), "anomalies", list, str(path))):
        where = f"{path}: anomaly {number}"
        kind = require(item, "kind", str, where)
        tracks = require(item, "tracks", list, where)
        if not tracks:
            raise ValueError(f"{where}: field 'tracks': expected at least one vehicle")
        intervals = []
        for track in tracks:
            values = (require(track, key, (int, float), where) for key in ("start", "end"))
            intervals.append(Interval(require(track, "id", str, where), *values))
        anomalies.append(LabelledAnomaly(kind, tuple(intervals)))
    return anomalies


def labels_to_json(anomalies: Sequence[LabelledAnomaly], **notes: object) -> bytes:
    """A label file; ``notes`` are further fields for a reader."""
    items = []
    for anomaly in anomalies:
        tracks = [asdict(interval) for interval in anomaly.intervals]
        items.append({"kind": anomaly.kind, "tracks": [{"id": t.pop("track_id"), **t} for t in tracks]})
    return (json.dumps({**notes, "anomalies": items}, indent=1) + "\n").encode()


def anomaly_mask(graph: SpaceTimeGraph, anomalies: Sequence[LabelledAnomaly]) -> np.ndarray:
    """(H, W) bool: the lines of the labelled vehicles in their times, and ``MASK_MARGIN`` pixels around."""
    mask = np.zeros(graph.image.shape[:2], np.uint8)
    for anomaly in anomalies:
        for interval in anomaly.intervals:
            index = np.flatnonzero(graph.ids == interval.track_id)
            mask |= graph.covered(index, interval.start, interval.end)
    return cv2.dilate(mask, np.ones((2 * MASK_MARGIN + 1,) * 2, np.uint8)).astype(bool)
