"""Answers by a model that grounds sentences, alone: its boxes are counted, compared and placed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from detectron2.structures import Instances

from d2ext.data.describe.questions import Question
from d2ext.data.synthroad.palette import COLORS
from d2ext.projects.janus.grounder import Grounder


def ground_answers(
    grounder: Grounder, image: np.ndarray, record: Mapping[str, Any], questions: Sequence[Question]
) -> list[tuple[str, list[list[float]]]]:
    """To each question the answer in a word, as :attr:`Question.short`, and the boxes (pixels) it rests on.

    Args:
        image: (H, W, 3) BGR of the dataset dict ``record``.
    """
    answers = []
    for question in questions:
        single = question.kind not in ("count", "exist")
        found = grounder(image, record, question.phrases, single)
        answers.append((short_answer(question.kind, found), _boxes(question.kind, found)))
    return answers


def short_answer(kind: str, found: Sequence[Instances]) -> str:
    """What the boxes of a question's phrases say; "" where they say nothing."""
    if kind == "count":
        return str(len(found[0]))
    if kind == "exist":
        return "yes" if len(found[0]) else "no"
    if not all(len(answer) for answer in found):
        return ""
    if kind == "color":
        return COLORS[_best(found)]
    if kind == "nearer":
        first, second = (math.hypot(x, z) for x, z in map(_place, found))
        return "first" if first <= second else "second"
    if kind == "where":
        x, z = _place(found[0])
        ahead = abs(x) <= 1.3 or abs(math.degrees(math.atan2(x, z))) <= 6
        return "ahead" if ahead else ("left" if x < 0 else "right")
    return ""


def _best(found: Sequence[Instances]) -> int:
    return int(np.argmax([float(answer.scores[0]) for answer in found]))


def _place(answer: Instances) -> tuple[float, float]:
    x, _, z = answer.pred_boxes3d.center[0].tolist()
    return x, z


def _boxes(kind: str, found: Sequence[Instances]) -> list[list[float]]:
    chosen = [found[_best(found)]] if kind == "color" and all(map(len, found)) else found
    return [box for answer in chosen for box in answer.pred_boxes.tensor.tolist()]
