"""English phrases that state facts, as patterns, and what is made of their matches."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from d2ext.data.facts.predicates import Beside, Facing, Measures
from d2ext.data.facts.reading import digits_step
from d2ext.data.facts.words import COLORS_EN, NAMES_EN
from d2ext.data.synthroad import predicates as P
from d2ext.data.synthroad.truth import Predicate
from d2ext.data.synthroad.units_en import spelt


def any_of(words: Iterable[str]) -> str:
    """A pattern of any of some words, the longest first."""
    return "|".join(sorted(map(re.escape, words), key=len, reverse=True))


SPELT = {spelt(i): i for i in range(100)} | {spelt(i).replace("-", " "): i for i in range(21, 100)}
SPELT |= {"a hundred": 100, "one hundred": 100}
_UNITS = {
    1.0: "meters|meter|metres|metre|m",
    0.3048: "feet|foot|ft",
    0.9144: "yards|yard|yd",
    0.01: "centimeters|centimetres|cm",
}
_SCALE = {name: scale for scale, names in _UNITS.items() for name in names.split("|")}
_N = rf"(?:\d+(?:\.\d+)?|{any_of(SPELT)})"
_U = rf"(?:{any_of(_SCALE)})\b"
ABOUT = r"(?:(?:about|around|roughly|approximately|approx\.?|some|nearly|almost|only|just|of|is|at|:|~)\s+)*"
NUMBER = rf"(?P<n>{_N})[\s-]*(?P<u>{_U})"
RANGE = (
    rf"(?:between\s+{ABOUT}(?P<a>{_N})\s*(?:{_U})?\s*and|(?P<from>{_N})\s*(?:{_U})?\s*(?:to|-|–|up to))\s*"
    rf"{ABOUT}(?P<b>{_N})[\s-]*(?P<u>{_U})"
)
HIGH, WIDE, LONG = "high|tall|in height", "wide|broad|in width", "long|in length"
_DIMENSION = {w: d for d, ws in (("height", HIGH), ("width", WIDE), ("length", LONG)) for w in ws.split("|")}
ME = r"(?:me|us|the camera|the viewer|the observer|my position|here|the pole)"
_COLOR = rf"(?:{any_of(COLORS_EN)})"
TONE = r"(?:dark|light|bright|deep|pale|dull|shiny|small|large|big|tall|long|parked|moving|old|new)"
COLORS = rf"(?P<colors>(?:(?:{TONE}|{_COLOR})(?:\s*,\s*|\s+and\s+|\s+|-))*{_COLOR})"
#: Words that begin with the name of something and are something else.
_NEUTRAL = ("object", "objects", "thing", "things", "target", "targets", "one", "ones")
NOUN = (
    rf"(?<![\w-])(?P<noun>{any_of((*NAMES_EN, *_NEUTRAL))})(?![\w-])(?!['’]s?\b)"
    r"(?!\s+(?:lanes?|stops?|parks?|paths?|stations?|doors?|lights?)\b)"
)
_NO_ADJECTIVE = r"(?!(?:the|a|an|of|to|in|on|at|with|next|behind|that|which|who|is|are|for|from|by|it|and)\b)"
ADJECTIVES = rf"(?P<adjectives>(?:{_NO_ADJECTIVE}[\w-]+\s*,?\s+(?:and\s+)?){{0,5}}?)"
DETERMINER = r"(?:the|a|an|another|that|this|some|my)"


def meters(match: re.Match[str], number: str = "n") -> tuple[float, float]:
    """The value in metres, and the worth of its last digit."""
    text, scale = match[number].lower(), _SCALE[match["u"].lower()]
    value = float(SPELT[text]) if text in SPELT else float(text)
    return value * scale, digits_step(text) * scale


def colors_in(text: str) -> tuple[str, ...]:
    """The colours that some words name, in order."""
    found = [c for w in re.findall(rf"\b{_COLOR}\b", text, re.I) for c in COLORS_EN[w.lower()]]
    return tuple(dict.fromkeys(found))


def height_range(match: re.Match[str]) -> P.HeightBetween:
    """Of two heights."""
    low = meters(match, "a" if match["a"] else "from")[0]
    return P.HeightBetween(low, meters(match, "b")[0])


def size_of(match: re.Match[str]) -> Predicate:
    """A height, width or length."""
    return Measures(_DIMENSION[match["d"].lower()], *meters(match))


def limit(match: re.Match[str]) -> Predicate:
    """Nearer or farther than so much."""
    beyond = not re.match(
        r"within|less|closer|nearer|under|at most|no more|no farther|up to|not", match["w"], re.I
    )
    return P.Within(round(meters(match)[0]), beyond)


def height_limit(match: re.Match[str]) -> Predicate:
    """Lower or higher than so much."""
    value = meters(match)[0]
    return (
        P.HeightBetween(value, 99.0)
        if re.match("more|over|at least|taller|higher", match["w"], re.I)
        else (P.HeightBetween(0.0, value))
    )


def facing(match: re.Match[str]) -> Predicate:
    """Where a front points."""
    to = re.sub(r"\W+", " ", match["to"].lower())
    if "side" in to or "sideways" in to:
        return Facing(("left", "right"))
    if "away" in to or "behind" in to or "back" in to or "rear" in to or "tail" in to:
        return Facing(("away",))
    return Facing(("left" if "left" in to else ("right" if "right" in to else "me"),))


_RELATIONS = {
    "next_to": "next to|beside|near|close to|alongside",
    "behind": "behind|in back of",
    "in_front": "in front of|before",
    "left_of": "to the left of|on the left of|left of|on the left side of",
    "right_of": "to the right of|on the right of|right of|on the right side of",
}
RELATION_OF = {word: name for name, words in _RELATIONS.items() for word in words.split("|")}


def relation(match: re.Match[str]) -> Predicate | None:
    """The place beside something that has a name."""
    name = NAMES_EN.get(match["noun"].lower())
    return name and Beside(RELATION_OF[match["r"].lower()], name, colors_in(match["adjectives"]))


_HIDDEN = "(?:occluded|hidden|covered|obscured|blocked)"
WORDS_OF_LEVEL = (
    rf"(?:fully|completely|entirely|clearly) visible|not (?:\w+ )?{_HIDDEN}|unoccluded|unobstructed"
    r"|no occlusion|no occluded|can be seen completely|without occlusion",
    rf"part(?:ly|ially)(?: \w+)? (?:{_HIDDEN}|visible)|slightly {_HIDDEN}",
    rf"(?:largely|mostly|heavily|severely|for the most part|mainly)(?: \w+)? {_HIDDEN}",
    r"hardly visible|barely visible|almost invisible|hard to see",
)  # fmt: skip
_RANKS = {
    "nearest": "nearest|closest",
    "farthest": "farthest|furthest|most distant",
    "leftmost": "leftmost|left-most",
    "rightmost": "rightmost|right-most",
    "biggest": "biggest|largest",
}
RANK_OF = {word: rank for rank, words in _RANKS.items() for word in words.split("|")}
CORNER = (
    r"(?:in|at|from|within|on|towards?)\s+the\s+(?P<v>top|upper|bottom|lower)?[\s-]*(?P<h>left|right)?[\s-]*"
    r"(?:half|quarter|quadrant|part|portion|corner|area|side)?\s*(?:half|part)?\s*"
    r"(?P<of>of the (?:image|picture|frame|photo|view|scene)|corner|quarter|half|part)"
)  # fmt: skip


def place(size: tuple[int, int]) -> Callable[[re.Match[str]], Predicate | None]:
    """The half or quarter of a picture of ``size``."""

    def part(match: re.Match[str]) -> Predicate | None:
        vertical = {"top": "top", "upper": "top", "bottom": "bottom", "lower": "bottom"}.get(
            (match["v"] or "").lower(), ""
        )
        horizontal = (match["h"] or "").lower()
        return P.InPlace(horizontal, vertical, size) if vertical or horizontal else None

    return part
