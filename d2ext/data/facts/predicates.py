"""What people's sentences say beside what SynthRoad's do, as predicates of the same kind.

Numbers are right within their rounding, wrong from a whole step of their last digit and 5 % off, and left
open between: who says "about 30 meters" may have measured to another point of the object.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from d2ext.data.synthroad import predicates as P
from d2ext.data.synthroad.labels import Label
from d2ext.data.synthroad.truth import Predicate, Truth, band, every

_SHARE = 0.05
_SIZES = ("height", "width", "length")


def _near(error: float, value: float, step: float) -> Truth:
    return band(error, step / 2 + 0.011, step + _SHARE * abs(value))


@dataclass(frozen=True)
class Away(Predicate):
    """So many metres away: along the view, along the ground or straight, whichever fits; ``step`` is the
    worth of the last digit."""

    kind: ClassVar[str] = "distance"
    meters: float
    step: float
    forward: bool = False

    def span(self, label: Label) -> tuple[float, float]:
        """The least and the largest of these distances."""
        x, y, z = label.location
        if self.forward:
            return z, z
        found = (z, math.hypot(x, z), math.sqrt(x * x + y * y + z * z))
        return min(found), max(found)

    def holds(self, label: Label, others: Sequence[Label]) -> Truth:
        """By how far the number is out of the span."""
        low, high = self.span(label)
        return _near(max(low - self.meters, self.meters - high, 0.0), self.meters, self.step)


@dataclass(frozen=True)
class Aside(Predicate):
    """So many metres to my left (negative) or right."""

    kind: ClassVar[str] = "lateral"
    meters: float
    step: float

    def holds(self, label: Label, others: Sequence[Label]) -> Truth:
        """By x."""
        return _near(abs(label.location[0] - self.meters), self.meters, self.step)


@dataclass(frozen=True)
class Measures(Predicate):
    """A height, width or length in metres."""

    kind: ClassVar[str] = "size"
    what: str
    meters: float
    step: float

    def holds(self, label: Label, others: Sequence[Label]) -> Truth:
        """By the label's."""
        size = label.size[_SIZES.index(self.what)]
        return _near(abs(size - self.meters), self.meters, self.step)


@dataclass(frozen=True)
class Side(Predicate):
    """left, right or ahead of me, by place or by direction, whichever is kinder."""

    kind: ClassVar[str] = "side"
    side: str

    def holds(self, label: Label, others: Sequence[Label]) -> Truth:
        """Ahead: within 1.3 m or 6 degrees, not from 3 m and 8 degrees on. Aside: from 1.8 m or 6 degrees
        on, not 0.2 m on the other side."""
        x, _, z = label.location
        degrees = math.degrees(math.atan2(x, z))
        if self.side == "ahead":
            if abs(x) <= 1.3 or abs(degrees) <= 6:
                return True
            return False if abs(x) >= 3 and abs(degrees) >= 8 else None
        sign = -1 if self.side == "left" else 1
        if sign * x >= 1.8 or sign * degrees >= 6:
            return True
        return False if sign * x <= -0.2 else None


#: Colours that people tell apart, and what else each may be taken for.
_ALIKE = {
    "white": "gray silver beige",
    "black": "gray blue brown",
    "gray": "white black silver blue brown beige",
    "silver": "white gray",
    "red": "orange brown purple pink",
    "blue": "black gray purple cyan",
    "green": "cyan yellow gray",
    "yellow": "orange green beige gold",
    "brown": "red orange black gray beige gold",
    "orange": "red yellow brown gold",
    "purple": "red blue pink",
    "pink": "red purple white",
    "beige": "white gray yellow brown gold",
    "gold": "yellow brown beige orange",
    "cyan": "blue green",
}
COLORS = tuple(_ALIKE)


def compatible(said: Sequence[str], other: Sequence[str]) -> Truth:
    """Whether two namings can be of one thing: True of a common colour, None of one that is alike."""
    if not said or not other or not all(c in _ALIKE for c in (*said, *other)):
        return None
    if set(said) & set(other):
        return True
    alike = any(a in _ALIKE[b].split() or b in _ALIKE[a].split() for a in said for b in other)
    return None if alike else False


@dataclass(frozen=True)
class Colored(Predicate):
    """Of one of some colours."""

    kind: ClassVar[str] = "appearance"
    colors: tuple[str, ...]

    def holds(self, label: Label, others: Sequence[Label]) -> Truth:
        """By the label's; None where it has none, or one that is like these."""
        return compatible(self.colors, (label.color,) if label.color else ())


def _is_such(label: Label, name: P.Named, colors: tuple[str, ...], others: Sequence[Label]) -> Truth:
    """Whether a label is of a name and, if any, of one of some colours."""
    named = name.holds(label, others)
    return every((named, Colored(colors).holds(label, others))) if colors else named


