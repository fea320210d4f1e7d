"""Truth of three values: None is near a border, where a reader may say either."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from d2ext.data.synthroad.labels import Label

Truth = bool | None


def every(truths: Iterable[Truth]) -> Truth:
    """Three-valued conjunction: one False decides, else one None leaves it open."""
    result: Truth = True
    for truth in truths:
        if truth is False:
            return False
        if truth is None:
            result = None
    return result


def band(value: float, sure: float, never: float) -> Truth:
    """True up to `sure`, False from `never` on, None between."""
    return True if value <= sure else (False if value >= never else None)


@dataclass(frozen=True)
class Predicate(ABC):
    """kind is the property's name in the written files."""

    kind: ClassVar[str] = ""

    @abstractmethod
    def holds(self, label: Label, others: Sequence[Label]) -> Truth:
        """Whether it is said truly of ``label`` among ``others``; None near a border."""
