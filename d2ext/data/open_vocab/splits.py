"""What training does not hear of: classes, colours of classes, and shapes, so that it can be asked for later.

* Objects of a novel class have no label in training: where they are, boxes teach nothing. They are not
  background, since "is this an object" would then be taught wrongly, and no box is taught either, since
  their places are to be found by what related classes taught.
* An object of a novel colour of its class, or of a novel shape, is labelled as its class. Whether prompts
  with its colour, or with parts that its shape has, are true of it is not told.
* No text with a word for a novel class or shape, or with a novel colour beside a word for its class, is
  asked.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from detectron2.config import CfgNode

from d2ext.checks import Expected, declare
from d2ext.data.open_vocab.queries import Query
from d2ext.data.synthroad.labels import Label
from d2ext.data.synthroad.naming import KINDS, SHAPES
from d2ext.data.synthroad.nouns_en import NOUNS, PLURALS
from d2ext.data.synthroad.palette import COLORS
from d2ext.data.synthroad.truth import Truth

#: Each has related classes that stay: truck and tram, cyclist, pedestrian, tricyclist.
CLASSES = ("bus", "motorcyclist", "person_sitting", "barrow")
PAIRS = ("red car", "blue truck", "green van", "blue pedestrian", "yellow cyclist")
#: Each has a part that shapes which stay have too.
NOVEL_SHAPES = ("van/minibus", "truck/tipper", "car/pickup")
#: What they are called by those who do not know their names.
DESCRIPTIONS = {
    "bus": "long tall vehicle with many windows",
    "motorcyclist": "rider on two wheels with an engine",
    "person_sitting": "low person that sits",
    "barrow": "small cart pushed by hand",
    "van/minibus": "van with many windows",
    "truck/tipper": "truck with an open load bed",
    "car/pickup": "car with an open load bed",
}


def add_novel_config(cfg: CfgNode) -> None:
    """Add the keys of what is held out."""
    cfg.INPUT.NOVEL = CfgNode()
    # Classes whose objects are not labelled in training, and whose names are never said; none to train on
    # all.
    cfg.INPUT.NOVEL.CLASSES = list(CLASSES)
    # Colours of classes that are never said together: "red car".
    cfg.INPUT.NOVEL.PAIRS = list(PAIRS)
    # Shapes as "truck/tipper" whose names are never said.
    cfg.INPUT.NOVEL.SHAPES = list(NOVEL_SHAPES)


declare(
    {
        "INPUT.NOVEL.CLASSES": Expected(
            "a list of names", lambda x: not isinstance(x, str) and all(isinstance(n, str) and n for n in x)
        ),
        "INPUT.NOVEL.PAIRS": Expected(
            f"a list, each a colour ({', '.join(COLORS)}) and a class",
            lambda x: not isinstance(x, str) and all(p.split(" ", 1)[0] in COLORS and " " in p for p in x),
        ),
        "INPUT.NOVEL.SHAPES": Expected(
            f"a list of some of {', '.join(SHAPES)}",
            lambda x: not isinstance(x, str) and set(x) <= set(SHAPES),
        ),
    }
)


@dataclass(frozen=True)
class Novel:
    """What is held out: names of classes, (colour, class), and shapes as ``truck/box``."""

    classes: frozenset[str] = frozenset()
    pairs: frozenset[tuple[str, str]] = frozenset()
    shapes: frozenset[str] = frozenset()

    @classmethod
    def from_config(cls, cfg: CfgNode) -> Novel:
        """The keys of INPUT.NOVEL."""
        n = cfg.INPUT.NOVEL
        pairs = (pair.split(" ", 1) for pair in n.PAIRS)
        return cls(frozenset(n.CLASSES), frozenset((c, k) for c, k in pairs), frozenset(n.SHAPES))

    @cached_property
    def _words(self) -> re.Pattern[str] | None:
        heads = [key for key in NOUNS if key.partition("/")[0] in self.classes or key in self.shapes]
        words = {w for key in heads for w in (*NOUNS[key], *PLURALS[key])} | self.classes
        words |= {name.replace("_", " ") for name in self.classes}
        if not words:
            return None
        return re.compile(rf"\b(?:{'|'.join(sorted(map(re.escape, words), key=len, reverse=True))})\b", re.I)

    def names(self, text: str) -> bool:
        """Whether a text has a word for a class or shape that is held out."""
        return self._words is not None and self._words.search(text) is not None

    def forbids(self, query: Query, text: str) -> bool:
        """Whether training must not ask this."""
        return self.names(text) or query.head in self.shapes or (query.color, query.category) in self.pairs

    def is_unlabelled(self, category: str) -> bool:
        """Whether an object has no label in training."""
        return category in self.classes

    def truth(self, query: Query, label: Label, phrases: Sequence[str] = ()) -> Truth:
        """What training is told of an object: None also of what is held out."""
        told = query.truth(label, phrases)
        if query.color and query.color == label.color and (label.color, label.category) in self.pairs:
            return None if told else told
        of_shape = query.part or "/" in query.head
        return None if of_shape and f"{label.category}/{label.shape}" in self.shapes else told


def related(category: str, categories: Sequence[str]) -> list[str]:
    """Those that share a kind with a category, itself not among them."""
    kinds = [sure for sure, _ in KINDS.values() if category in sure]
    return [c for c in categories if c != category and any(c in sure for sure in kinds)]
