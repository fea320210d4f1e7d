"""Which prompts an image is asked in training: of what it shows, and of what is like it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from d2ext.data.absent import absent_thing
from d2ext.data.formats.odvg import OBJECT
from d2ext.data.open_vocab.attributes import FEATURES, OPPOSITES, SIZES, Has, OfSize
from d2ext.data.open_vocab.queries import Query, kinds_of, names_of
from d2ext.data.open_vocab.splits import Novel, related
from d2ext.data.synthroad.labels import Label
from d2ext.data.synthroad.naming import NAMELESS, SHAPES
from d2ext.data.synthroad.palette import COLORS
from d2ext.data.synthroad.wording import pick
from d2ext.structures import ROAD

_TRIES = 6  # for each prompt that is wanted


@dataclass(frozen=True)
class Asked:
    """Prompts of an image.

    Attributes:
        texts: K of them.
        truth: (G, K) float32 of each object and each prompt: 1, 0, NaN in doubt.
        told: (G,) the prompt by which the size of each object is told, -1 for that of every object.
    """

    texts: list[str]
    truth: np.ndarray
    told: np.ndarray


class PromptSampler:
    """Prompts for the objects of an image.

    Names of all classes that are there come first, then other prompts that are true of some object (names of
    shapes and kinds, colours, descriptions), then each of some of these with one attribute changed, then
    names of other classes and of things that no road has. Each of them may be true of any object: whether it
    is, is worked out for all.

    Args:
        names: of the classes that are trained, in the datasets.
        novel: what is held out.
        positives, hard, others: most prompts of each kind.
    """

    def __init__(self, names: Sequence[str], novel: Novel, positives: int, hard: int, others: int) -> None:
        self.names = [n for n in names if n not in novel.classes and n not in NAMELESS | {OBJECT}]
        self.on_roads = set(names) <= set(ROAD.names)
        self.novel = novel
        self.counts = (positives, hard, others)

    def __call__(
        self,
        labels: Sequence[Label],
        phrases: Sequence[Sequence[str]],
        rng: np.random.Generator,
        absent: Collection[str] | None = None,
        partly: Collection[str] = (),
    ) -> Asked:
        """Draw prompts for the labelled objects of an image.

        Args:
            labels: G objects, none of a class that is held out.
            phrases: what each annotation says of itself.
            absent: the only names of which it is known that the image has no such object; nothing but these,
                and the names and phrases of what is labelled, is then asked. None: all that no label has.
            partly: names of classes of which some objects may have no label; they are not asked.
        """
        positives, hard, others = self.counts
        if absent is not None:
            hard = 0
        found: dict[Query, str] = {}
        for name in dict.fromkeys(label.category for label in labels):
            if name in self.names and name not in partly:
                self._add(found, Query(name), rng)
        for text in dict.fromkeys(text for own in phrases for text in own):
            if len(found) < positives:
                self._add(found, Query(phrase=text), rng)
        looks = list({(x.category, x.color, x.shape): x for x in labels}.values())
        for _ in range(_TRIES * positives if looks and absent is None else 0):
            if len(found) >= positives:
                break
            self._add(found, self.about(pick(rng, looks), rng), rng)
        known = list(found)
        for _ in range(_TRIES * hard if known else 0):
            if len(found) >= len(known) + hard:
                break
            self._add(found, self.changed(pick(rng, known), rng), rng)
        missing = [n for n in self.names if absent is None or n in absent]
        for name in rng.permutation(missing).tolist()[:others]:
            self._add(found, Query(name), rng)
        texts = list(found.values())
        truth = self.truth(list(found), labels, phrases)
        if others and self.on_roads and absent is None:
            texts.append(absent_thing(rng))
            truth = np.concatenate([truth, np.zeros((len(labels), 1), np.float32)], axis=1)
        return Asked(texts, truth, self._told(list(found), truth, rng))

    def _add(self, found: dict[Query, str], query: Query, rng: np.random.Generator) -> None:
        text = query.text(rng)
        if query not in found and text not in found.values() and not self.novel.forbids(query, text):
            found[query] = text

    def about(self, label: Label, rng: np.random.Generator) -> Query:
        """Something that is true of an object: a name, or a kind with one to three attributes."""
        names, kinds = names_of(label), kinds_of(label)
        kind = rng.random()
        color = label.color if label.color in COLORS else ""
        if names and kind < 0.3:
            return Query(pick(rng, names), color if rng.random() < 0.6 else "")
        if kind < 0.4:
            return Query(pick(rng, kinds), color if rng.random() < 0.5 else "")
        head = pick(rng, [*names[:1], *kinds])
        sizes = [word for word in SIZES if OfSize(word).holds(label, ()) is True]
        parts = [part for part in FEATURES if Has(part).holds(label, ()) is True]
        size = (pick(rng, sizes),) if sizes and rng.random() < 0.5 else ()
        part = pick(rng, parts) if parts and rng.random() < 0.7 else ""
        return Query(head, color if rng.random() < 0.5 else "", size, part)

    def changed(self, query: Query, rng: np.random.Generator) -> Query:
        """The same but for one attribute; of a bare name a name that is like it."""
        ways = [w for w in ("color", "sizes", "part") if getattr(query, w)] + (["head"] if query.head else [])
        way = pick(rng, ways) if ways else ""
        if way == "color":
            return replace(query, color=pick(rng, [c for c in COLORS if c != query.color]))
        if way == "sizes":
            return replace(query, sizes=tuple(OPPOSITES[word] for word in query.sizes))
        if way == "part":
            return replace(query, part=pick(rng, [p for p in FEATURES if p != query.part]))
        if way == "head":
            return replace(query, head=pick(rng, self._like(query) or [query.head]))
        return query

    def _like(self, query: Query) -> list[str]:
        """Other shapes of the same category, and categories of the same kind."""
        shapes = [shape for shape in SHAPES if shape.startswith(f"{query.category}/")]
        return [s for s in shapes if s != query.head] + related(query.category, self.names)

    def truth(
        self, queries: Sequence[Query], labels: Sequence[Label], phrases: Sequence[Sequence[str]]
    ) -> np.ndarray:
        """(G, K) what training is told of every object and query: 1, 0, NaN in doubt."""
        rows = [
            [self.novel.truth(query, label, own) for query in queries]
            for label, own in zip(labels, phrases, strict=True)
        ]
        values = [[np.nan if t is None else float(t) for t in row] for row in rows]
        return np.array(values, dtype=np.float32).reshape(len(labels), len(queries))

    @staticmethod
    def _told(queries: Sequence[Query], truth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Of each object one prompt that is true of it, a bare name with half of the chance."""
        told = np.full(len(truth), -1, dtype=np.int64)
        bare = np.array([bool(q.head) and q == Query(q.head) for q in queries] + [False], dtype=bool)
        for i, row in enumerate(truth):
            true = row == 1
            names = np.flatnonzero(true & bare[: len(row)])
            options = names if len(names) and rng.random() < 0.5 else np.flatnonzero(true)
            if len(options) and rng.random() > 0.1:
                told[i] = pick(rng, options.tolist())
        return told
