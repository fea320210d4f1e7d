"""A prompt as what it says: a noun, a colour, sizes and a part, true or false of an object, or in doubt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from d2ext.data.open_vocab.attributes import FEATURES, Has, OfSize
from d2ext.data.synthroad import predicates as P
from d2ext.data.synthroad.labels import Label
from d2ext.data.synthroad.naming import KINDS, NAMELESS, SHAPES
from d2ext.data.synthroad.nouns_en import NOUNS, PLURALS, bare_phrase
from d2ext.data.synthroad.truth import Predicate, Truth, every
from d2ext.data.synthroad.wording import is_person, pick


def as_label(annotation: Mapping[str, Any], names: Sequence[str]) -> Label:
    """An annotation of a dataset dict as predicates take it; ``names`` are those of the dataset's classes."""
    numbers = ("dimensions", "location")
    size, location = (tuple(annotation[k]) if annotation["has_3d"] else (0.0,) * 3 for k in numbers)
    return Label(
        category=names[annotation["category_id"]],
        color=annotation.get("color") or "",
        size=size,
        location=location,
        yaw=annotation["yaw"],
        alpha=annotation["alpha"],
        box=tuple(annotation["bbox"]),
        truncated=0.0,
        hidden=0.0,
        border=(),
        shape=annotation.get("shape", ""),
    )


@dataclass(frozen=True)
class Query:
    """What a prompt asks for.

    Attributes:
        head: key of a noun: a category, a shape as ``truck/box``, a kind of several categories, or "" for
            anything; also the name of a class that has no noun here, which is then said as it is.
        color: "" for any.
        sizes: words of ``SIZES``.
        part: one of ``FEATURES``; "" for none.
        phrase: a text that an annotation says of itself; then the rest is empty.
    """

    head: str = ""
    color: str = ""
    sizes: tuple[str, ...] = ()
    part: str = ""
    phrase: str = ""

    @property
    def category(self) -> str:
        """The one that whatever answers has; "" where several may have it."""
        return "" if self.head in KINDS else self.head.partition("/")[0]

    def truth(self, label: Label, phrases: Sequence[str] = ()) -> Truth:
        """Whether an object answers; None in doubt.

        Args:
            phrases: that the object's annotation says of itself.
        """
        if self.phrase:
            return True if self.phrase in phrases else None
        return every(predicate.holds(label, ()) for predicate in self._predicates())

    def _predicates(self) -> list[Predicate]:
        found: list[Predicate] = [OfSize(word) for word in self.sizes]
        if self.head in SHAPES:
            found.append(P.IsShape.of(self.head))
        elif self.head in KINDS:
            found.append(P.IsKind(self.head))
        elif self.head:
            found.append(P.IsCategory(self.head, strict=False))
        if self.color:
            found.append(_Colored(self.color))
        return found + ([Has(self.part)] if self.part else [])

    def text(self, rng: np.random.Generator | None = None) -> str:
        """In English: with ``rng`` in one of the ways to say it, else in the first."""
        if self.phrase:
            return self.phrase
        single = rng is None or rng.random() < 0.8
        words = list(self.sizes)
        if rng is not None and self.head in NOUNS:
            words.append(bare_phrase(self.head, self.color, None, single, rng))
        else:
            nouns = NOUNS if single else PLURALS
            noun = nouns[self.head][0] if self.head in nouns else self.head.replace("_", " ")
            dressed = [noun, "in", self.color] if is_person(self.head) else [self.color, noun]
            words += dressed if self.color else [noun]
        if self.part:
            texts = FEATURES[self.part].texts
            words.append(texts[0] if rng is None else pick(rng, texts))
        return " ".join(words)


@dataclass(frozen=True)
class _Colored(P.HasColor):
    def holds(self, label: Label, others: Sequence[Label]) -> Truth:
        return None if not label.color else super().holds(label, others)


def names_of(label: Label) -> list[str]:
    """Heads that are names of an object: its category, and its shape where that has a name of its own."""
    own = [] if label.category in NAMELESS else [label.category]
    shape = f"{label.category}/{label.shape}"
    return own + ([shape] if shape in SHAPES else [])


def kinds_of(label: Label) -> list[str]:
    """Heads that are words for several categories and surely the object's too; "", for anything, is last."""
    return [kind for kind in KINDS if label.category in KINDS[kind][0]] + [""]
