"""Sentences as hurried people type them."""

from __future__ import annotations

import re

import numpy as np

_WORD = re.compile(r"[A-Za-z]{4,}")


def misspell(text: str, rng: np.random.Generator) -> str:
    """The text with one mistake in one of its English words of at least four letters, none of them numbers:
    a letter is missing, there twice, another one, or has changed places with its neighbour. The first letter
    stays. A text without such a word comes back as it is."""
    words = list(_WORD.finditer(text))
    if not words:
        return text
    word = words[int(rng.integers(len(words)))]
    at = int(rng.integers(word.start() + 1, word.end()))
    here, kind = text[at], int(rng.integers(4))
    if kind == 0:
        return text[:at] + text[at + 1 :]
    if kind == 1:
        return text[:at] + here + text[at:]
    if kind == 2:
        return text[:at] + chr(ord("a") + int(rng.integers(26))) + text[at + 1 :]
    before = at - 1 if at - 1 > word.start() else at
    return text[:before] + text[before : before + 2][::-1] + text[before + 2 :]
