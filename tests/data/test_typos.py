"""Typing mistakes."""

import numpy as np

from d2ext.data.typos import misspell


def _distance(a: str, b: str) -> int:
    """Insertions, deletions, replacements and swaps of neighbours (Damerau and Levenshtein)."""
    d = {(i, -1): i + 1 for i in range(-1, len(a))} | {(-1, j): j + 1 for j in range(-1, len(b))}
    for i in range(len(a)):
        for j in range(len(b)):
            d[i, j] = min(d[i - 1, j] + 1, d[i, j - 1] + 1, d[i - 1, j - 1] + (a[i] != b[j]))
            if i and j and a[i] == b[j - 1] and a[i - 1] == b[j]:
                d[i, j] = min(d[i, j], d[i - 2, j - 2] + 1)
    return d[len(a) - 1, len(b) - 1]


def test_one_mistake_in_one_long_word_and_none_in_numbers():
    text, kinds = "The white van is 12.5 meters away, on the left.", set()
    rng = np.random.default_rng(0)
    for _ in range(300):
        typed = misspell(text, rng)
        assert _distance(text, typed) <= 1 and "12.5" in typed and "The " in typed and " van is " in typed
        kinds.add(len(typed) - len(text))
        for before, after in zip(text.split(), typed.split(), strict=True):
            assert before[0] == after[0]
    assert kinds == {-1, 0, 1}


def test_words_without_english_stay():
    rng = np.random.default_rng(0)
    assert (
        misspell("左边的白色轿车", rng) == "左边的白色轿车"
        and misspell("a red car 123456", rng) == "a red car 123456"
    )
