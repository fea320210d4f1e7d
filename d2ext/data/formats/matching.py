"""Whether two label rows are of the same object: files differ in digits, in alpha and in how angles wrap."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

BOX_TOLERANCE = 1.0  # pixels
LENGTH_TOLERANCE = 0.1  # metres
ANGLE_TOLERANCE = 0.1  # radians


def same_object(a: dict[str, Any], b: dict[str, Any]) -> bool:
    """Whether the boxes of two annotations agree, apart from rounding; their classes are not compared."""
    return _distance(a, b) <= 1


def find_object(annotation: dict[str, Any], among: Iterable[dict[str, Any]]) -> dict[str, Any] | None:
    """Of some annotations the closest one that has the same class and is the same object, or None."""
    same_class = [other for other in among if other["category_id"] == annotation["category_id"]]
    best = min(same_class, key=lambda other: _distance(annotation, other), default=None)
    return best if best is not None and same_object(annotation, best) else None


def _distance(a: dict[str, Any], b: dict[str, Any]) -> float:
    """Largest difference in units of its tolerance."""
    parts = [_largest(a["bbox"], b["bbox"]) / BOX_TOLERANCE]
    if a["has_3d"] != b["has_3d"]:
        return math.inf
    if a["has_3d"]:
        lengths = max(_largest(a[key], b[key]) for key in ("location", "dimensions"))
        turn = math.remainder(a["yaw"] - b["yaw"], 2 * math.pi)
        parts += [lengths / LENGTH_TOLERANCE, abs(turn) / ANGLE_TOLERANCE]
    return max(parts)


def _largest(a: list[float], b: list[float]) -> float:
    return max(abs(x - y) for x, y in zip(a, b, strict=True))
