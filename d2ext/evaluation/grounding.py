"""Grounding metrics to trust: exact rotated 3D IoU, one-to-one matching, precision, recall and F1.

A sentence refers to any number of objects, also to none. Predictions are plain dicts with the keys ``score``,
``location`` (bottom centre, metres), ``dimensions`` (h, w, l) and ``yaw``, sorted by falling score; targets
are annotations of the dataset dict. Both may come straight from JSON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from d2ext.structures import Boxes3D, iou3d

from .counts import MatchCounts
from .subsets import TARGET_GROUPS, difficulty, distance_names, distance_range, target_group

THRESHOLDS = (0.25, 0.5, 0.7)


@dataclass
class SentenceResult:
    """One sentence: the exact IoU of its P predictions, by falling score, with its T targets.

    Attributes:
        sentence_id: ``id`` of the sentence in its image.
        iou: (P, T) float64.
        prediction_ranges, target_ranges: names of the depth ranges, P and T.
        difficulties: Easy, Moderate or Hard for each target.
        kinds: what the sentence speaks of: the names of its ``properties``.
    """

    sentence_id: int
    iou: np.ndarray
    prediction_ranges: list[str]
    target_ranges: list[str]
    difficulties: list[str]
    kinds: list[str]


def boxes_of(rows: Sequence[Mapping[str, Any]], ground: Sequence[float] | None) -> Boxes3D:
    """Boxes (float64) of annotations or predictions: ``location``, ``dimensions``, ``yaw``."""
    values = [[*row["location"], *row["dimensions"], row["yaw"]] for row in rows]
    table = torch.tensor(values, dtype=torch.float64).reshape(-1, 7)
    return Boxes3D.from_kitti(table[:, :3], table[:, 3:6], table[:, 6], ground)


def compare_image(
    record: Mapping[str, Any],
    predictions: Mapping[int, Sequence[Mapping[str, Any]]],
    ground: Sequence[float] | None,
    distances: tuple[float, ...],
) -> list[SentenceResult]:
    """Compare the predictions for the sentences of one image to their targets.

    Targets without a 3D label cannot be judged: they are left out, and so are sentences that have no other
    target or whose targets are not published (``target_ids`` None).

    Args:
        record: dataset dict with ``annotations`` and ``sentences``.
        predictions: sentence id -> predictions, best first; a missing id means none.
        ground: plane on which the boxes of the labels stand, None for the camera's x-z plane.
        distances: edges of the depth ranges in metres.
    """
    objects = [a for a in record["annotations"] if a["has_3d"]]
    column = {a["id"]: i for i, a in enumerate(objects)}
    judged = []
    for sentence in record["sentences"]:
        ids = sentence["target_ids"]
        if ids is not None and (not ids or any(i in column for i in ids)):
            judged.append((sentence, [column[i] for i in ids if i in column]))
    rows = [list(predictions.get(sentence["id"], ())) for sentence, _ in judged]
    iou = iou3d(boxes_of(sum(rows, []), ground), boxes_of(objects, ground)).numpy()

    results = []
    starts = np.cumsum([0, *map(len, rows)])
    for (sentence, columns), predicted, start in zip(judged, rows, starts[:-1], strict=True):
        targets = [objects[i] for i in columns]
        results.append(
            SentenceResult(
                sentence_id=sentence["id"],
                iou=iou[start : start + len(predicted)][:, np.array(columns, dtype=int)],
                prediction_ranges=[distance_range(p["location"][2], distances) for p in predicted],
                target_ranges=[distance_range(t["location"][2], distances) for t in targets],
                difficulties=[difficulty(t["truncated"], t["occluded"]) for t in targets],
                kinds=sentence_kinds(sentence),
            )
        )
    return results


def sentence_kinds(sentence: Mapping[str, Any]) -> list[str]:
    """What a sentence speaks of: "appearance" for its property "appearance : white"."""
    return sorted({prop.split(":")[0].strip() for prop in sentence["properties"]})


def match_greedy(iou: np.ndarray, threshold: float) -> np.ndarray:
    """One-to-one matching: by falling score, each prediction takes the free target it overlaps most.

    Args:
        iou: (P, T), predictions by falling score.
        threshold: smallest IoU of a match.

    Returns:
        (P,) index of the target, -1 for none.
    """
    free = iou.copy()
    match = np.full(len(iou), -1)
    for i in range(len(iou) if iou.shape[1] else 0):
        best = int(free[i].argmax())
        if free[i, best] >= threshold:
            match[i] = best
            free[:, best] = -1.0
    return match


def grounding_metrics(
    results: Sequence[SentenceResult],
    distances: tuple[float, ...],
    thresholds: Sequence[float] = THRESHOLDS,
) -> dict[str, dict[str, float]]:
    """Precision, recall and F1 at every threshold, overall and by subset; percentages.

    Rows: ``Overall``; ``targets=0`` to ``targets=4+`` and ``kind=...`` over sentences; depth ranges (a true
    positive and a miss count where the target is, a false positive where the prediction is); Easy, Moderate,
    Hard (recall only: a prediction has no difficulty). ``none_acc`` is the fraction of sentences without
    target that got no prediction. Subsets without sentences or targets are left out.

    Returns:
        {row: {"sentences" or "targets": count, "P@0.25": percent, "R@0.25", "F1@0.25", ..., "none_acc"}}.
    """
    groups = {"Overall": list(results)}
    for group in TARGET_GROUPS:
        groups[f"targets={group}"] = [r for r in results if target_group(r.iou.shape[1]) == group]
    for kind in sorted({kind for r in results for kind in r.kinds}):
        groups[f"kind={kind}"] = [r for r in results if kind in r.kinds]
    table = {name: _sentence_row(members, thresholds) for name, members in groups.items() if members}
    return table | _object_rows(results, distances, thresholds)


def _sentence_row(results: Sequence[SentenceResult], thresholds: Sequence[float]) -> dict[str, float]:
    row = {"sentences": float(len(results))}
    if any(r.iou.shape[1] for r in results):
        for threshold in thresholds:
            counts = sum((_counts(r.iou, threshold) for r in results), MatchCounts())
            row |= _percentages(counts, threshold)
    unanswered = [len(r.iou) == 0 for r in results if r.iou.shape[1] == 0]
    return row | ({"none_acc": 100.0 * float(np.mean(unanswered))} if unanswered else {})


def _object_rows(
    results: Sequence[SentenceResult], distances: tuple[float, ...], thresholds: Sequence[float]
) -> dict[str, dict[str, float]]:
    target_range = np.array([name for r in results for name in r.target_ranges])
    prediction_range = np.array([name for r in results for name in r.prediction_ranges])
    hardness = np.array([name for r in results for name in r.difficulties])
    names = [*distance_names(distances), "Easy", "Moderate", "Hard"]
    number = {name: int((target_range == name).sum() + (hardness == name).sum()) for name in names}
    table = {name: {"targets": float(number[name])} for name in names if number[name]}
    for threshold in thresholds:
        matches = [match_greedy(r.iou, threshold) for r in results]
        hit = np.array([m >= 0 for match in matches for m in match], dtype=bool)
        found = np.array(
            [t in match for r, match in zip(results, matches, strict=True) for t in range(r.iou.shape[1])],
            dtype=bool,
        )
        for name, row in table.items():
            if name in ("Easy", "Moderate", "Hard"):
                row[f"R@{threshold:g}"] = 100.0 * float(found[hardness == name].mean())
                continue
            tp = int(found[target_range == name].sum())
            counts = MatchCounts(tp, int((~hit & (prediction_range == name)).sum()), number[name] - tp)
            row |= _percentages(counts, threshold)
    return table


def _counts(iou: np.ndarray, threshold: float) -> MatchCounts:
    tp = int((match_greedy(iou, threshold) >= 0).sum())
    return MatchCounts(tp, iou.shape[0] - tp, iou.shape[1] - tp)


def _percentages(counts: MatchCounts, threshold: float) -> dict[str, float]:
    values = {"P": counts.precision, "R": counts.recall, "F1": counts.f1}
    return {f"{name}@{threshold:g}": 100.0 * value for name, value in values.items()}
