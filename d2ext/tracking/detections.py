"""What goes into a tracker, and what comes out of it: arrays, a row an object."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import numpy as np

Rows = TypeVar("Rows", bound="_Rows")


class _Rows:
    """Arrays of one length (or None), chosen from together."""

    def __len__(self) -> int:
        return len(self.scores)  # type: ignore[attr-defined]

    def select(self: Rows, rows: Any) -> Rows:
        """The rows of a mask or of indices."""
        parts = {f.name: getattr(self, f.name) for f in fields(self)}  # type: ignore[arg-type]
        chosen = {name: part[rows] for name, part in parts.items() if isinstance(part, np.ndarray)}
        return replace(self, **chosen)  # type: ignore[type-var]


@dataclass(frozen=True)
class Detections(_Rows):
    """M objects in one picture.

    Ground coordinates: x to the right and y ahead of the camera on the ground below it, metres; headings from
    +x towards +y. Where there is no calibration there are ``boxes`` only.

    Attributes:
        scores: (M,) from 0 to 1.
        classes: (M,) int.
        position: (M, 2) x, y of the middle of the box, or None.
        heading: (M,) rad, or None.
        size: (M, 3) height, width, length, m, or None.
        elevation: (M,) m, of the lower face above the ground, or None.
        boxes: (M, 4) x1, y1, x2, y2, pixels, or None.
    """

    scores: np.ndarray
    classes: np.ndarray
    position: np.ndarray | None = None
    heading: np.ndarray | None = None
    size: np.ndarray | None = None
    elevation: np.ndarray | None = None
    boxes: np.ndarray | None = None

    def __post_init__(self) -> None:
        """
        Raises:
            ValueError: names the array that has another shape, or a number that is not finite.
        """
        count = len(np.atleast_1d(np.asarray(self.scores)))
        shapes = {"scores": (), "position": (2,), "heading": (), "size": (3,), "elevation": (), "boxes": (4,)}
        for name, shape in shapes.items():
            value = getattr(self, name)
            if value is None:
                continue
            array = np.asarray(value, np.float64)
            if array.shape != (count, *shape):
                raise ValueError(f"detections: {name}: expected {(count, *shape)}, got {array.shape}")
            if not np.isfinite(array).all():
                raise ValueError(f"detections: {name}: expected finite numbers")
            object.__setattr__(self, name, array)
        classes = np.asarray(self.classes)
        if classes.shape != (count,) or (classes.dtype.kind not in "iu" and count):
            raise ValueError(f"detections: classes: expected ({count},) whole numbers, got {classes.shape}")
        object.__setattr__(self, "classes", classes.astype(np.int64))


@dataclass(frozen=True)
class Tracked(_Rows):
    """The tracks at one time, in the coordinates of :class:`Detections`.

    Attributes:
        time: s.
        ids: (N,) int, from 1 in the order in which tracks were first reported.
        classes: (N,) int, by vote.
        scores: (N,) mean of the detections' scores, of later ones more.
        position, heading, size, elevation, boxes: as :class:`Detections`; None in the other mode.
        velocity: (N, 2) m/s, or pixels/s in the image.
        speed: (N,) m/s along the heading, negative backwards; pixels/s in the image.
        yaw_rate: (N,) rad/s, 0 in the image.
        deviation: (N,) m or pixels, standard deviation of the place in its least certain direction.
        first: (N,) s, time of the first detection.
        missed: (N,) s since the last detection, 0 where there is one now.
        hits: (N,) int, detections so far.
        detection: (N,) int, index into the detections of this time, -1 where there is none.
    """

    time: float
    ids: np.ndarray
    scores: np.ndarray
    classes: np.ndarray
    velocity: np.ndarray
    speed: np.ndarray
    yaw_rate: np.ndarray
    deviation: np.ndarray
    first: np.ndarray
    missed: np.ndarray
    hits: np.ndarray
    detection: np.ndarray
    position: np.ndarray | None = None
    heading: np.ndarray | None = None
    size: np.ndarray | None = None
    elevation: np.ndarray | None = None
    boxes: np.ndarray | None = None
