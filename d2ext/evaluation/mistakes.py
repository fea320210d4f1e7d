"""Answers to sentences as an evaluation leaves them in ``predictions.json``, and the worst of them."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from d2ext.reading import require

from .grounding import THRESHOLDS, compare_image, match_greedy
from .predictions import check_boxes, read_predictions
from .subsets import CAR_DISTANCES

Badness = tuple[float, float]

#: Smallest exact IoU of an answer that is not a mistake.
MISTAKE_IOU = THRESHOLDS[0]


@dataclass
class Answer:
    """What was predicted for one sentence of an image.

    Attributes:
        record: the image's dataset dict.
        text: the sentence as the model read it.
        predictions: rows as in ``predictions.json``, best first.
        targets: the annotations that the sentence refers to; empty also where they are not published.
        verdict: how good the answer is, in words; "" if that was not asked.
    """

    record: Mapping[str, Any]
    text: str
    predictions: Sequence[Mapping[str, Any]]
    targets: Sequence[Mapping[str, Any]]
    verdict: str = ""

    @property
    def box_plane(self) -> Sequence[float] | None:
        """Plane that the boxes of the image stand on, None for the camera's x-z plane."""
        return box_plane(self.record)


def box_plane(record: Mapping[str, Any]) -> Sequence[float] | None:
    """(4,) ground plane that the boxes of a dataset dict stand on, None for the camera's x-z plane."""
    return None if record.get("level_boxes") else record["ground_plane"]


def read_answers(
    path: str | Path, records: Iterable[Mapping[str, Any]], classes: int
) -> list[dict[int, Answer]]:
    """The answers in a ``predictions.json``, by sentence id, for each of ``records`` that it knows.

    Args:
        path: JSON: [{"image_id", "sentences": [{"id", "text", "predictions": [...]}]}].
        records: dataset dicts of the dataset that was predicted.

    Raises:
        FileNotFoundError, ValueError: no such file; it is not of this kind.
    """
    rows = read_predictions(path)
    images = []
    for record in records:
        if record["image_id"] not in rows:
            continue
        where = f"{path}: image {record['image_id']!r}"
        objects = {a["id"]: a for a in record["annotations"]}
        targets = {s["id"]: [objects[i] for i in s["target_ids"] or ()] for s in record["sentences"]}
        answers = {}
        for s in require(rows[record["image_id"]], "sentences", list, where):
            number, text = require(s, "id", int, where), require(s, "text", str, where)
            if number not in targets:
                raise ValueError(f"{where}: expected sentences of the dataset, got another id")
            found = check_boxes(s.get("predictions"), f"{where}, sentence {number}", classes)
            answers[number] = Answer(record, text, found, targets[number])
        images.append(answers)
    return [answers for answers in images if answers]


def worst_answers(images: Iterable[Mapping[int, Answer]], single: bool, count: int) -> list[Answer]:
    """The worst mistakes with their verdicts, worst first, at most one of each image.

    Args:
        images: as :func:`read_answers` gives them.
        single: every sentence has one target and its best prediction is the answer: the surer it is and the
            less it overlaps the target, the worse. Otherwise false and missed objects are counted, then the
            scores of the false ones. Only what lies below :data:`MISTAKE_IOU` is wrong.
        count: how many at most.
    """
    judge = _judge_single if single else _judge_multi
    found: list[tuple[Badness, int, Answer]] = []
    for number, answers in enumerate(images):
        record, plane = next((a.record, a.box_plane) for a in answers.values())
        predictions = {i: a.predictions[: 1 if single else None] for i, a in answers.items()}
        wrong: list[tuple[Badness, str, Answer]] = []
        for result in compare_image(record, predictions, plane, CAR_DISTANCES):
            if result.sentence_id in answers:
                scores = [row["score"] for row in predictions[result.sentence_id]]
                badness, verdict = judge(result.iou, scores)
                if verdict:
                    wrong.append((badness, verdict, answers[result.sentence_id]))
        if wrong:
            badness, verdict, answer = max(wrong, key=lambda item: item[0])
            shown = answer.predictions[: 1 if single else None]
            found.append((badness, -number, replace(answer, predictions=shown, verdict=verdict)))
    return [answer for *_, answer in heapq.nlargest(count, found, key=lambda item: item[:2])]


def _judge_single(iou: np.ndarray, scores: Sequence[float]) -> tuple[Badness, str]:
    """Badness and verdict of an answer with the IoU (P, T) of its predictions; "" for a right one."""
    best = float(iou.max(initial=0.0))
    if best >= MISTAKE_IOU:
        return (0.0, 0.0), ""
    if not scores:
        return (0.0, 0.0), "no answer"
    return (scores[0] * (1 - best), 0.0), f"IoU {best:.2f}, score {scores[0]:.2f}"


def _judge_multi(iou: np.ndarray, scores: Sequence[float]) -> tuple[Badness, str]:
    match = match_greedy(iou, MISTAKE_IOU)
    false = [score for score, target in zip(scores, match, strict=True) if target < 0]
    right = len(scores) - len(false)
    missed = iou.shape[1] - right
    if not false and not missed:
        return (0.0, 0.0), ""
    return (len(false) + missed, sum(false)), f"{len(false)} false, {missed} missed, {right} right"
