"""What can be said of an object beside its name and colour: its size, by its label, and what it has, by its
shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from d2ext.data.synthroad.labels import Label
from d2ext.data.synthroad.truth import Predicate, Truth, band

#: Side (0 height, 1 width, 2 length), metres from which on the word is true, and up to which it is false;
#: where the first is less, the word is true below.
SIZES: dict[str, tuple[int, float, float]] = {
    "long": (2, 6.5, 5.2),
    "short": (2, 3.6, 4.4),
    "tall": (0, 2.6, 2.15),
    "low": (0, 1.25, 1.55),
    "wide": (1, 2.2, 1.95),
    "narrow": (1, 0.85, 1.3),
}
#: Words that cannot both be true.
OPPOSITES = {
    "long": "short",
    "short": "long",
    "tall": "low",
    "low": "tall",
    "wide": "narrow",
    "narrow": "wide",
}


@dataclass(frozen=True)
class Feature:
    """What shapes have.

    Attributes:
        texts: what is said after a noun.
        sure: categories, or shapes as ``truck/box``, that have it.
        perhaps: those of which a reader may say either.
    """

    texts: tuple[str, ...]
    sure: frozenset[str]
    perhaps: frozenset[str]


def _feature(texts: str, sure: str, perhaps: str = "") -> Feature:
    return Feature(tuple(texts.split("; ")), frozenset(sure.split()), frozenset(perhaps.split()))


FEATURES: dict[str, Feature] = {
    "load bed": _feature(
        "with a flat load bed; with an open load bed",
        "truck/dropside truck/tipper car/pickup tricyclist/cargo",
        "truck/trailer barrow unknown_movable/trailer",
    ),
    "cargo box": _feature(
        "with a closed cargo box; with a box-shaped body",
        "truck/box truck/trailer",
        "van/panel van/microvan tricyclist/parcels motorcyclist/delivery unknown_movable/trailer bus",
    ),
    "tank": _feature("with a round tank; with a big barrel", "truck/tanker"),
    "windows": _feature(
        "with many windows; with rows of windows",
        "bus tram van/minibus",
        "van/minivan van/microvan car/mpv car/estate car/suv",
    ),
    "roof sign": _feature("with a sign on its roof", "car/taxi"),
    "boot": _feature("with a separate boot", "car/sedan", "car/taxi car/estate car/pickup"),
    "two wheels": _feature("on two wheels; with two wheels", "cyclist motorcyclist", "barrow tricyclist"),
    "three wheels": _feature("on three wheels; with three wheels", "tricyclist", "barrow"),
    "pedals": _feature("moved by pedals", "cyclist", "tricyclist"),
    "engine": _feature(
        "with an engine; driven by an engine", "car van truck bus motorcyclist", "tram tricyclist"
    ),
    "rails": _feature("on rails", "tram"),
    "on foot": _feature("on foot; that walks or stands", "pedestrian", "barrow"),
    "seat": _feature("that sits", "person_sitting", "cyclist motorcyclist tricyclist"),
    "handles": _feature("pushed by hand", "barrow", "unknown_movable/trolley unknown_movable/suitcase"),
    "umbrella": _feature("with an umbrella", "pedestrian/umbrella"),
    "bag": _feature("with a bag", "pedestrian/bag", "pedestrian unknown_movable/suitcase"),
    "cone": _feature("shaped like a cone", "trafficcone/cone"),
}


@dataclass(frozen=True)
class OfSize(Predicate):
    """Of a size; ``word`` is one of ``SIZES``."""

    kind: ClassVar[str] = "size"
    word: str

    def holds(self, label: Label, others: Sequence[Label]) -> Truth:
        """By a side of the 3D box; None between the borders, and without a 3D box."""
        side, true, false = SIZES[self.word]
        if not any(label.size):
            return None
        sign = 1.0 if true < false else -1.0
        return band(sign * label.size[side], sign * true, sign * false)


@dataclass(frozen=True)
class Has(Predicate):
    """Has something; ``what`` is one of ``FEATURES``."""

    kind: ClassVar[str] = "part"
    what: str

    def holds(self, label: Label, others: Sequence[Label]) -> Truth:
        """By category and shape; None where a reader may say either, and for shapes that are not known."""
        feature, names = FEATURES[self.what], {label.category, f"{label.category}/{label.shape}"}
        if names & feature.sure:
            return True
        own = f"{label.category}/"
        depends = any(name.startswith(own) for name in feature.sure | feature.perhaps)
        return None if names & feature.perhaps or (depends and not label.shape) else False
