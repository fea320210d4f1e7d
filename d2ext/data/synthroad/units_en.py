"""Lengths in English: metres, feet and yards, in digits and in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from d2ext.data.synthroad.wording import pick

_METERS = ("meters", "meters", "meters", "meters", "metres", "m", "m")
#: Metres of a unit, and its names.
_OTHERS = ((0.3048, "feet"), (0.3048, "ft"), (0.9144, "yards"))
_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
    " seventeen eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()


def spelt(number: int) -> str:
    """A number from 0 to 99 in words."""
    if number < 20:
        return _ONES[number]
    tens, ones = divmod(number, 10)
    return _TENS[tens - 2] + (f"-{_ONES[ones]}" if ones else "")


def lengths(meters: Sequence[float], decimals: int, rng: np.random.Generator) -> list[str]:
    """Each with its unit, the same for all; of other units rounded as finely."""
    numbers, unit = in_unit(meters, decimals, rng)
    return [f"{number} {unit}" for number in numbers]


def length(meters: float, decimals: int, rng: np.random.Generator) -> str:
    """One of :func:`lengths`; whole numbers sometimes in words."""
    if decimals == 0 and meters < 100 and rng.random() < 0.1:
        return f"{spelt(round(meters))} {pick(rng, ('meters', 'metres'))}"
    return lengths((meters,), decimals, rng)[0]


def in_unit(meters: Sequence[float], decimals: int, rng: np.random.Generator) -> tuple[list[str], str]:
    """The numbers alone, and their unit."""
    scale, unit = (1.0, pick(rng, _METERS)) if rng.random() < 0.85 else pick(rng, _OTHERS)
    return [f"{value / scale:.{decimals}f}" for value in meters], unit
