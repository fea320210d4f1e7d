"""Captions of a picture: what its dataset says, and its layout in words, from short to long.

Which of several is taken in training is drawn with probability softmax(score / temperature) (Xie et al.,
"SANA", ICLR 2025, section 2.3), where a score says how well picture and words agree
(``score_captions.py``); captions without a score have 0.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from d2ext.data.sentences import flip_sentence
from d2ext.reading import clear_errors, read_json

#: By image and caption.
Scores = Mapping[str, Mapping[str, float]]

#: How a class is called where its name is no word, and words whose plural is not made by an s.
_WORDS = {
    "person_sitting": "sitting person",
    "trafficcone": "traffic cone",
    "barrow": "cart",
    "unknown_movable": "movable object",
    "unknown_unmovable": "fixed object",
}
_PLURALS = {"bus": "buses", "sitting person": "sitting people"}
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_MOST_NAMED = 5  # objects that the longest caption describes one by one
_NO_COLORS = ("none", "unknown")  # what datasets write where there is none
_SIDE = 0.25  # of the depth: farther to a side is left or right


def layout_captions(annotations: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[str]:
    """Captions of objects, from short to long: how many of each class; with their colours; and the nearest
    ones with colour, distance and side.

    Args:
        annotations: with ``category_id``, ``color``, ``has_3d`` and ``location``.
        names: of the classes.
    """
    if not annotations:
        return ["an empty road"]
    kinds = Counter(_word(names[a["category_id"]]) for a in annotations)
    colored = Counter(_named(a, names) for a in annotations)
    counts = _list(_counted(kind, n) for kind, n in kinds.most_common())
    captions = [counts, f"a road with {_list(_counted(kind, n) for kind, n in colored.most_common())}"]
    placed = sorted((a for a in annotations if a["has_3d"]), key=lambda a: a["location"][2])
    if placed:
        told = "; ".join(f"{_article(_named(a, names))}{_place(a)}" for a in placed[:_MOST_NAMED])
        captions.append(f"{counts}: {told}")
    return list(dict.fromkeys(captions))


def _word(name: str) -> str:
    return _WORDS.get(name, name)


def _named(annotation: Mapping[str, Any], names: Sequence[str]) -> str:
    color = annotation.get("color")
    color = None if color in _NO_COLORS else color
    return (
        f"{color} {_word(names[annotation['category_id']])}"
        if color
        else _word(names[annotation["category_id"]])
    )


def _counted(kind: str, count: int) -> str:
    if count == 1:
        return _article(kind)
    number = _NUMBERS[count] if count < len(_NUMBERS) else str(count)
    *before, last = kind.split(" ")
    plural = _PLURALS.get(kind) or " ".join([*before, _PLURALS.get(last, f"{last}s")])
    return f"{number} {plural}"


def _article(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


def _place(annotation: Mapping[str, Any]) -> str:
    x, _, z = annotation["location"]
    side = "ahead" if abs(x) < _SIDE * z else "on the left" if x < 0 else "on the right"
    return f" {round(math.hypot(x, z))} m away {side}"


def _list(parts: Any) -> str:
    *first, last = list(parts)
    return f"{', '.join(first)} and {last}" if first else last


def captions_of(
    record: Mapping[str, Any],
    annotations: Sequence[Mapping[str, Any]],
    names: Sequence[str],
    flipped: bool = False,
) -> list[str]:
    """Captions of a record of which ``annotations``, mirrored already where ``flipped``, are in the picture.

    A sentence of the dataset is a caption where it refers to objects and all of them are there, and it can be
    mirrored where that is asked for.
    """
    kept = {a["id"] for a in annotations}
    found = []
    for sentence in record.get("sentences", ()):
        targets = sentence["target_ids"]
        if targets and kept.issuperset(targets):
            text = flip_sentence(sentence["text"]) if flipped else sentence["text"]
            found += [text] if text is not None else []
    return list(dict.fromkeys([*layout_captions(annotations, names), *found]))


def caption_shares(captions: Sequence[str], scores: Mapping[str, float], temperature: float) -> np.ndarray:
    """(N,) probabilities softmax(score / temperature).

    Raises:
        ValueError: a temperature that is not positive.
    """
    if not temperature > 0:
        raise ValueError(f"temperature: expected a positive number, got {temperature}")
    logits = np.array([scores.get(caption, 0.0) for caption in captions]) / temperature
    shares = np.exp(logits - logits.max())
    return shares / shares.sum()


@clear_errors
def read_scores(path: str | Path) -> Scores:
    """A file of scores: {image: {caption: score}}.

    Raises:
        FileNotFoundError, ValueError: no such file, or one of another content.
    """
    content = read_json(path)
    fits = isinstance(content, dict) and all(
        isinstance(row, dict) and all(isinstance(s, int | float) and math.isfinite(s) for s in row.values())
        for row in content.values()
    )
    if not fits:
        raise ValueError(f"{path}: expected {{image: {{caption: score}}}} with finite numbers")
    return content
