"""Numbers in sentences as features: tokenisers cut "34.5 meters" into pieces whose value is nowhere.

Descriptions of 3D objects are full of metres. Every token that is part of a number carries, beside the
encoder's features, the value of the whole number: its logarithm, and a smooth one-hot code of it over
logarithmic bins that linear layers can compare with a depth or a size.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

#: Digits and whatever joins them without a plain space: one number, or none that can be told.
_RUN = re.compile(r"(?:(?<![\w.])[.٫])?\d+(?:(?:[.,，:/_·٫٬'’\u00a0\u2009\u202f]|[eE][+-]?)\d+)*[¼½¾⅓⅔⅛⅜⅝⅞]?")
_DECIMAL = re.compile(r"\d*\.?\d+")
#: 34,5.
_COMMA = re.compile(r"\d+,(?:\d{1,2}|\d{4,})|0,\d+")
#: 1,200.5 and 1.200,5.
_THOUSANDS = re.compile(r"[1-9]\d{0,2}(?P<sign>[,'’\u00a0\u2009\u202f])\d{3}(?:(?P=sign)\d{3})*(?:\.\d+)?")
_POINTS = re.compile(r"[1-9]\d{0,2}(?:(?:\.\d{3})+,\d+|(?:\.\d{3}){2,})")
_MINUS = re.compile(r"(?:^|[^A-Za-z0-9\s.,)]|(?<!\d)\s)[-\u2212\u2010-\u2014]$")
#: Groups by plain spaces: 1 200, or a 1 and a 200; and 3 1/2.
_GROUPS = re.compile(r"(?<![\d.,])(?:\d{1,3}(?: \d{3})+(?![\d.,]\d|\d)|\d+ (?:\d+/\d+|[¼½¾⅓⅔⅛⅜⅝⅞]))")
_WIDE_COMMA = re.compile(r"(?<=[０-９])，(?=[０-９])")
_WIDE = {ord("０") + i: str(i) for i in range(10)} | {ord("．"): "."}
_ONES = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
    " seventeen eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_SPELT = {word: i for i, word in enumerate(_ONES.split(), 1)} | {
    word: 10 * i for i, word in enumerate(_TENS.split(), 2)
}
_UNIT = r"(?P<unit>(?:centi|kilo)?met(?:er|re)s?|cm|km|m|feet|foot|ft|yards?|yd|inch(?:es)?)(?![A-Za-z])"
#: Metres of a unit by its first letters, 1 of the others.
_METERS = {"c": 0.01, "k": 1000.0, "f": 0.3048, "y": 0.9144, "i": 0.0254}
_UNIT_AFTER = re.compile(rf"[ -]?{_UNIT}", re.IGNORECASE)
#: In words a number counts where a unit follows: "one" is mostly none.
_SPELT_RUN = re.compile(
    rf"(?<![A-Za-z])(?:(?:{'|'.join(_SPELT)}|a|hundred|and|point)[ -]){{1,8}}(?={_UNIT})", re.IGNORECASE
)
_RANGE = re.compile(r"\s?(?:to|and|or|-|–)\s?", re.IGNORECASE)
_LEAST, _GREATEST = 0.3, 150.0  # the bins' range in metres; values outside fall into the outermost bins
_BINS = 24
_LIMIT = 1e9  # what is larger is no quantity
NUMBER_DIM = 2 + _BINS


def number_values(text: str, offsets: Sequence[tuple[int, int]]) -> np.ndarray:
    """The value of the number that each token is part of, in metres where a unit of length follows it.

    Args:
        text: a sentence.
        offsets: (L, 2) first and last-plus-one character of each token; empty spans for special tokens.

    Returns:
        (L,) float32, NaN for tokens that hold no part of a number, or of one that cannot be told (12.5.3,
        12:30) or is negative; the last of several numbers in a token. A number in words, as in "twenty-five
        yards", counts where a unit follows.
    """
    at = np.full(len(text) + 1, np.nan, dtype=np.float32)
    text = _WIDE_COMMA.sub(",", text).translate(_WIDE)
    for match in _SPELT_RUN.finditer(text):
        at[match.start() : match.end()] = _spelt_value(match.group()) * _meters(match["unit"])
    following, scale = len(text), 1.0  # of a range the last number names the unit
    for match in reversed([*_RUN.finditer(text)]):
        unit = _UNIT_AFTER.match(text, match.end())
        if unit or not _RANGE.fullmatch(text, match.end(), following):
            scale = _meters(unit["unit"]) if unit else 1.0
        following = match.start()
        if not _MINUS.search(text[max(0, match.start() - 3) : match.start()]):
            at[match.start() : match.end()] = _value(match.group()) * scale
    for match in _GROUPS.finditer(text):
        at[match.start() : match.end()] = np.nan
    # A token may hold more than the number, as "m3" or "5米": look back from its end for a character of one.
    last = np.maximum.accumulate(np.where(np.isnan(at), -1, np.arange(len(at))))
    start, end = np.asarray(offsets, dtype=np.int64).reshape(-1, 2).T
    found = last[end - 1]
    return np.where((end > start) & (found >= start), at[found], np.float32("nan"))


def _value(run: str) -> float:
    """The value of digits and signs, NaN if they are not surely one number."""
    if _THOUSANDS.fullmatch(run):
        run = re.sub(r"[^\d.]", "", run)
    elif _POINTS.fullmatch(run):
        run = run.replace(".", "").replace(",", ".")
    elif _COMMA.fullmatch(run):
        run = run.replace(",", ".")
    elif not _DECIMAL.fullmatch(run):
        return math.nan
    value = float(run)
    return value if value < _LIMIT else math.nan


def _spelt_value(run: str) -> float:
    """The value of number words, as "a hundred and five" or "one point six"; NaN if there are none."""
    whole, _, tenths = run.lower().replace("-", " ").partition("point")
    value = 0.0
    for word in whole.split():
        value = max(value, 1.0) * 100 if word == "hundred" else value + _SPELT.get(word, 0)
    value += sum(_SPELT.get(word, 0) * 0.1**i for i, word in enumerate(tenths.split(), 1))
    return value or math.nan


def _meters(unit: str) -> float:
    return _METERS.get(unit[0].lower(), 1.0)


def number_features(values: Tensor) -> Tensor:
    """Values (...,), NaN for none -> (..., NUMBER_DIM): is a number, natural logarithm, bins; zeros for none.

    A bin's feature is a Gaussian of the distance to its centre in log value, as wide as the bins are apart.
    """
    log = values.clamp(1e-2, 1e3).log()
    least, greatest = math.log(_LEAST), math.log(_GREATEST)
    centers = torch.linspace(least, greatest, _BINS, device=values.device)
    distance = (log.clamp(least, greatest)[..., None] - centers) * ((_BINS - 1) / (greatest - least))
    features = torch.cat([torch.ones_like(log)[..., None], log[..., None], torch.exp(-0.5 * distance**2)], -1)
    return torch.where(values.isnan()[..., None], 0.0, features)
