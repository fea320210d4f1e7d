"""The sentences of a whole dataset, checked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from d2ext.data.facts.check import Finding, also_fits, check_sentence, read_facts
from d2ext.data.facts.labels import label_of
from d2ext.data.facts.pictures import can_be
from d2ext.data.facts.predicates import Colored, compatible
from d2ext.data.image_io import read_image


@dataclass(frozen=True)
class CheckedSentence:
    """A sentence with its facts; ``others``: further objects that nothing in it excludes, by their id, and
    ``contradicted``: facts that another sentence about the same object, or the picture, speaks against."""

    image_id: str
    sentence_id: Any
    text: str
    findings: list[Finding]
    others: list[int] = field(default_factory=list)
    contradicted: list[str] = field(default_factory=list)

    @property
    def wrong(self) -> list[str]:
        """What is wrong with it, in words."""
        return [str(f) for f in self.findings if f.truth is False] + self.contradicted

    @property
    def doubtful(self) -> list[str]:
        """What may be wrong with it."""
        return [f"says {f.read.words!r}" for f in self.findings if f.truth is None]


def check_records(
    records: Iterable[Mapping[str, Any]], names: Sequence[str], pictures: bool = True
) -> Iterator[CheckedSentence]:
    """Check the sentences of grounding records, as :mod:`d2ext.data` describes them; those whose targets are
    not published are left out.

    Args:
        names: of the classes.
        pictures: where no label tells a colour, look whether the picture can show it.

    Raises:
        FileNotFoundError, ValueError: a picture that cannot be read.
    """
    for record in records:
        size = (record["height"], record["width"])
        labels = {a["id"]: label_of(a, names, size) for a in record["annotations"]}
        sentences = [s for s in record["sentences"] if s["target_ids"] is not None]
        colors = _colors(sentences, size)
        image = read_image(record["file_name"]) if pictures and any(colors.values()) else None
        for sentence in sentences:
            targets = [labels[i] for i in sentence["target_ids"]]
            text = sentence["text"]
            rivals = also_fits(text, targets, list(labels.values()), size)
            said = colors[id(sentence)]
            against = []
            if said and len(targets) == 1 and not targets[0].color:
                against = _against(said, sentence, sentences, colors)
                if image is not None and not can_be(said, image, targets[0].box):
                    against.append(f"says {' '.join(said)!r}, the picture shows nothing of that colour")
            yield CheckedSentence(
                record["image_id"],
                sentence["id"],
                text,
                check_sentence(text, targets, list(labels.values()), size),
                [i for i, label in labels.items() if any(label is rival for rival in rivals)],
                against,
            )


def _colors(sentences: Sequence[Mapping[str, Any]], size: tuple[int, int]) -> dict[int, tuple[str, ...]]:
    """The colours that each sentence names, by its identity."""
    found = {}
    for sentence in sentences:
        facts = [read.predicate for read in read_facts(sentence["text"], size)]
        said = [fact.colors for fact in facts if isinstance(fact, Colored)]
        found[id(sentence)] = tuple(dict.fromkeys(color for colors in said for color in colors))
    return found


def _against(
    said: tuple[str, ...],
    sentence: Mapping[str, Any],
    sentences: Sequence[Mapping[str, Any]],
    colors: Mapping[int, tuple[str, ...]],
) -> list[str]:
    for other in sentences:
        same = other is not sentence and other["target_ids"] == sentence["target_ids"]
        if same and compatible(said, colors[id(other)]) is False:
            return [f"says {' '.join(said)!r}, sentence {other['id']} says {' '.join(colors[id(other)])!r}"]
    return []
