from __future__ import annotations

import itertools

import numpy as np
import pytest

from d2ext.evaluation import SentenceResult, grounding_metrics
from d2ext.evaluation.thresholds import GRID, choose_thresholds

Case = tuple[list[SentenceResult], list[list[dict]]]


def random_case(seed: int, sentences: int = 20, with_none: bool = True) -> Case:
    """Sentences of 0 to 3 targets; answers whose scores tell something about their overlap."""
    rng = np.random.default_rng(seed)
    results, answers = [], []
    for i in range(sentences):
        targets = int(rng.integers(0 if with_none else 1, 4))
        scores = np.sort(rng.uniform(GRID[0], 1, int(rng.integers(0, 6))))[::-1]
        iou = rng.random((len(scores), targets)) * (0.3 + scores[:, None])
        results.append(result_of(i, iou))
        answers.append([{"score": float(s)} for s in scores])
    return results, answers


def result_of(i: int, iou: np.ndarray) -> SentenceResult:
    ranges = ["<30m"] * iou.shape[0], ["<30m"] * iou.shape[1]
    return SentenceResult(i, iou, *ranges, ["Easy"] * iou.shape[1], [])


def metrics_at(case: Case, score: float, existence: float) -> tuple[float, float]:
    """F1@0.5 and none_acc, in per cent, of what two thresholds leave of the answers."""
    left = []
    for result, rows in zip(*case, strict=True):
        scores = np.array([row["score"] for row in rows])
        keep = (scores >= score) & (scores.max(initial=0.0) >= existence)
        left.append(result_of(result.sentence_id, result.iou[keep]))
    row = grounding_metrics(left, (30.0,))["Overall"]
    return row["F1@0.5"], row.get("none_acc", float("nan"))


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("least_none", [0.0, 50.0])
def test_the_pair_is_the_best_of_all_by_the_metrics_themselves(seed: int, least_none: float) -> None:
    case = random_case(seed)
    chosen = choose_thresholds(*case, least_none=least_none)
    every = {pair: metrics_at(case, *pair) for pair in itertools.product(GRID, GRID)}
    f1, none = metrics_at(case, chosen.score, chosen.existence)
    assert (chosen.f1, chosen.none_acc) == pytest.approx((f1, none))
    assert none >= least_none
    assert f1 == pytest.approx(max(f1 for f1, none in every.values() if none >= least_none))


def test_a_share_of_none_that_cannot_be_reached_gets_the_nearest() -> None:
    results, answers = random_case(0)
    results.append(result_of(20, np.zeros((1, 0))))
    answers.append([{"score": 0.99}])  # above every threshold
    chosen = choose_thresholds(results, answers, least_none=100.0)
    every = [metrics_at((results, answers), *pair)[1] for pair in itertools.product(GRID, GRID)]
    assert chosen.none_acc == pytest.approx(max(every))
    assert max(every) < 100


def test_without_sentences_of_no_target_only_the_f1_counts() -> None:
    case = random_case(1, with_none=False)
    chosen = choose_thresholds(*case, least_none=90.0)
    assert chosen.none_acc is None
    assert chosen.f1 == pytest.approx(max(metrics_at(case, s, e)[0] for s in GRID for e in GRID))


def test_nothing_to_choose_by_is_an_error() -> None:
    with pytest.raises(ValueError, match="expected at least one sentence"):
        choose_thresholds([], [])
