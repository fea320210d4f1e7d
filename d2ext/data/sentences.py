"""Mirroring of sentences: left and right change places, or the image must not be mirrored.

English and Chinese. A word is swapped where it is surely a direction and kept where it surely is none ("right
in front of", "the right of way", 30米左右). Whatever else has to do with sides makes a sentence unsafe: doubt
("has left the lane"), compass and clock directions, a driver's side, words that are not known, other scripts.
"""

from __future__ import annotations

import re
import unicodedata

_PAIRS = (
    ("left", "right"),
    ("leftmost", "rightmost"),
    ("leftward", "rightward"),
    ("leftwards", "rightwards"),
    ("lefthand", "righthand"),
    ("leftside", "rightside"),
    ("clockwise", "counterclockwise"),
    ("左", "右"),
    ("顺时针", "逆时针"),
    ("順時針", "逆時針"),
)
_SWAP = dict(_PAIRS) | {b: a for a, b in _PAIRS}

#: Mirroring would need more than a swap of words, or nobody knows what it would need.
_UNSAFE = re.compile(
    r"\b(?:north|south)?-?(?:east|west|north|south)(?:erly|ern|(?:ern)?most|ward|wards|bound|side)?\b"
    r"|\bo\W{0,2}clock\b|\b\d{1,2}:\d\d\b"
    r"|\bat (?:my|your|our) (?:\d|one|two|three|four|five|seven|eight|nine|ten)"
    r"|\b(?:anti[- ]?|counter[- ])clockwise\b|\b(?:driver|passenger)(?:'?s)?'?[ -]?sides?\b"
    r"|\bsides? of (?:the|its|his|her) (?:driver|passenger)|\bstarboard\b|\bport(?:[ -]?side)?\b"
    r"|\b(?:near|off)[ -]?side\b|\b[lr]\.?h(?:\.?[sd])?\b|(?-i:\b(?:[LRNESW]|[NS][EW])\b)"
    r"|\b(?:l ?/ ?r|r ?/ ?l)\b"
    r"|\b(?:sinist(?:er|ral)|dext(?:er|ral)|widdershins)\b"
    r"|\b(?:rigth|rihgt|rgiht|rght|righ|letf|lfet|lft|rt|lt)\b"
    r"|\b(?:link(?:s|e|er|en|em|es)|recht(?:s|e|er|en|em|es))\b"
    r"|\b(?:gauche|droite|izquierd[ao]|derech[ao]|esquerd[ao]|direit[ao]|sinistra|destra)\b"
    # 东西 is a thing, unless a word of direction follows; 点钟 are clock directions, 驾驶 the driver's side;
    # 靠左右转 may be 靠左 右转.
    r"|东(?!西)|(?<!东)西|东西(?=[方走向两侧])|[東南北]|[点點](?:钟|鐘|方向|位置)|(?:[驾駕][驶駛][员員位座席]?|司[机機]|乘客)"
    r"[一那]?[侧側边邊]|[主副][驾駕]|[靠偏向往朝在]左右[转轉拐侧側边邊手前后後]",
    re.IGNORECASE,
)
_TOKEN = re.compile(
    r"[a-z]*(?:left|right)[a-z]*|(?:counter)?clockwise|顺时针|逆时针|順時針|逆時針|左右|左|右", re.IGNORECASE
)
#: Words that only look like left or right.
_OTHER_WORD = re.compile(r"[a-z]*[bfw]right[a-z]*|(?:up|out|forth|copy|down|birth|al)right[a-z]*|cleft[a-z]*")

