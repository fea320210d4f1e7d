"""Facts in a text: what reads them, in any language."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from d2ext.data.synthroad.truth import Predicate


@dataclass(frozen=True)
class Read:
    """A fact: the words that state it, where they begin, and what they say."""

    words: str
    start: int
    predicate: Predicate


def digits_step(number: str) -> float:
    """What one more in the last digit of a number is worth: 1.50 -> 0.01; whole numbers: 1."""
    return 10.0 ** -len(number.partition(".")[2])


class Reader(ABC):
    """Takes phrases from a text, one kind after the other; what is taken is blanked.

    Args:
        text: of one or more sentences.
        image_size: height and width in pixels of the picture that is spoken of.
    """

    def __init__(self, text: str, image_size: tuple[int, int]) -> None:
        self.text = text
        self.image_size = image_size

    @abstractmethod
    def read(self) -> Iterator[Read]:
        """All facts, in no order."""

    def take(
        self, pattern: str, make: Callable[[re.Match[str]], Predicate | None], keep: bool = False
    ) -> Iterator[Read]:
        """The facts that ``make`` makes of all matches; ``keep`` leaves their words to later patterns."""
        for match in list(re.finditer(pattern, self.text, re.IGNORECASE)):
            predicate = make(match)
            if predicate is None:
                continue
            yield self.fact(match, predicate)
            if not keep:
                blank = " ; " + " " * max(0, len(match.group()) - 3)
                self.text = (
                    self.text[: match.start()] + blank[: len(match.group())] + self.text[match.end() :]
                )

    def fact(self, match: re.Match[str], predicate: Predicate) -> Read:
        """The fact of a match."""
        return Read(match.group().strip(), match.start(), predicate)
