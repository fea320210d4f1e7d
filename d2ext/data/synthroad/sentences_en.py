"""English texts of predicate sets. A language module has two functions: describe_one and describe_all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from d2ext.data.synthroad import predicates as P
from d2ext.data.synthroad.wording import PEOPLE, Message, fitting, pick

ONE_WORDS = (20, 50)
ALL_WORDS = (8, 20)

_NOUNS = {
    "car": ("car", "car", "automobile"),
    "van": ("van",),
    "truck": ("truck", "truck", "lorry"),
    "bus": ("bus",),
    "pedestrian": ("pedestrian", "person", "pedestrian"),
    "cyclist": ("cyclist", "cyclist", "person on a bicycle"),
}
_PLURALS = {
    "car": ("cars", "cars", "automobiles"),
    "van": ("vans",),
    "truck": ("trucks", "trucks", "lorries"),
    "bus": ("buses",),
    "pedestrian": ("pedestrians", "people on foot", "pedestrians"),
    "cyclist": ("cyclists", "cyclists", "people on bicycles"),
}
_ABOUT = ("about", "roughly", "around", "approximately")
_OPENERS = (
    "I am talking about {}.", "Look for {}.", "Please find {}.", "The object I mean is {}.", "There is {}.",
    "Find {} in the picture.", "Please locate {}.",
)  # fmt: skip
_GROUP_INTROS = (
    "{group}.", "Find {group}.", "Find {group} on this road.", "I am looking for {group}.",
    "Show me {group}.", "Please mark {group} for me.", "In this image, find {group}.",
    "Show me {group}, please.",
)  # fmt: skip
# These name the kind of object in their second half.
_CATEGORY_INTROS = (
    *_GROUP_INTROS, "The {things} {be} {group}.", "The {things} that I mean {be} {group}.",
    "Which {things} in this picture {be} {group}?",
)  # fmt: skip
# What can follow a noun without a verb.
_ATTRIBUTES = (P.OnSide, P.AtDistance, P.RelativeTo, P.Faces)


def _words(text: str) -> int:
    return len(text.split())


def describe_one(chosen: Sequence[P.Predicate], rng: np.random.Generator) -> str | None:
    """A text of 20 to 50 words that says exactly these predicates; None when no try has a fitting length."""
    return fitting(lambda: _compose_one(chosen, rng), _words, ONE_WORDS)


def _compose_one(chosen: Sequence[P.Predicate], rng: np.random.Generator) -> str:
    said = Message.of(chosen, rng)
    rest = said.rest
    # Up to two attributes go with the noun, a relation last (what follows it would speak of the neighbour).
    attached = [p for p in rest if isinstance(p, _ATTRIBUTES)][: int(rng.integers(0, 3))]
    attached.sort(key=lambda p: isinstance(p, P.RelativeTo))
    clauses = [_clause(p, rng) for p in rest if p not in attached]
    subject = " ".join(
        [_noun_phrase(said.category, said.color, said.order, rng), *(_attribute(p, rng) for p in attached)]
    )
    return _join(subject, clauses, said.category in PEOPLE, rng)


def _join(subject: str, clauses: list[str], person: bool, rng: np.random.Generator) -> str:
    """One to three sentences; the subject opens the first."""
    if not clauses or rng.random() < 0.4:
        sentences = [pick(rng, _OPENERS).format(subject)]
    else:
        count = min(len(clauses), int(rng.integers(1, 3)))
        sentences = [f"{subject} {_listing(clauses[:count])}."]
        clauses = clauses[count:]
    pronoun = pick(rng, ("This person", "The person") if person else ("It", "It", "This vehicle"))
    if len(clauses) > 2 and rng.random() < 0.6:
        sentences.append(f"{pronoun} {_listing(clauses[:-1])}.")
        clauses = clauses[-1:]
    if clauses:
        sentences.append(f"{pronoun} {_listing(clauses)}.")
    return " ".join(_capital(sentence) for sentence in sentences)


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _listing(parts: Sequence[str]) -> str:
    """a; a and b; a, b, and c."""
    if len(parts) <= 2:
        return " and ".join(parts)
    return ", ".join(parts[:-1]) + ", and " + parts[-1]


def _noun_phrase(category: str, color: str, order: P.Extreme | None, rng: np.random.Generator) -> str:
    """The object by name. The nearest of all cars, if white, is the nearest white car too."""
    rank = ""
    if order is not None:
        rank = pick(rng, ("nearest", "closest") if order.nearest else ("farthest", "most distant")) + " "
    noun = pick(rng, _NOUNS[category])
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


def _attribute(predicate: P.Predicate, rng: np.random.Generator) -> str:
    """A phrase that follows a noun or a form of to be, for one of _ATTRIBUTES."""
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
    name = _noun_phrase(neighbour.category, neighbour.color, None, rng)
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


def _clause(predicate: P.Predicate, rng: np.random.Generator) -> str:
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
            return f"is {_attribute(predicate, rng)}"
    return f"{pick(rng, ('is', 'is', 'is located', 'can be seen'))} {_attribute(predicate, rng)}"


def _size(predicate: P.HasSize, rng: np.random.Generator) -> str:
    said = [
        ("high", "height", predicate.height),
        ("wide", "width", predicate.width),
        ("long", "length", predicate.length),
    ]
    known = [(adjective, noun, value) for adjective, noun, value in said if value is not None]
    about = pick(rng, _ABOUT)
    if rng.random() < 0.6:
        return f"is {about} " + _listing([f"{_meters(value)} {adjective}" for adjective, _, value in known])
    return "has " + _listing([f"a {noun} of {about} {_meters(value)}" for _, noun, value in known])


def describe_all(chosen: Sequence[P.Predicate], single: bool, rng: np.random.Generator) -> str | None:
    """A text of 8 to 20 words for all objects that fit; single: speak of one object."""
    return fitting(lambda: _compose_all(chosen, single, rng), _words, ALL_WORDS)


def _compose_all(chosen: Sequence[P.Predicate], single: bool, rng: np.random.Generator) -> str:
    said = Message.of(chosen, rng)
    rest = said.rest
    name = _group_name(said.category, said.color, single, rng)
    be = "is" if single else "are"
    every = "the" if single else pick(rng, ("the", "all the", "all", "the"))
    if rest and rng.random() < 0.4:
        phrases = _listing([_group_phrase(p, rng) for p in rest])
        return _capital(f"{every} {name} {pick(rng, ('that', 'which'))} {be} {phrases}.")
    # Without a relative clause, how visible an object is stands before its noun.
    before = " ".join(_group_phrase(p, rng) for p in rest if isinstance(p, P.Occlusion))
    phrases = _listing([_group_phrase(p, rng) for p in rest if not isinstance(p, P.Occlusion)])
    group = " ".join(part for part in (every, before, name, phrases) if part)
    things = pick(rng, ("object", "road user")) + ("" if single else "s")
    intro = pick(rng, _CATEGORY_INTROS if said.category else _GROUP_INTROS)
    return _capital(intro.format(group=group, things=things, be=be))


def _group_name(category: str, color: str, single: bool, rng: np.random.Generator) -> str:
    if not category:
        noun = pick(rng, ("object", "road user")) if single else pick(rng, ("objects", "road users"))
        return f"{color} {noun}" if color else noun
    noun = pick(rng, (_NOUNS if single else _PLURALS)[category])
    if not color:
        return noun
    if category in PEOPLE:
        shirt = f"a {color} shirt" if single else f"{color} shirts"
        return f"{noun} {pick(rng, (f'in {color}', f'wearing {shirt}'))}"
    return f"{color} {noun}"


def _group_phrase(predicate: P.Predicate, rng: np.random.Generator) -> str:
    match predicate:
        case P.Within(meters=meters, beyond=False):
            return pick(
                rng,
                (
                    f"located within {meters} meters of me",
                    f"less than {meters} meters away",
                    f"closer than {meters} meters",
                    f"within {meters} meters",
                ),
            )
        case P.Within(meters=meters):
            return pick(
                rng,
                (
                    f"located beyond {meters} meters from me",
                    f"more than {meters} meters away",
                    f"farther than {meters} meters",
                ),
            )
        case P.HeightBetween(low=low, high=high):
            return pick(
                rng,
                (
                    f"between {low:.2f} and {high:.2f} meters high",
                    f"{low:.2f} to {high:.2f} meters in height",
                    f"from {low:.2f} to {high:.2f} meters tall",
                ),
            )
        case P.InPlace(horizontal=horizontal, vertical=vertical):
            return _place(horizontal, vertical, rng)
        case P.Occlusion(level=level):
            return pick(
                rng,
                (
                    ("fully visible", "not occluded"),
                    ("partly occluded", "partially hidden"),
                    ("largely occluded", "mostly hidden"),
                )[level],
            )
        case P.Faces(direction="me"):
            return pick(rng, ("facing me", "facing towards me", "pointing towards me"))
        case P.Faces(direction="away"):
            return pick(rng, ("facing away from me", "facing away", "pointing away from me"))
        case P.Faces(direction=direction):
            return pick(
                rng, (f"facing {direction}", f"facing to the {direction}", f"turned to the {direction}")
            )
    raise ValueError(f"no phrase for {type(predicate).__name__}")


def _place(horizontal: str, vertical: str, rng: np.random.Generator) -> str:
    if horizontal and vertical:
        corner = f"{vertical} {horizontal}"
        return pick(
            rng,
            (
                f"in the {corner} of the image",
                f"in the {corner} quarter of the picture",
                f"in the {corner} part",
            ),
        )
    side = horizontal or vertical
    return pick(
        rng, (f"in the {side} half of the image", f"in the {side} half of the picture", f"in the {side} half")
    )
