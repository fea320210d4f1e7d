"""The score thresholds at which a model that may give any number of answers does best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .grounding import SentenceResult, match_greedy

#: Thresholds that are tried.
GRID = np.arange(2, 39) / 40


@dataclass(frozen=True)
class ChosenThresholds:
    """What a pair of thresholds reaches.

    Attributes:
        score: least score of an answer.
        existence: least score of the best answer to a sentence, or it has none.
        f1: in per cent.
        none_acc: per cent of the sentences without target that get no answer; None without such sentences.
    """

    score: float
    existence: float
    f1: float
    none_acc: float | None


def choose_thresholds(
    results: Sequence[SentenceResult],
    predictions: Sequence[Sequence[Mapping[str, Any]]],
    iou: float = 0.5,
    least_none: float = 0.0,
) -> ChosenThresholds:
    """Try all pairs of ``GRID`` and take that with the best F1.

    Greedy matching goes by falling score, so what a threshold leaves is matched as it was among all: one
    matching serves every pair.

    Args:
        results: of :func:`compare_image`, for predictions with scores from ``GRID[0]`` up.
        predictions: those of each sentence, best first, with their ``score``.
        iou: of a hit.
        least_none: per cent of the sentences without target that must get no answer; if no pair reaches it,
            the pairs that come closest are left.

    Returns:
        the pair; of equal ones the lowest thresholds.

    Raises:
        ValueError: there are no sentences.
    """
    if not results:
        raise ValueError("thresholds: expected at least one sentence to choose them by")
    hits, answers, targets, best = [], [], [], []
    for result, rows in zip(results, predictions, strict=True):
        scores = np.array([row["score"] for row in rows])
        kept = scores[:, None] >= GRID
        hits.append((kept & (match_greedy(result.iou, iou) >= 0)[:, None]).sum(0))
        answers.append(kept.sum(0))
        targets.append(result.iou.shape[1])
        best.append(scores.max(initial=-np.inf))
    exists = np.array(best) >= GRID[:, None]  # (existence, sentence)
    tp, answered = exists @ np.array(hits), exists @ np.array(answers)  # (existence, score)
    f1 = 200.0 * tp / np.maximum(answered + sum(targets), 1)
    empty = np.array(targets) == 0
    none = None
    if empty.any():
        answer = np.array(best)[empty] >= np.maximum.outer(GRID, GRID)[..., None]
        none = 100.0 * (1.0 - answer.mean(2))
    allowed = f1 if none is None else np.where(none >= min(least_none, none.max()), f1, -1.0)
    pair = np.unravel_index(allowed.argmax(), f1.shape)
    e, s = pair
    none_acc = None if none is None else float(none[pair])
    return ChosenThresholds(float(GRID[s]), float(GRID[e]), float(f1[pair]), none_acc)
