"""English phrases for predicates about one object, and the words that all texts share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from d2ext.data.synthroad import predicates as P
from d2ext.data.synthroad.wording import PEOPLE, pick

NOUNS = {
    "car": ("car", "car", "automobile"),
    "van": ("van",),
    "truck": ("truck", "truck", "lorry"),
    "bus": ("bus",),
    "pedestrian": ("pedestrian", "person", "pedestrian"),
    "cyclist": ("cyclist", "cyclist", "person on a bicycle"),
}
PLURALS = {
    "car": ("cars", "cars", "automobiles"),
    "van": ("vans",),
    "truck": ("trucks", "trucks", "lorries"),
    "bus": ("buses",),
    "pedestrian": ("pedestrians", "people on foot", "pedestrians"),
    "cyclist": ("cyclists", "cyclists", "people on bicycles"),
}
# What can follow a noun without a verb.
ATTRIBUTES = (P.OnSide, P.AtDistance, P.RelativeTo, P.Faces)
_ABOUT = ("about", "roughly", "around", "approximately")


def capital(text: str) -> str:
    """The text with a capital first letter."""
    return text[0].upper() + text[1:]


def listing(parts: Sequence[str]) -> str:
    """a; a and b; a, b, and c."""
    if len(parts) <= 2:
        return " and ".join(parts)
    return ", ".join(parts[:-1]) + ", and " + parts[-1]


def noun_phrase(category: str, color: str, order: P.Extreme | None, rng: np.random.Generator) -> str:
    """The object by name. The nearest of all cars, if white, is the nearest white car too."""
    rank = ""
    if order is not None:
        rank = pick(rng, ("nearest", "closest") if order.nearest else ("farthest", "most distant")) + " "
    noun = pick(rng, NOUNS[category])
    if not color:
        return f"the {rank}{noun}"
    if category not in PEOPLE:
        return f"the {rank}{color} {noun}"
    dress = pick(
        rng, (f"in a {color} shirt", f"wearing a {color} top", f"in {color}", f"dressed in a {color} shirt")
    )
    return f"the {rank}{noun} {dress}"


def _meters(value: float) -> str:
    return f"{value:.1f} meters"


def attribute(predicate: P.Predicate, rng: np.random.Generator) -> str:
    """A phrase that follows a noun or a form of to be, for one of :data:`ATTRIBUTES`."""
    match predicate:
        case P.OnSide(side="ahead"):
            return pick(rng, ("straight ahead", "ahead of me", "right in front of me"))
        case P.OnSide(side=side):
            return pick(rng, (f"on the {side}", f"on my {side}", f"on the {side} side"))
        case P.AtDistance(meters=meters):
            return f"{pick(rng, _ABOUT)} {meters} meters {pick(rng, ('away', 'away from me', 'from me'))}"
        case P.RelativeTo():
            return _relation(predicate, rng)
        case P.Faces(direction=direction):
            return _facing(direction, rng)
    raise ValueError(f"no attribute for {type(predicate).__name__}")


def _relation(predicate: P.RelativeTo, rng: np.random.Generator) -> str:
    neighbour = predicate.neighbour
    name = noun_phrase(neighbour.category, neighbour.color, None, rng)
    phrases = {
        "behind": ("behind", "farther away, behind", "right behind"),
        "in_front": ("in front of", "closer to me, in front of", "just in front of"),
        "left_of": ("to the left of", "on the left of", "left of"),
        "right_of": ("to the right of", "on the right of", "right of"),
    }
    return f"{pick(rng, phrases[predicate.relation])} {name}"


def _facing(direction: str, rng: np.random.Generator) -> str:
    phrases = {
        "me": ("facing me", "facing towards me", "pointing towards me"),
        "away": ("facing away from me", "pointing away from me", "seen from behind"),
    }
    if direction in phrases:
        return pick(rng, phrases[direction])
    return pick(
        rng, (f"seen from the side, facing {direction}", f"facing {direction}", f"turned to the {direction}")
    )


def clause(predicate: P.Predicate, rng: np.random.Generator) -> str:
    """A verb phrase whose subject is the object."""
    match predicate:
        case P.HasSize():
            return _size(predicate, rng)
        case P.AtDepth(meters=meters):
            where = pick(rng, ("ahead", "ahead of me", "in front of me"))
            return f"is {pick(rng, _ABOUT)} {_meters(meters)} {where}"
        case P.Lateral(meters=meters):
            side = "left" if meters < 0 else "right"
            verb = pick(rng, ("is", "is located", "is found"))
            return f"{verb} {pick(rng, _ABOUT)} {_meters(abs(meters))} to my {side}"
        case P.Occlusion(level=level):
            phrases = (
                ("is fully visible", "is not hidden by anything", "can be seen completely"),
                ("is partly occluded", "is partially hidden", "is partly covered by something else"),
                ("is largely occluded", "is mostly hidden", "is for the most part covered"),
            )[level]
            return pick(rng, phrases)
        case P.CutOff(side=side):
            return pick(
                rng,
                (f"is cut off by the {side} edge of the image", f"leaves the picture at its {side} border"),
            )
        case P.Faces():
            return f"is {attribute(predicate, rng)}"
    return f"{pick(rng, ('is', 'is', 'is located', 'can be seen'))} {attribute(predicate, rng)}"


def _size(predicate: P.HasSize, rng: np.random.Generator) -> str:
    said = [
        ("high", "height", predicate.height),
        ("wide", "width", predicate.width),
        ("long", "length", predicate.length),
    ]
    known = [(adjective, noun, value) for adjective, noun, value in said if value is not None]
    about = pick(rng, _ABOUT)
    if rng.random() < 0.6:
        return f"is {about} " + listing([f"{_meters(value)} {adjective}" for adjective, _, value in known])
    return "has " + listing([f"a {noun} of {about} {_meters(value)}" for _, noun, value in known])
