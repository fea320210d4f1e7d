"""What sentences can say about an object, free of any language.

A predicate answers True, False or None for a label; None means borderline: no sentence may depend on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from d2ext.data.synthroad.geometry import wrap_angle
from d2ext.data.synthroad.labels import Label
from d2ext.data.synthroad.naming import KINDS, Extreme, IsCategory, IsKind, IsShape, Named
from d2ext.data.synthroad.truth import Predicate, Truth, band, every

__all__ = ["KINDS", "Extreme", "IsCategory", "IsKind", "IsShape", "Named"]  # of naming, beside those below

FACING_ANGLES = {"me": np.pi / 2, "away": -np.pi / 2, "right": 0.0, "left": np.pi}
_FACING_SURE, _FACING_NOT = np.radians(32.0), np.radians(58.0)


@dataclass(frozen=True)
class HasColor(Predicate):
    """Of what colour it is."""

    kind: ClassVar[str] = "appearance"
    color: str

    def holds(self, label: Label, others: Sequence[Label]) -> Truth:
        """By the colour that it was painted in."""
        return label.color == self.color


@dataclass(frozen=True)
class AtDistance(Predicate):
    """About so many metres away, measured along the ground."""

    kind: ClassVar[str] = "distance"
    meters: int

    def holds(self, label: Label, others: Sequence[Label]) -> Truth:
        """Sure within half a metre, false from 14 % (at least 3 m) off."""
        return band(abs(label.distance - self.meters), 0.5, max(3.0, 0.14 * self.meters))


@dataclass(frozen=True)
class AtDepth(Predicate):
    """So many metres ahead: z."""

    kind: ClassVar[str] = "depth"
    meters: float

    def holds(self, label: Label, others: Sequence[Label]) -> Truth:
        """Sure within rounding, false from 14 % (at least 3 m) off."""
        return band(abs(label.location[2] - self.meters), 0.051, max(3.0, 0.14 * self.meters))


@dataclass(frozen=True)
class Lateral(Predicate):
    """So many metres to my left (negative) or right."""

    kind: ClassVar[str] = "lateral"
    meters: float

    def holds(self, label: Label, others: Sequence[Label]) -> Truth:
        """Sure within rounding, false from a quarter (at least 1.5 m) off."""
        return band(abs(label.location[0] - self.meters), 0.051, max(1.5, 0.25 * abs(self.meters)))


@dataclass(frozen=True)
class OnSide(Predicate):
    """left, right or ahead of the camera, by x."""

    kind: ClassVar[str] = "side"
    side: str

    def holds(self, label: Label, others: Sequence[Label]) -> Truth:
        """By the lateral place in metres; None between ahead and aside."""
        x = label.location[0]
        if self.side == "ahead":
            return band(abs(x), 1.3, 3.0)
        return band(x if self.side == "left" else -x, -1.8, -0.4)


@dataclass(frozen=True)
class HasSize(Predicate):
    """Sizes in metres with one decimal; dimensions not spoken of are None."""

    kind: ClassVar[str] = "size"
    height: float | None = None
    width: float | None = None
    length: float | None = None

    def holds(self, label: Label, others: Sequence[Label]) -> Truth:
        """Every side that is named: sure within rounding, false from 30 % (at least 0.4 m) off."""
        said = (self.height, self.width, self.length)
        checks = [
            band(abs(size - value), 0.051, max(0.4, 0.3 * value))
            for size, value in zip(label.size, said, strict=True)
            if value is not None
        ]
        return every(checks)


@dataclass(frozen=True)
class Faces(Predicate):
    """me, away, left or right, as seen from the camera (observation angle)."""

    kind: ClassVar[str] = "facing_direction"
    direction: str

    def holds(self, label: Label, others: Sequence[Label]) -> Truth:
        """By the observation angle: sure within 32 degrees of the direction, false from 58 on."""
        return band(abs(wrap_angle(label.alpha - FACING_ANGLES[self.direction])), _FACING_SURE, _FACING_NOT)


@dataclass(frozen=True)
class Occlusion(Predicate):
    """Level 0 fully visible, 1 partly, 2 largely occluded; each with a margin."""

    kind: ClassVar[str] = "occlusion"
    level: int

    def holds(self, label: Label, others: Sequence[Label]) -> Truth:
        """By the share of its pixels that others hide; None within 0.05 of the levels' borders."""
        hidden = label.hidden
        if self.level == 0:
            return band(hidden, 0.06, 0.14)
        if self.level == 2:
            return band(-hidden, -0.55, -0.45)
        return every((band(-hidden, -0.14, -0.06), band(hidden, 0.45, 0.55)))


