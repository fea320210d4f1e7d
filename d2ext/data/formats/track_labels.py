"""Labelled tracks of a sequence, whatever they were read from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from d2ext.reading import found_value
from d2ext.structures.vocabulary import Vocabulary
from d2ext.tracking import Detections, GroundFrame, Tracked

from .kitti import parse_floats, parse_label

#: One labelled object: index of its frame, name of its track, annotation of :func:`.kitti.parse_label`.
Row = tuple[int, str, dict[str, Any]]


@dataclass(frozen=True)
class TrackLabels:
    """N boxes of a sequence, frame by frame, as KITTI has them: x right, y down, z ahead, in metres from the
    sensor.

    Attributes:
        name: of the sequence.
        times: (F,) s, of all its frames, those without objects included.
        ground: (4,) plane on which the boxes stand, None for the x-z plane.
        frame: (N,) int, index into ``times``, not falling.
        ids: (N,) names of the tracks, as text.
        classes: (N,) int.
        scores: (N,) 1 where the file has none.
        boxes: (N, 4) x1, y1, x2, y2, pixels; 0 where there is no 2D label.
        has_3d: (N,) bool; where it is False the next three are 0.
        location: (N, 3) middle of the lower face.
        size: (N, 3) height, width, length.
        yaw: (N,) KITTI's ry.
        truncated, occluded: (N,).
        ignored_frame, ignored_boxes: (R,) and (R, 4): regions in which objects are not labelled.
    """

    name: str
    times: np.ndarray
    ground: tuple[float, ...] | None
    frame: np.ndarray
    ids: np.ndarray
    classes: np.ndarray
    scores: np.ndarray
    boxes: np.ndarray
    has_3d: np.ndarray
    location: np.ndarray
    size: np.ndarray
    yaw: np.ndarray
    truncated: np.ndarray
    occluded: np.ndarray
    ignored_frame: np.ndarray
    ignored_boxes: np.ndarray

    def __len__(self) -> int:
        return len(self.frame)

    def select(self, rows: np.ndarray) -> TrackLabels:
        """The rows of a mask or of rising indices; all frames stay."""
        kept = ("name", "times", "ground", "ignored_frame", "ignored_boxes")
        parts = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in kept}
        return replace(self, **{name: part[rows] for name, part in parts.items()})

    def rows_of(self, frame: int) -> slice:
        """Where the rows of a frame lie."""
        start, end = np.searchsorted(self.frame, [frame, frame + 1])
        return slice(int(start), int(end))

    def frame_of_ground(self) -> GroundFrame:
        """Between these boxes and the ground."""
        return GroundFrame(self.ground)

    def detections(self) -> list[Detections]:
        """The 3D boxes of each frame on the ground, as if a detector had found them."""
        frame, found = self.frame_of_ground(), []
        for number in range(len(self.times)):
            rows = np.arange(len(self))[self.rows_of(number)]
            rows = rows[self.has_3d[rows]]
            numbers = (self.location, self.size, self.yaw, self.scores, self.classes, self.boxes)
            found.append(frame.detections(*(part[rows] for part in numbers)))
        return found


def labels_of_tracks(
    name: str, times: Sequence[float] | np.ndarray, tracked: Sequence[Tracked], ground: Any = None
) -> TrackLabels:
    """What a tracker gave for each frame of a sequence, as labels.

    Args:
        ground: (4,) plane of the tracker, None for the x-z plane.
    """
    frame = GroundFrame(ground)
    counts = [len(t) for t in tracked]

    def column(parts: Sequence[np.ndarray], *shape: int) -> np.ndarray:
        return np.concatenate([np.zeros((0, *shape)), *parts])

    on_ground = [t for t in tracked if t.position is not None]
    places = [frame.to_kitti(t) for t in on_ground]
    has_3d = len(on_ground) == len(tracked)
    empty = np.zeros((sum(counts), 3))
    return TrackLabels(
        name,
        np.asarray(times, np.float64),
        frame.ground,
        np.repeat(np.arange(len(counts)), counts),
        column([t.ids for t in tracked]).astype(np.int64).astype(str),
        column([t.classes for t in tracked]).astype(np.int64),
        column([t.scores for t in tracked]),
        column([np.zeros((len(t), 4)) if t.boxes is None else t.boxes for t in tracked], 4),
        np.full(sum(counts), has_3d),
        column([p[0] for p in places], 3) if has_3d else empty,
        column([p[1] for p in places], 3) if has_3d else empty,
        column([p[2] for p in places]) if has_3d else empty[:, 0],
        empty[:, 0],
        empty[:, 0].astype(np.int64),
        np.zeros(0, np.int64),
        np.zeros((0, 4)),
    )


def track_labels(
    name: str,
    times: Sequence[float] | np.ndarray,
    rows: Sequence[Row],
    regions: Sequence[tuple[int, list[float]]] = (),
    ground: Sequence[float] | None = None,
) -> TrackLabels:
    """Labels out of rows in any order.

    Args:
        regions: frame and box of each.

    Raises:
        ValueError: a track twice in a frame.
    """
    rows = sorted(rows, key=lambda row: row[0])
    seen: set[tuple[int, str]] = set()
    for frame, track, _ in rows:
        if (frame, track) in seen:
            raise ValueError(f"{name}: track {track[:40]!r} twice in the frame at {times[frame]:g} s")
        seen.add((frame, track))

    def column(key: str, *shape: int) -> np.ndarray:
        return np.array([a[key] for _, _, a in rows], np.float64).reshape(-1, *shape)

    return TrackLabels(
        name,
        np.asarray(times, np.float64),
        None if ground is None else tuple(ground),
        np.array([row[0] for row in rows], np.int64),
        np.array([row[1] for row in rows], dtype=str),
        column("category_id").astype(np.int64),
        np.array([a.get("score", 1.0) for _, _, a in rows], np.float64),
        column("bbox", 4),
        column("has_3d").astype(bool),
        column("location", 3),
        column("dimensions", 3),
        column("yaw"),
        column("truncated"),
        column("occluded").astype(np.int64),
        np.array([frame for frame, _ in regions], np.int64),
        np.array([box for _, box in regions], np.float64).reshape(-1, 4),
    )


def upright_label(
    kind: str,
    centre: np.ndarray,
    size: Sequence[float],
    turn: float,
    where: str,
    vocabulary: Vocabulary,
    box: Sequence[float] = (0.0, 0.0, 0.0, 0.0),
    occluded: float = 0.0,
    truncated: float = 0.0,
) -> dict[str, Any] | None:
    """The annotation of a box in a frame with x ahead, y to the left and z up, in KITTI's terms.

    Args:
        kind: class.
        centre: (3,) middle of the box, m.
        size: height, width, length, m.
        turn: rad, of the heading from x towards y.

    Returns:
        None for types that are ignored.

    Raises:
        ValueError: as :func:`.kitti.parse_label`.
    """
    x, y, z = (float(value) for value in centre)
    yaw = np.remainder(-turn - np.pi / 2 + np.pi, 2 * np.pi) - np.pi
    location = (-y, -(z - size[0] / 2), x)
    alpha = np.remainder(yaw - np.arctan2(location[0], location[2]) + np.pi, 2 * np.pi) - np.pi
    numbers = (truncated, occluded, alpha, *box, *size, *location, yaw)
    return parse_label([kind, *(repr(float(n)) for n in numbers)], where, vocabulary)


def numbers_of(values: Sequence[Any], names: Sequence[str], where: str) -> list[float]:
    """Finite numbers of JSON, which may be given as texts.

    Raises:
        ValueError: names the field that is none.
    """
    for name, value in zip(names, values, strict=True):
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError(f"{where}: field {name!r}: expected a number, got {found_value(value)}")
    return parse_floats([str(value) for value in values], names, where)
