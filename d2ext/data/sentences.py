"""Mirroring of sentences: left and right change places, or the image must not be flipped.

English and Chinese. A word is swapped only where it is a direction; uses that are no direction ("right in
front of", "the right of way", 30米左右) stay; anything in doubt ("has left the lane", compass and clock
directions) is unsafe.
"""

from __future__ import annotations

import re

_SWAP = {
    "left": "right",
    "right": "left",
    "leftmost": "rightmost",
    "rightmost": "leftmost",
    "leftward": "rightward",
    "rightward": "leftward",
    "leftwards": "rightwards",
    "rightwards": "leftwards",
    "lefthand": "righthand",
    "righthand": "lefthand",
    "clockwise": "counterclockwise",
    "counterclockwise": "clockwise",
    "左": "右",
    "右": "左",
    "顺时针": "逆时针",
    "逆时针": "顺时针",
}

#: Mirroring would need more than a swap of words.
_UNSAFE = re.compile(
    r"\b(?:north|south)?(?:east|west)(?:ern|ward|wards|bound)?\b|\bo'?clock\b|\banti-?clockwise\b"
    r"|\bcounter-clockwise\b|\b(?:driver|passenger)(?:'s)?[ -]side\b"
    # 东西 is a thing, unless a word of direction follows; 点钟 are clock directions, 驾驶 the driver's side.
    r"|东(?!西)|(?<!东)西|东西(?=[方走向两侧])|点钟|点方向|驾驶[员位座席]?一?侧",
    re.IGNORECASE,
)
#: Left or right without a direction: matched first and kept as it is.
_NEUTRAL = (
    r"\bright(?:s)? of way\b|\bright[ -]angle[sd]?\b|\ball right\b|\bright(?: now| away)\b|左右"
    r"|\b(?:left and right|right and left|left or right|right or left)\b"
)
#: Words after which left or right is surely a direction, ...
_DETERMINERS = (
    "the|my|your|our|its|his|her|their|a|to|on|at|from|toward|towards|far|near|top|bottom|upper|lower|front|rear|back"
    "|middle|center|centre|extreme|immediate|place|m|meters?|metres?|degrees?"
)
#: words after which it is one unless it is an adverb, as in "turning right behind the bus", ...
_VERBS = (
    "slightly|further|farther|nearest|fac(?:ing|es?|ed)|turn(?:ing|s|ed)?|bear(?:ing|s)?|mov(?:ing|es?)"
    "|head(?:ing|s|ed)?|go(?:ing|es)?|look(?:ing|s)?|point(?:ing|s|ed)?|keep(?:ing|s)?|walk(?:ing|s)?|driv(?:ing|es?)"
    "|steer(?:ing|s|ed)?|veer(?:ing|s)?|lean(?:ing|s)?|angled|(?<!it)(?<!he)(?<!that)(?<!who)(?<!there)'s"
)
#: and words before which it is one.
_NOUNS = (
    "side|sides|lane|lanes|hand|edge|edges|half|part|portion|corner|corners|third|quarter|front|rear|back|top|bottom"
    "|turn|turns|turning|sidewalk|pavement|shoulder|curb|kerb|roadside|foreground|background|door|wheel|headlight"
    "|taillight|mirror|of"
)
#: "right" before these is an adverb, unless a determiner makes it a direction.
_PLACES = (
    "in front|behind|next to|beside|before|after|by|near|under|below|above|ahead|there|here|between|along"
)

_TOKEN = re.compile(
    rf"(?P<neutral>{_NEUTRAL})"
    rf"|(?P<sure>\b(?:leftmost|rightmost|leftwards?|rightwards?|lefthand|righthand|counterclockwise|clockwise)\b"
    rf"|顺时针|逆时针|左|右)"
    rf"|(?P<word>\b(?:left|right)\b)",
    re.IGNORECASE,
)
_AFTER_DETERMINER = re.compile(rf"(?:\b(?:{_DETERMINERS})\W+|\w-)$", re.IGNORECASE)
_AFTER_VERB = re.compile(rf"(?:\b|(?='))(?:{_VERBS})\W+$", re.IGNORECASE)
_BEFORE_NOUN = re.compile(rf"^(?:\s+(?:{_NOUNS})\b|-\w)", re.IGNORECASE)
_BEFORE_PLACE = re.compile(rf"^\s+(?:{_PLACES})\b", re.IGNORECASE)
_BEFORE_STOP = re.compile(r"^\s*(?:[:,.]|$)")


def flip_sentence(text: str) -> str | None:
    """The sentence that is true of the mirrored image, or None when that cannot be told safely.

    Flipping twice gives the sentence back.
    """
    if _UNSAFE.search(text):
        return None
    pieces = []
    end = 0
    for match in _TOKEN.finditer(text):
        word = match.group()
        if match["word"]:
            direction = _is_direction(text[: match.start()], word, text[match.end() :])
            if direction is None:
                return None
            swap = direction
        else:
            swap = match["sure"] is not None
        pieces += [text[end : match.start()], _swap(word) if swap else word]
        end = match.end()
    return "".join([*pieces, text[end:]])


def _is_direction(before: str, word: str, after: str) -> bool | None:
    """Whether "left" or "right" between two texts is a direction; None in doubt."""
    if _AFTER_DETERMINER.search(before) or _BEFORE_NOUN.search(after):
        return True
    verb = _AFTER_VERB.search(before) is not None
    if _BEFORE_PLACE.search(after):
        return None if verb or word.lower() == "left" else False
    if verb or (not before.strip() and _BEFORE_STOP.search(after)):
        return True
    return None


def _swap(word: str) -> str:
    """The opposite word in the same case."""
    other = _SWAP[word.lower()]
    if word.isupper():
        return other.upper()
    return other.capitalize() if word[:1].isupper() else other