@dataclass(frozen=True)
class CutOff(Predicate):
    """Partly outside the image at its left or right border."""

    kind: ClassVar[str] = "truncation"
    side: str

    def holds(self, label: Label, others: Sequence[Label]) -> Truth:
        """False unless the box ends at that border of the image; None where less than 15 % is outside."""
        if self.side not in label.border:
            return False
        return band(-label.truncated, -0.15, 0.0)


@dataclass(frozen=True)
class RelativeTo(Predicate):
    """behind, in_front, left_of or right_of a neighbour, seen from the camera."""

    kind: ClassVar[str] = "relation"
    relation: str
    neighbour: Label

    def holds(self, label: Label, others: Sequence[Label]) -> Truth:
        """By the offset from the neighbour in metres along and across the view; False of the neighbour
        itself."""
        if label is self.neighbour:
            return False
        dx = label.location[0] - self.neighbour.location[0]
        dz = label.location[2] - self.neighbour.location[2]
        if self.relation in ("left_of", "right_of"):
            aside, apart = (dx if self.relation == "right_of" else -dx), abs(dz)
            sure, possible = 1.8 < aside < 8.0 and apart < 4.0, 0.0 < aside < 14.0 and apart < 10.0
        else:
            aside, apart = (dz if self.relation == "behind" else -dz), abs(dx)
            sure, possible = 3.5 < aside < 20.0 and apart < 1.5, 0.0 < aside < 40.0 and apart < 4.5
        return True if sure else (None if possible else False)


@dataclass(frozen=True)
class Within(Predicate):
    """Nearer than so many metres (or farther: beyond), by z and by the distance along the ground alike."""

    kind: ClassVar[str] = "distance"
    meters: int
    beyond: bool = False

    def holds(self, label: Label, others: Sequence[Label]) -> Truth:
        """By distance and depth, which both have to lie on one side; None within 3 % (at least 1 m) of the
        border."""
        margin = max(1.0, 0.03 * self.meters)
        if max(label.distance, label.location[2]) <= self.meters - margin:
            return not self.beyond
        if min(label.distance, label.location[2]) >= self.meters + margin:
            return self.beyond
        return None


@dataclass(frozen=True)
class HeightBetween(Predicate):
    """Object height in metres in [low, high], no object within 3 cm of an end."""

    kind: ClassVar[str] = "height"
    low: float
    high: float

    def holds(self, label: Label, others: Sequence[Label]) -> Truth:
        """None within 3 cm of either border."""
        height = label.size[0]
        return every(
            (
                band(height, self.high - 0.03, self.high + 0.03),
                band(-height, -self.low - 0.03, -self.low + 0.03),
            )
        )


@dataclass(frozen=True)
class InPlace(Predicate):
    """In a half or quarter of the image: horizontal and vertical are "", or left/right and top/bottom."""

    kind: ClassVar[str] = "place"
    horizontal: str
    vertical: str
    image_size: tuple[int, int]

    def holds(self, label: Label, others: Sequence[Label]) -> Truth:
        """By the middle of the box; None within 3 % of the image's size around its centre lines."""
        height, width = self.image_size
        x = (label.box[0] + label.box[2]) / 2 / (width - 1) - 0.5
        y = (label.box[1] + label.box[3]) / 2 / (height - 1) - 0.5
        checks = []
        if self.horizontal:
            checks.append(band(x if self.horizontal == "left" else -x, -0.03, 0.03))
        if self.vertical:
            checks.append(band(y if self.vertical == "top" else -y, -0.03, 0.03))
        return every(checks)


def fits(predicates: Sequence[Predicate], label: Label, labels: Sequence[Label]) -> Truth:
    """Whether a label satisfies all predicates among the labels of its image."""
    return every(predicate.holds(label, labels) for predicate in predicates)
