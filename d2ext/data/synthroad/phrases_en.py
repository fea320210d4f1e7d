"""English phrases for predicates, and the words that all texts share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from d2ext.data.synthroad import predicates as P
from d2ext.data.synthroad.nouns_en import noun_phrase
from d2ext.data.synthroad.units_en import in_unit, length, lengths
from d2ext.data.synthroad.wording import pick

# What can follow a noun without a verb.
ATTRIBUTES = (P.OnSide, P.AtDistance, P.RelativeTo, P.Faces)
_ABOUT = ("about ", "about ", "roughly ", "around ", "approximately ", "some ")


def capital(text: str) -> str:
    """The text with a capital first letter."""
    return text[0].upper() + text[1:]


def listing(parts: Sequence[str]) -> str:
    """a; a and b; a, b, and c."""
    if len(parts) <= 2:
        return " and ".join(parts)
    return ", ".join(parts[:-1]) + ", and " + parts[-1]


def _about(rng: np.random.Generator) -> str:
    return pick(rng, _ABOUT)


def attribute(predicate: P.Predicate, rng: np.random.Generator) -> str:
    """A phrase that follows a noun or a form of to be, for one of :data:`ATTRIBUTES`."""
    match predicate:
        case P.OnSide(side="ahead"):
            return pick(rng, ("straight ahead", "ahead of me", "right in front of me", "directly ahead"))
        case P.OnSide(side=side):
            return pick(
                rng,
                (
                    f"on the {side}",
                    f"on my {side}",
                    f"on the {side} side",
                    f"to my {side}",
                    f"at my {side}",
                    f"off to the {side}",
                ),
            )
        case P.AtDistance(meters=meters):
            away = pick(rng, ("away", "away from me", "from me", "away from the camera"))
            return f"{_about(rng)}{length(meters, 0, rng)} {away}"
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
        "me": ("facing me", "facing towards me", "pointing towards me", "facing the camera"),
        "away": ("facing away from me", "pointing away from me", "seen from behind", "facing away"),
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
            return f"is {_about(rng)}{length(meters, 1, rng)} {where}"
        case P.Lateral(meters=meters):
            side = "left" if meters < 0 else "right"
            verb = pick(rng, ("is", "is located", "is found"))
            return f"{verb} {_about(rng)}{length(abs(meters), 1, rng)} to my {side}"
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
    values = lengths([value for _, _, value in known], 1, rng)
    about = _about(rng)
    if rng.random() < 0.6:
        pairs = zip(known, values, strict=True)
        return f"is {about}" + listing([f"{value} {adjective}" for (adjective, _, _), value in pairs])
    return "has " + listing(
        [f"a {noun} of {about}{v}" for (_, noun, _), v in zip(known, values, strict=True)]
    )


def group_phrase(predicate: P.Predicate, rng: np.random.Generator) -> str:
    """A phrase about all that are meant, which follows their name or a form of to be."""
    match predicate:
        case P.Within(meters=meters, beyond=beyond):
            near, far = (
                ("located within {} of me", "less than {} away", "closer than {}", "within {}"),
                ("located beyond {} from me", "more than {} away", "farther than {}"),
            )
            return pick(rng, far if beyond else near).format(length(meters, 0, rng))
        case P.HeightBetween(low=low, high=high):
            (low_text, high_text), unit = in_unit((low, high), 2, rng)
            form = pick(rng, ("between {} and {} {} high", "{} to {} {} in height", "from {} to {} {} tall"))
            return form.format(low_text, high_text, unit)
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
