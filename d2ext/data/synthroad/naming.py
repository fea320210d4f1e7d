"""What an object may be called: its class, its shape, a kind of several classes; and which is the first."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from d2ext.data.synthroad.labels import Label
from d2ext.data.synthroad.truth import Predicate, Truth, band, every

# Categories a reader may take for one another.
CONFUSABLE = frozenset(
    frozenset(pair)
    for pair in (
        ("car", "van"), ("truck", "van"), ("bus", "van"), ("bus", "tram"), ("pedestrian", "person_sitting"),
        ("cyclist", "motorcyclist"), ("cyclist", "tricyclist"), ("motorcyclist", "tricyclist"),
        ("barrow", "tricyclist"), ("barrow", "unknown_movable"),
    )
)  # fmt: skip
#: Categories of a kind, and those of which a reader may say either.
KINDS: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    kind: (frozenset(sure.split()), frozenset(open_.split()))
    for kind, sure, open_ in (
        (
            "vehicle",
            "car van truck bus tram",
            "cyclist motorcyclist tricyclist barrow unknown_movable",
        ),
        ("person", "pedestrian person_sitting", "cyclist motorcyclist tricyclist"),
        ("two-wheeler", "cyclist motorcyclist", "tricyclist barrow"),
        ("rider", "cyclist motorcyclist", "tricyclist"),
        ("truck or bus", "truck bus", "van tram"),
        ("large vehicle", "truck bus tram", "van"),
        (
            "road user",
            "car van truck bus tram pedestrian cyclist motorcyclist tricyclist",
            "person_sitting barrow unknown_movable",
        ),
    )
}
#: Shapes that have a name, and those (or categories) that a reader may take for them.
SHAPES: dict[str, frozenset[str]] = {
    shape: frozenset(like.split())
    for shape, like in (
        ("car/sedan", "car/taxi car/estate car/hatchback"),
        ("car/hatchback", "car/mini car/mpv car/suv car/estate car/sedan"),
        ("car/estate", "car/mpv car/suv car/hatchback car/sedan"),
        ("car/suv", "car/mpv car/pickup car/estate van/minivan"),
        ("car/taxi", ""),
        ("car/pickup", "car/suv truck/dropside"),
        ("van/minivan", "car/mpv car/suv van/microvan van/minibus"),
        ("van/panel", "van/microvan van/minibus van/minivan truck/box"),
        ("van/minibus", "bus/midibus van/minivan van/panel van/microvan"),
        ("truck/box", "truck/trailer van/panel"),
        ("truck/tipper", "truck/dropside truck/trailer"),
        ("truck/tanker", "truck/trailer"),
        ("truck/dropside", "truck/tipper truck/trailer car/pickup"),
        ("bus/city", "bus/midibus bus/coach tram van/minibus"),
        ("pedestrian/umbrella", "cyclist tricyclist motorcyclist"),
        ("pedestrian/child", "person_sitting cyclist motorcyclist tricyclist"),
        ("motorcyclist/scooter", "motorcyclist/delivery motorcyclist/motorcycle"),
        ("motorcyclist/motorcycle", "motorcyclist/delivery motorcyclist/scooter"),
        ("tricyclist/cargo", "tricyclist/parcels barrow"),
        ("unknown_movable/suitcase", "barrow"),
        ("unknown_movable/animal", ""),
    )
}
#: Kinds of which some have the colour of a vehicle and some of clothes.
COLORLESS = frozenset({"two-wheeler", "rider", "road user"})
#: Categories without a name that people would use.
NAMELESS = frozenset({"unknown_movable", "unknown_unmovable"})
ORDERS = ("nearest", "farthest", "leftmost", "rightmost", "biggest")


@dataclass(frozen=True)
class Named(Predicate):
    """What kind of object it is; ``name`` is the key of its words in every language."""

    kind: ClassVar[str] = "objectname"

    @property
    @abstractmethod
    def name(self) -> str:
        """A category, a shape as ``car/taxi``, or one of KINDS."""


@dataclass(frozen=True)
class IsCategory(Named):
    """Of which category it is; ``strict``: also a car is no van, which a reader may confuse."""

    category: str
    strict: bool = True

    @property
    def name(self) -> str:
        """The category."""
        return self.category

    def holds(self, label: Label, others: Sequence[Label]) -> Truth:
        """By the label's class; None for a class that may be taken for it, unless strict."""
        if label.category == self.category:
            return True
        return None if not self.strict and {label.category, self.category} in CONFUSABLE else False


@dataclass(frozen=True)
class IsShape(Named):
    """Which shape of its category it has, one of SHAPES."""

    category: str
    shape: str

    @classmethod
    def of(cls, name: str) -> IsShape:
        """Of one of SHAPES."""
        category, shape = name.split("/")
        return cls(category, shape)

    @property
    def name(self) -> str:
        """Both in one."""
        return f"{self.category}/{self.shape}"

    def holds(self, label: Label, others: Sequence[Label]) -> Truth:
        """By the label's shape; None for what may be taken for it and where the shape is not known."""
        found = f"{label.category}/{label.shape}"
        if found == self.name:
            return True
        unknown = label.category == self.category and not label.shape
        return None if unknown or {found, label.category} & SHAPES[self.name] else False


@dataclass(frozen=True)
class IsKind(Named):
    """Of one of several categories, by a word for all of them: one of KINDS."""

    word: str

    @property
    def name(self) -> str:
        """The word."""
        return self.word

    def holds(self, label: Label, others: Sequence[Label]) -> Truth:
        """By the label's class; None for those of which a reader may say either."""
        sure, either = KINDS[self.word]
        return True if label.category in sure else (None if label.category in either else False)


@dataclass(frozen=True)
class Extreme(Predicate):
    """The first of its category, and of what may be taken for it, in one of ORDERS."""

    kind: ClassVar[str] = "order"
    category: str
    order: str

    def holds(self, label: Label, others: Sequence[Label]) -> Truth:
        """By its lead over all rivals; None where one of them is near, and without rivals."""
        if not self._rival(label):
            return False
        rivals = [other for other in others if other is not label and self._rival(other)]
        if not rivals:
            return None
        return every(self._before(label, other) for other in rivals)

    def _before(self, label: Label, other: Label) -> Truth:
        """Distance: by 8 % (at least 2 m). Place in the image: the middles of the boxes by half a box's width
        (at least 15 pixels). Size: by a sixth in volume and in the image alike."""
        if self.order in ("nearest", "farthest"):
            margin = max(2.0, 0.08 * label.distance)
            lead = other.distance - label.distance
            return band(-lead if self.order == "nearest" else lead, -margin, margin)
        if self.order == "biggest":
            leads = (_volume(label) / _volume(other), _area(label) / _area(other))
            truths = {band(-lead, -7 / 6, -6 / 7) for lead in leads}
            return truths.pop() if len(truths) == 1 else None
        (left, _, right, _), (other_left, _, other_right, _) = label.box, other.box
        margin = max(15.0, (right - left) / 2, (other_right - other_left) / 2)
        lead = (other_left + other_right - left - right) / 2
        return band(-lead if self.order == "leftmost" else lead, -margin, margin)

    def _rival(self, label: Label) -> bool:
        return label.category == self.category or {label.category, self.category} in CONFUSABLE


def _volume(label: Label) -> float:
    height, width, length = label.size
    return height * width * length


def _area(label: Label) -> float:
    left, top, right, bottom = label.box
    return max((right - left) * (bottom - top), 1.0)
