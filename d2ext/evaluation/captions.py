"""Figures of written sentences beside those of people: BLEU and CIDEr, over words, or Chinese characters."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

_TOKEN = re.compile(r"[\u3400-\u9fff]|\d+(?:\.\d+)?|[^\W\d_\u3400-\u9fff]+")
_ORDERS = range(1, 5)

Grams = Counter[tuple[str, ...]]


def tokens(text: str) -> list[str]:
    """Words in small letters, numbers, Chinese characters."""
    return _TOKEN.findall(text.lower())


def _grams(words: Sequence[str], order: int) -> Grams:
    return Counter(tuple(words[i : i + order]) for i in range(len(words) - order + 1))


def bleu(written: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """BLEU-4 of a set in [0, 1], without smoothing.

    Args:
        written: sentences.
        references: those of people, at least one for each.

    Source: Papineni et al., "BLEU: a Method for Automatic Evaluation of Machine Translation", ACL 2002.
    """
    hits, totals, length, wanted = Counter[int](), Counter[int](), 0, 0
    for text, known in zip(written, references, strict=True):
        words, others = tokens(text), [tokens(other) for other in known]
        length += len(words)
        wanted += min((abs(len(other) - len(words)), len(other)) for other in others)[1]
        for order in _ORDERS:
            own = _grams(words, order)
            most: Grams = Counter()
            for other in others:
                most |= _grams(other, order)
            hits[order] += sum((own & most).values())
            totals[order] += sum(own.values())
    if not all(hits[order] for order in _ORDERS):
        return 0.0
    mean = sum(math.log(hits[order] / totals[order]) for order in _ORDERS) / len(_ORDERS)
    return math.exp(mean + min(0.0, 1 - wanted / length))


def cider(written: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """CIDEr of a set, from 0 to 10: how near sentences are to those of people, rare words counting more.

    Args:
        written, references: as in :func:`bleu`.

    Source: Vedantam et al., "CIDEr: Consensus-based Image Description Evaluation", CVPR 2015, eq. 1 to 4.
    """
    if not written:
        return 0.0
    scores = [0.0] * len(written)
    for order in _ORDERS:
        known = [[_grams(tokens(other), order) for other in others] for others in references]
        seen = Counter(gram for others in known for gram in set().union(*others))
        for i, (text, others) in enumerate(zip(written, known, strict=True)):
            own = _weighted(_grams(tokens(text), order), seen, len(written))
            cosines = [_cosine(own, _weighted(other, seen, len(written))) for other in others]
            scores[i] += sum(cosines) / len(cosines) / len(_ORDERS)
    return 10 * sum(scores) / len(scores)


def _weighted(grams: Grams, seen: Mapping[tuple[str, ...], int], count: int) -> dict[tuple[str, ...], float]:
    total = max(sum(grams.values()), 1)
    return {gram: n / total * math.log(count / max(seen.get(gram, 0), 1)) for gram, n in grams.items()}


def _cosine(a: Mapping[tuple[str, ...], float], b: Mapping[tuple[str, ...], float]) -> float:
    norm = _norm(a.values()) * _norm(b.values())
    return sum(weight * b.get(gram, 0.0) for gram, weight in a.items()) / norm if norm else 0.0


def _norm(values: Iterable[float]) -> float:
    return math.sqrt(sum(value * value for value in values))
