"""What is asked in evaluation: names that training said and those that it did not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from d2ext.data.open_vocab.queries import Query
from d2ext.data.open_vocab.splits import DESCRIPTIONS, Novel
from d2ext.data.synthroad.labels import Label
from d2ext.data.synthroad.naming import NAMELESS
from d2ext.data.synthroad.palette import COLORS
from d2ext.data.synthroad.truth import Truth

#: Groups of prompts by what they ask for, in the order of the tables.
BASE, NOVEL, DESCRIBED, EXEMPLAR = "base", "novel", "described", "exemplar"
SEEN_PAIRS, UNSEEN_PAIRS, SHAPES = "seen pairs", "unseen pairs", "novel shapes"
GENERIC, ABSENT = "generic", "absent"
#: Those that are asked with TEST.CATEGORIES; the others always.
_OF_CATEGORIES = {
    "base": (BASE, SEEN_PAIRS),
    "novel": (NOVEL, DESCRIBED, EXEMPLAR, UNSEEN_PAIRS, SHAPES),
}
#: On no road, and in no list of training.
_NOWHERE = ("giraffe", "piano", "windmill", "tent", "submarine")


@dataclass(frozen=True)
class AskedPrompt:
    """A prompt and what answers to it.

    Attributes:
        group: one of the above.
        text: what is asked.
        name: of the row in tables.
        query: what it says.
        shape: where only one shape is meant, as ``truck/box``: others of which the words are true do not
            count.
    """

    group: str
    text: str
    name: str
    query: Query
    shape: str = ""

    def truth(self, label: Label) -> Truth:
        """Whether an object answers; None in doubt."""
        if self.group == ABSENT:
            return False
        if self.group == GENERIC:
            return True
        if not self.shape:
            return self.query.truth(label)
        if f"{label.category}/{label.shape}" == self.shape:
            return True
        return None if self.query.truth(label) is not False else False


def protocol_prompts(
    names: Sequence[str], novel: Novel, categories: str, generic: str, looks: bool, exemplars: bool = False
) -> list[AskedPrompt]:
    """The prompts of a dataset.

    Args:
        names: of its classes.
        novel: what training did not hear of.
        categories: of TEST.CATEGORIES.
        generic: the prompt that every object answers to.
        looks: whether colours and shapes of its objects are known.
        exemplars: also ask for what is like an exemplar of each novel class, by :func:`exemplar_text`.
    """
    named = [name for name in names if name not in NAMELESS]
    out = []
    for name in named:
        new = name in novel.classes
        out.append(AskedPrompt(NOVEL if new else BASE, Query(name).text(), name, Query(name)))
        if new and name in DESCRIPTIONS:
            out.append(AskedPrompt(DESCRIBED, DESCRIPTIONS[name], name, Query(name)))
        if new and exemplars:
            out.append(AskedPrompt(EXEMPLAR, exemplar_text(name), name, Query(name)))
    if looks:
        out += [*_pairs(named, novel), *_shapes(named, novel)]
    left_out = {"all": (), "base": _OF_CATEGORIES["novel"], "novel": _OF_CATEGORIES["base"]}[categories]
    out = [prompt for prompt in out if prompt.group not in left_out]
    out += [AskedPrompt(ABSENT, text, text, Query()) for text in _NOWHERE]
    return [*_different(out), AskedPrompt(GENERIC, generic, generic, Query())]


def exemplar_text(name: str) -> str:
    """What stands in the list of prompts for an exemplar of a class."""
    return f"[like one {name}]"


def _pairs(names: Sequence[str], novel: Novel) -> list[AskedPrompt]:
    kinds = [name for name in names if name in {kind for _, kind in novel.pairs}]
    out = []
    for kind in kinds:
        for color in COLORS:
            query = Query(kind, color)
            group = UNSEEN_PAIRS if (color, kind) in novel.pairs else SEEN_PAIRS
            out.append(AskedPrompt(group, query.text(), f"{color} {kind}", query))
    return out


def _shapes(names: Sequence[str], novel: Novel) -> list[AskedPrompt]:
    parts = {"windows": "with many windows", "load bed": "with an open load bed"}
    out = []
    for shape in sorted(novel.shapes):
        category, text = shape.partition("/")[0], DESCRIPTIONS.get(shape, "")
        part = next((part for part, words in parts.items() if text.endswith(words)), "")
        if category in names and text:
            out.append(AskedPrompt(SHAPES, text, shape, Query(category, part=part), shape))
    return out


def _different(prompts: Sequence[AskedPrompt]) -> list[AskedPrompt]:
    """Each text once."""
    return list({prompt.text: prompt for prompt in reversed(prompts)}.values())[::-1]
