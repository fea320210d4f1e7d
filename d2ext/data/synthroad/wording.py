"""What the sentence writers of all languages share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from d2ext.data.synthroad import predicates as P

#: Whose colour is that of their clothes.
PEOPLE = ("pedestrian", "cyclist", "person_sitting", "person")
_TRIES = 40
T = TypeVar("T")


def pick(rng: np.random.Generator, options: Sequence[T]) -> T:
    """One of the options, all equally likely."""
    return options[int(rng.integers(len(options)))]


def is_person(name: str) -> bool:
    """Whether the object of a name is dressed in its colour."""
    return name.split("/")[0] in PEOPLE


@dataclass(frozen=True)
class Message:
    """Predicates by their place in a sentence: what names the object ("" if unsaid), the rest shuffled.
    ``category`` is the key of the object's name."""

    category: str
    color: str
    order: P.Extreme | None
    rest: list[P.Predicate]

    @classmethod
    def of(cls, chosen: Sequence[P.Predicate], rng: np.random.Generator) -> Message:
        """Category, colour and order in their fields, the other predicates shuffled."""
        category = next((p.name for p in chosen if isinstance(p, P.Named)), "")
        color = next((p.color for p in chosen if isinstance(p, P.HasColor)), "")
        order = next((p for p in chosen if isinstance(p, P.Extreme)), None)
        rest = [p for p in chosen if not isinstance(p, P.Named | P.HasColor | P.Extreme)]
        return cls(category, color, order, [rest[i] for i in rng.permutation(len(rest)).tolist()])


def fitting(compose: Callable[[], str], length: Callable[[str], int], limits: tuple[int, int]) -> str | None:
    """The first of some tries whose length is within the limits; None when there is none."""
    for _ in range(_TRIES):
        text = compose()
        if limits[0] <= length(text) <= limits[1]:
            return text
    return None
