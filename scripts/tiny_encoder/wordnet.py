"""WordNet 3.1 as a graph: which meanings a word has, and what kind of thing each is.

C. Fellbaum, "WordNet: An Electronic Lexical Database", MIT Press 1998; file formats: its manual, wndb(5WN).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

PARTS = {"noun": "n", "verb": "v", "adj": "a", "adv": "r"}
_PARTS_OF_SENSE = {"1": "n", "2": "v", "3": "a", "4": "r", "5": "a"}  # 5: satellites of adjectives
#: What a sense is one kind of: hypernym, instance of, the head of similar adjectives.
_UP = ("@", "@i", "&")

Key = tuple[str, int]  # part of speech, offset in its file


@dataclass(frozen=True)
class Meaning:
    """A synset: its words in lower case with spaces, and the more general synsets."""

    words: tuple[str, ...]
    parents: tuple[Key, ...]


class WordNet:
    """The synsets in a folder of ``data.*`` and ``index.sense`` files.

    Attributes:
        meanings: by part of speech and offset.
        senses: a word's synsets with how often each was met in tagged texts, plus one.
    """

    def __init__(self, folder: Path) -> None:
        self.meanings: dict[Key, Meaning] = {}
        for name, part in PARTS.items():
            for line in (folder / f"data.{name}").read_text(encoding="utf-8").splitlines():
                if not line.startswith(" "):  # the licence
                    self.meanings[part, int(line[:8])] = _meaning(line)
        self.senses: dict[str, dict[Key, float]] = defaultdict(dict)
        for line in (folder / "index.sense").read_text(encoding="utf-8").splitlines():
            sense, offset, _, count = line.split()
            word, rest = sense.split("%")
            key = (_PARTS_OF_SENSE[rest[0]], int(offset))
            self.senses[word.replace("_", " ")][key] = 1.0 + int(count)

    def add_modifiers(self, keys: Iterable[Key], most: int = 3) -> None:
        """Let the first word of a name of two words, as "lime green", alone mean the same; not one that
        stands so in more than ``most`` meanings, as "dark"."""
        found: dict[str, list[Key]] = defaultdict(list)
        for key in sorted(keys):
            names = [re.split("[ -]", name) for name in self.meanings[key].words]
            for first in sorted({name[0] for name in names if len(name) == 2}):
                found[first].append(key)
        for first, meant in found.items():
            for key in meant if len(meant) <= most else ():
                self.senses[first].setdefault(key, 1.0)

    def below(self, roots: Iterable[Key]) -> set[Key]:
        """Those synsets and all that are kinds of them."""
        children = defaultdict(list)
        for key, meaning in self.meanings.items():
            for parent in meaning.parents:
                children[parent].append(key)
        found, waiting = set(), list(roots)
        while waiting:
            key = waiting.pop()
            if key not in found:
                found.add(key)
                waiting += children[key]
        return found

    def find(self, word: str, part: str, *others: str) -> list[Key]:
        """The synsets of a word that have all of some other words too."""
        return [
            key for key in self.senses[word] if key[0] == part and {*others} <= {*self.meanings[key].words}
        ]


def _meaning(line: str) -> Meaning:
    fields = line.split("|")[0].split()
    kind, count = fields[2], int(fields[3], 16)
    words = tuple(w.split("(")[0].replace("_", " ").lower() for w in fields[4 : 4 + 2 * count : 2])
    pointers = fields[5 + 2 * count :]
    parents = []
    for symbol, offset, part, ends in zip(
        *(pointers[i : 4 * (len(pointers) // 4) : 4] for i in range(4)), strict=True
    ):
        # Of similar adjectives only a satellite (kind "s") has the other for its head.
        if symbol in _UP and ends == "0000" and (symbol != "&" or kind == "s"):
            parents.append(("a" if part == "s" else part, int(offset)))
    return Meaning(words, tuple(parents))