_PLACES = (
    r"in front|behind|next to|besides?|before|after|by|near|under|below|above|ahead|there|here|between|along"
    r"|alongside|at|against|across|over|outside|inside|opposite|past|where|through|beyond|around|up|down|on|in"
    r"|onto|into|off|out|now|away"
)
#: "right" before these may be an adverb; "left" a participle.
_BEFORE_PLACE = re.compile(rf"\s+(?:{_PLACES})\b", re.IGNORECASE)
#: "right" before these is no direction, ...
_IDIOM = re.compile(r"s?[ -]of[ -]way\b|[ -]angle[sd]?\b", re.IGNORECASE)
#: nor, perhaps, before these: "has the right to go first", "in the right place".
_CLAIM = re.compile(
    r"\s+(?:to\s+(?!the\b|my\b|left\b|your\b|his\b|her\b|its\b|a\b|\d)\w"
    r"|(?:place|time|moment|way|direction|kind|size|order|track|answer|amount|thing)\b)",
    re.IGNORECASE,
)
_COMPOUND = re.compile(
    r"-(?:hand|handed|side|sided|turn|turning|most|facing|lane|bound|front|rear|pointing|going|moving|leaning|to)\b",
    re.IGNORECASE,
)
_BEFORE_NOUN = re.compile(
    r"\s+(?:side|sides|lane|lanes|hand|edge|edges|half|part|portion|corner|corners|third|quarter|border|front|rear"
    r"|back|top|bottom|turn|turns|turning|sidewalk|pavement|shoulder|curb|kerb|roadside|foreground|background|door"
    r"|wheel|headlight|taillight|mirror|most)\b",
    re.IGNORECASE,
)
_BEFORE_OF = re.compile(r"\s+of\b", re.IGNORECASE)
_BEFORE_STOP = re.compile(r"\s*(?:[:,.;!?)]|$)")

_POSITIONS = "top|bottom|upper|lower|front|rear|back|middle|center|centre"
_DEGREES = "far|near|very|extreme|immediate|outer|inner|other"
#: After these left or right is surely a direction, ...
_AFTER_ARTICLE = re.compile(
    rf"(?:\b(?:the|my|your|our|his|her|their|its|(?!it|he|she|that|who|what|there|here)\w+'s|\w+s')"
    rf"(?:\s+(?:{_DEGREES}|{_POSITIONS}))*|\ba)\s+$",
    re.IGNORECASE,
)
#: after these unless it may be an adverb, as in "a red top right behind the bus", ...
_AFTER_PREPOSITION = re.compile(
    rf"\b(?:to|on|at|in|from|towards?|{_DEGREES}|{_POSITIONS}|place|m|meters?|metres?|degrees?)\s*:?\s+$",
    re.IGNORECASE,
)
_AFTER_VERB = re.compile(
    r"\b(?:slightly|further|farther|nearest|fac(?:ing|es?|ed)|turn(?:ing|s|ed)?|bear(?:ing|s)?|mov(?:ing|es?)"
    r"|head(?:ing|s|ed)?|go(?:ing|es)?|look(?:ing|s)?|point(?:ing|s|ed)?|keep(?:ing|s)?|walk(?:ing|s)?"
    r"|driv(?:ing|es?)|steer(?:ing|s|ed)?|veer(?:ing|s)?|lean(?:ing|s)?|signal(?:s|l?ing)?|indicat(?:ing|es?)"
    r"|angled)\s+$",
    re.IGNORECASE,
)
_AFTER_PART = re.compile(rf"\b(?:{_POSITIONS}|{_DEGREES}|to)-$", re.IGNORECASE)
#: and, before a noun, after these.
_AFTER_OTHER = re.compile(
    r"(?:^|[,;:(/.!?]|\b(?:into|onto|along|for|with|and|or|of|by|over|across|all|every|each|both|any|one|this|these"
    r"|those|only|same|next|first|second|third|two|three|four|outermost))\s*$",
    re.IGNORECASE,
)
_AFTER_STOP = re.compile(r"[:,;(/]\s*$")
_AFTER_LEAVING = re.compile(
    r"\b(?:has|have|had|having|just|already|who|which|that|what'?s|(?:what|nothing|little|much|all)(?: that)?"
    r"(?: is| was)?)\s+$",
    re.IGNORECASE,
)
_AFTER_PARTICIPLE = re.compile(
    r"\b(?!(?:park|stopp|locat|situat|position|plac|station)ed\b|(?:stand|wait|sitt|stay)ing\b)\w+(?:ing|ed)\s+$",
    re.IGNORECASE,
)
_AFTER_ALL = re.compile(r"\ball\s+$", re.IGNORECASE)


