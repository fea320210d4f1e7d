"""What objects are called in English."""

from __future__ import annotations

import numpy as np

from d2ext.data.synthroad import predicates as P
from d2ext.data.synthroad.wording import is_person, pick

#: Singular and plural by the name of :class:`~d2ext.data.synthroad.naming.Named`. Many words that people use
#: are left out, so that it can be measured how a model takes words that it has not met.
_WORDS: dict[str, tuple[tuple[str, str], ...]] = {
    "car": (("car", "cars"),),
    "van": (("van", "vans"),),
    "truck": (("truck", "trucks"),),
    "bus": (("bus", "buses"),),
    "tram": (("tram", "trams"),),
    "pedestrian": (
        ("pedestrian", "pedestrians"), ("pedestrian", "pedestrians"), ("person on foot", "people on foot"),
    ),
    "person_sitting": (("sitting person", "sitting people"), ("seated person", "seated people")),
    "cyclist": (
        ("cyclist", "cyclists"), ("cyclist", "cyclists"), ("person on a bicycle", "people on bicycles"),
    ),
    "motorcyclist": (
        ("motorcyclist", "motorcyclists"), ("motorcycle", "motorcycles"),
        ("person on a motorcycle", "people on motorcycles"),
    ),
    "tricyclist": (("tricycle", "tricycles"), ("tricyclist", "tricyclists")),
    "barrow": (("barrow", "barrows"), ("hand barrow", "hand barrows")),
    "trafficcone": (("traffic cone", "traffic cones"), ("cone", "cones")),
    "car/sedan": (("sedan", "sedans"),),
    "car/hatchback": (("hatchback", "hatchbacks"),),
    "car/estate": (("estate car", "estate cars"), ("station wagon", "station wagons")),
    "car/suv": (("SUV", "SUVs"), ("off-road car", "off-road cars")),
    "car/taxi": (("taxi", "taxis"), ("cab", "cabs")),
    "car/pickup": (("pickup", "pickups"), ("pickup truck", "pickup trucks")),
    "van/minivan": (("minivan", "minivans"),),
    "van/panel": (("panel van", "panel vans"), ("delivery van", "delivery vans")),
    "van/minibus": (("minibus", "minibuses"),),
    "truck/box": (("box truck", "box trucks"),),
    "truck/tipper": (("tipper truck", "tipper trucks"), ("dump truck", "dump trucks")),
    "truck/tanker": (("tank truck", "tank trucks"), ("tanker", "tankers")),
    "truck/dropside": (("flatbed truck", "flatbed trucks"),),
    "bus/city": (("city bus", "city buses"),),
    "pedestrian/umbrella": (("person with an umbrella", "people with umbrellas"),),
    "pedestrian/child": (("child", "children"), ("kid", "kids")),
    "motorcyclist/scooter": (("scooter", "scooters"), ("person on a scooter", "people on scooters")),
    "motorcyclist/motorcycle": (("motorbike", "motorbikes"),),
    "tricyclist/cargo": (("cargo tricycle", "cargo tricycles"),),
    "unknown_movable/suitcase": (("suitcase", "suitcases"),),
    "unknown_movable/animal": (("dog", "dogs"),),
    "vehicle": (("vehicle", "vehicles"),),
    "person": (("person", "people"),),
    "two-wheeler": (("two-wheeler", "two-wheelers"),),
    "rider": (("rider", "riders"),),
    "truck or bus": (("truck or bus", "trucks and buses"),),
    "large vehicle": (("large vehicle", "large vehicles"), ("big vehicle", "big vehicles")),
    "road user": (("road user", "road users"),),
    "": (("object", "objects"), ("thing", "things")),
}  # fmt: skip
NOUNS = {name: tuple(singular for singular, _ in words) for name, words in _WORDS.items()}
PLURALS = {name: tuple(plural for _, plural in words) for name, words in _WORDS.items()}
RANKS: dict[str, tuple[str, ...]] = {
    "nearest": ("nearest", "closest"),
    "farthest": ("farthest", "most distant"),
    "leftmost": ("leftmost",),
    "rightmost": ("rightmost",),
    "biggest": ("biggest", "largest"),
}


def noun_phrase(category: str, color: str, order: P.Extreme | None, rng: np.random.Generator) -> str:
    """The object by name. The nearest of all cars, if white, is the nearest white car too."""
    return f"the {bare_phrase(category, color, order, True, rng)}"


def bare_phrase(
    category: str, color: str, order: P.Extreme | None, single: bool, rng: np.random.Generator
) -> str:
    """The same without an article, of one object or of several."""
    rank = "" if order is None else pick(rng, RANKS[order.order]) + " "
    noun = pick(rng, (NOUNS if single else PLURALS)[category])
    if not color:
        return f"{rank}{noun}"
    if not is_person(category) or " with " in noun:
        return f"{rank}{color} {noun}" if not is_person(category) else f"{rank}{noun} in {color}"
    top, shirt = (f"a {color} top", f"a {color} shirt") if single else (f"{color} tops", f"{color} shirts")
    dress = pick(rng, (f"in {shirt}", f"wearing {top}", f"in {color}", f"dressed in {shirt}"))
    return f"{rank}{noun} {dress}"


def things(category: str, rng: np.random.Generator) -> str:
    """What any object of a category is called."""
    known = category in P.KINDS["road user"][0]
    return pick(rng, ("object", "road user")) if known else "object"
