"""Sentences in which one word is replaced by another that no training sentence holds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from d2ext.data.formats import load_mono3drefer, load_monomulti3d
from d2ext.reading import read_json
from d2ext.structures.vocabulary import ROAD

from .frames import Records, Row

ABSENT = "absent"
#: Layouts of SynthRoad whose test sentences are used, and whether their boxes are level.
LAYOUTS = {"monomulti3d": False, "mono3drefer": True}


@dataclass(frozen=True)
class Words:
    """A list of words: ``same``, by a word that training sentences hold those that mean the same; ``absent``,
    sentences about nothing that is there."""

    same: Mapping[str, Sequence[str]]
    absent: Sequence[str]


def read_words(path: Path) -> Words:
    """A JSON object with ``same`` (an object of lists) and perhaps ``absent`` (a list).

    Raises:
        FileNotFoundError, ValueError: names the file.
    """
    found = read_json(path)
    lists = found.get("same") if isinstance(found, dict) else None
    if not isinstance(lists, dict):
        raise ValueError(f'{path}: expected an object with "same", lists of words by a known word')
    texts = [*lists.items(), (ABSENT, found.get("absent", []))]
    for name, values in texts:
        if not isinstance(values, list) or not all(isinstance(v, str) and v.strip() for v in values):
            raise ValueError(f"{path}: {name}: expected a list of texts"[:299])
    return Words(lists, found.get("absent", []))


def substitute(text: str, known: str, word: str) -> str | None:
    """The text with ``word`` wherever ``known`` stands, in the plural where that does; None where it does
    not."""
    changed, count = re.subn(
        rf"\b{re.escape(known)}(e?s)?\b", lambda m: plural(word) if m[1] else word, text, flags=re.IGNORECASE
    )
    return changed if count else None


def plural(word: str) -> str:
    """The regular plural."""
    if re.search(r"(s|x|z|ch|sh)$", word):
        return f"{word}es"
    return f"{word[:-1]}ies" if re.search(r"[^aeiou]y$", word) else f"{word}s"


def with_words(records: Records, words: Words) -> Records:
    """The records with sentences that hold a known word, their variants, and those about nothing. What a
    sentence is said to speak of (``properties``) is ``KNOWN``, or ``KNOWN > WORD``, or ``absent``."""
    return [record | {"sentences": _sentences(record, words), "single_target": False} for record in records]


def _sentences(record: Mapping[str, Any], words: Words) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    said = [*_simple(record), *((s["text"], s["target_ids"], s["properties"]) for s in record["sentences"])]
    for known, others in words.same.items():
        for text, targets, properties in said:
            if not targets or not _speaks_of(known, properties) or substitute(text, known, known) is None:
                continue
            found.append({"text": text, "target_ids": targets, "properties": [known]})
            for word in others:
                changed = substitute(text, known, word)
                found.append({"text": changed, "target_ids": targets, "properties": [f"{known} > {word}"]})
    found += [{"text": text, "target_ids": [], "properties": [ABSENT]} for text in words.absent]
    return [sentence | {"id": i} for i, sentence in enumerate(found)]


def _simple(record: Mapping[str, Any]) -> Iterator[tuple[str, list[int], list[str]]]:
    """All objects of a class, and all of a colour, with what is said as a property."""
    for name in ROAD.names:
        ids = [a["id"] for a in record["annotations"] if ROAD.names[a["category_id"]] == name]
        yield f"All {plural(name)}.", ids, [f"objectname : {name}"]
    for color in {a.get("color") for a in record["annotations"]} - {None, ""}:
        ids = [a["id"] for a in record["annotations"] if a.get("color") == color]
        yield f"All {color} objects.", ids, [f"appearance : {color}"]


def _speaks_of(known: str, properties: Sequence[str]) -> bool:
    """Whether a class or colour is that of what is meant, not of a neighbour or a part of a longer name."""
    names = {prop.split(" : ")[1] for prop in properties if prop.startswith("objectname : ")}
    return known not in ROAD.names or not names or known in names


@dataclass(frozen=True)
class WordsRow(Row):
    """The row of a layout; :meth:`read` gives ``F1@0.5`` of every word, and ``absent``."""

    def read(self, results: Mapping[str, Mapping[str, float]], folder: Path) -> dict[str, float]:
        """By what the sentences speak of."""
        exact, found = results["exact"], {}
        for name, value in exact.items():
            row, _, measure = name.rpartition("/")
            kind = row.removeprefix("kind=")
            if kind != row and measure == ("none_acc" if kind == ABSENT else "F1@0.5"):
                found[kind] = float(value)
        return found


def rows(words: Words, images: int) -> list[WordsRow]:
    """A row for each of LAYOUTS, of the first ``images`` test images."""
    return [
        WordsRow(
            f"words_{name}", f"words, {name}", "grounding", "monomulti3d", name,
            partial(_load, name, words, images), {}, level,
        )
        for name, level in LAYOUTS.items()
    ]  # fmt: skip


def _load(name: str, words: Words, images: int, root: Path) -> Records:
    load = load_monomulti3d if name == "monomulti3d" else load_mono3drefer
    return with_words(load(root, "test")[:images], words)


def table(words: Words, found: Mapping[str, float]) -> tuple[list[list[str]], list[float]]:
    """Lines of a table, known word, word, F1@0.5 of both and their ratio; and the ratios."""
    lines, ratios = [], []
    for known, others in words.same.items():
        for word in others:
            before, after = found.get(known), found.get(f"{known} > {word}")
            if before is None or after is None:
                lines.append([known, word, "-", "-", "-"])
                continue
            ratios.append(after / before if before else 0.0)
            lines.append([known, word, f"{before:.1f}", f"{after:.1f}", f"{ratios[-1]:.2f}"])
    return lines, ratios