@dataclass(frozen=True)
class Facing(Predicate):
    """Facing me, away, left, right, or either side, as seen from the camera."""

    kind: ClassVar[str] = "facing_direction"
    directions: tuple[str, ...]

    def holds(self, label: Label, others: Sequence[Label]) -> Truth:
        """By the observation angle: sure within 32 degrees of a direction, false from 50 on."""
        apart = [
            abs(math.remainder(label.alpha - P.FACING_ANGLES[name], 2 * math.pi)) for name in self.directions
        ]
        return band(math.degrees(min(apart)), 32.0, 50.0)


@dataclass(frozen=True)
class Visible(Predicate):
    """How much of it shows: level 0 all, 1 not all, 2 little, 3 hardly anything."""

    kind: ClassVar[str] = "occlusion"
    level: int

    def holds(self, label: Label, others: Sequence[Label]) -> Truth:
        """By what hides it; what is outside of the picture makes it hardly visible too."""
        if self.level == 3:
            if label.truncated >= 0.3 or label.hidden >= 0.45:
                return True
            return False if label.hidden <= 0.14 and label.truncated <= 0.1 else None
        if math.isnan(label.hidden):
            return False if self.level == 0 and label.truncated >= 0.5 else None
        return P.Occlusion(self.level).holds(label, others)


@dataclass(frozen=True)
class AtEdge(Predicate):
    """At the left, right, top or bottom edge of the picture."""

    kind: ClassVar[str] = "place"
    side: str
    image_size: tuple[int, int]

    def holds(self, label: Label, others: Sequence[Label]) -> Truth:
        """By the share of the picture between its box and that edge: sure to 5 %, false from 20 % on."""
        height, width = self.image_size
        x1, y1, x2, y2 = label.box
        apart = {"left": x1 / width, "right": 1 - x2 / width, "top": y1 / height, "bottom": 1 - y2 / height}
        return band(apart[self.side], 0.05, 0.2)


@dataclass(frozen=True)
class InMiddle(Predicate):
    """In the middle of the picture."""

    kind: ClassVar[str] = "place"
    image_size: tuple[int, int]

    def holds(self, label: Label, others: Sequence[Label]) -> Truth:
        """In its middle third; not in its outer quarters."""
        middle = (label.box[0] + label.box[2]) / 2 / self.image_size[1]
        return band(abs(middle - 0.5), 1 / 6, 1 / 4)


@dataclass(frozen=True)
class Beside(Predicate):
    """In one of the places of :class:`~d2ext.data.synthroad.predicates.RelativeTo`, or next to, an object of
    a name and perhaps a colour."""

    kind: ClassVar[str] = "relation"
    relation: str
    name: P.Named
    colors: tuple[str, ...] = ()

    def holds(self, label: Label, others: Sequence[Label]) -> Truth:
        """True of one such object, False if it is in that place of none; None where no such is labelled."""
        found = [
            other
            for other in others
            if other is not label and _is_such(other, self.name, self.colors, others) is not False
        ]
        truths = {self._is_beside(label, other, others) for other in found}
        return True if True in truths else (None if None in truths or not truths else False)

    def _is_beside(self, label: Label, other: Label, others: Sequence[Label]) -> Truth:
        if self.relation == "next_to":
            x, z = (a - b for a, b in zip(label.location[::2], other.location[::2], strict=True))
            place = band(math.hypot(x, z), 5.0, 15.0)
        else:
            place = P.RelativeTo(self.relation, other).holds(label, others)
        return every((place, _is_such(other, self.name, self.colors, others)))


@dataclass(frozen=True)
class Ranked(Predicate):
    """The first of its category in one of SynthRoad's orders."""

    kind: ClassVar[str] = "order"
    category: str
    order: str

    def holds(self, label: Label, others: Sequence[Label]) -> Truth:
        """Among its category alone, and None where what may be taken for it is before it."""
        extreme = P.Extreme(self.category, self.order)
        same = [other for other in others if other.category == self.category]
        truth = extreme.holds(label, same)
        return truth if truth is not True or extreme.holds(label, others) is True else None


@dataclass(frozen=True)
class Count(Predicate):
    """There are so many of a name and perhaps a colour: in the ``whole`` picture, or of what is meant."""

    kind: ClassVar[str] = "count"
    number: int
    name: P.Named
    colors: tuple[str, ...] = ()
    whole: bool = False

    def holds(self, label: Label, others: Sequence[Label]) -> Truth:
        """By those in the picture."""
        truths = [_is_such(other, self.name, self.colors, others) for other in others]
        sure, most = truths.count(True), truths.count(True) + truths.count(None)
        if sure == most == self.number:
            return True
        return None if sure <= self.number <= most else False