def flip_sentence(text: str) -> str | None:
    """The sentence that is true of the mirrored image, or None when that cannot be told safely."""
    plain = text.translate(_APOSTROPHES)
    if _hides_words(plain) or _UNSAFE.search(plain):
        return None
    pieces = []
    end = 0
    for match in _TOKEN.finditer(plain):
        word = match.group()
        swap = _is_direction(plain[: match.start()], word.lower(), plain[match.end() :])
        if swap is None:
            return None
        pieces += [text[end : match.start()], _swap(word) if swap else word]
        end = match.end()
    return "".join([*pieces, text[end:]])


_APOSTROPHES = dict.fromkeys(map(ord, "’‘ʼ`´′＇"), "'")


def _hides_words(text: str) -> bool:
    """Whether words are written in letters of another script or width, or with invisible signs in them."""
    for sign in "" if text.isascii() else text:
        letter = sign.isalpha() and not ("CJK" in (name := unicodedata.name(sign, "")) or name in _LETTERS)
        if letter or unicodedata.category(sign) == "Cf":
            return True
    return False


_LETTERS = {f"LATIN {case} LETTER {chr(i)}" for case in ("SMALL", "CAPITAL") for i in range(65, 91)}


def _is_direction(before: str, word: str, after: str) -> bool | None:
    """Whether a word, or part of one, between two texts is a direction; None in doubt."""
    if word not in ("left", "right"):
        if word in _SWAP:
            return True
        return False if word == "左右" or _OTHER_WORD.fullmatch(word) else None
    right = word == "right"
    if right and _IDIOM.match(after):
        return False
    if after.startswith("-"):
        return True if _COMPOUND.match(after) else None
    if _AFTER_PART.search(before) or _AFTER_ARTICLE.search(before):
        return None if right and _CLAIM.match(after) else True
    if _BEFORE_PLACE.match(after):
        return _before_place(before, right)
    if right and _BEFORE_STOP.match(after) and _AFTER_ALL.search(before):
        return False
    if _AFTER_LEAVING.search(before) or before.endswith("-"):
        return None
    return _in_list(before, right, after)


def _before_place(before: str, right: bool) -> bool | None:
    """ "right in front of" and the like, without an article before it."""
    verb, preposition = _AFTER_VERB.search(before), _AFTER_PREPOSITION.search(before)
    if not right:
        return True if preposition or verb else None
    return None if verb or preposition or _AFTER_PARTICIPLE.search(before) else False


def _in_list(before: str, right: bool, after: str) -> bool | None:
    if _AFTER_PREPOSITION.search(before) or _AFTER_VERB.search(before) or _BEFORE_OF.match(after):
        return True
    other = "left" if right else "right"
    if re.match(rf"\s*(?:and|or|to|/|&)\s*{other}\b", after, re.IGNORECASE):
        return True
    if re.search(rf"\b{other}\s*(?:and|or|/|&)\s*$", before, re.IGNORECASE):
        return True
    if _BEFORE_NOUN.match(after) and _AFTER_OTHER.search(before):
        return True
    begins = not before.strip()
    alone = _BEFORE_STOP.match(after) and (begins or _AFTER_STOP.search(before))
    # "Right, the white car": no direction.
    return True if alone and not (right and begins and after.lstrip().startswith(",")) else None


def _swap(word: str) -> str:
    """The opposite word in the same case."""
    other = _SWAP[word.lower()]
    if word.isupper():
        return other.upper()
    return other.capitalize() if word[:1].isupper() else other
