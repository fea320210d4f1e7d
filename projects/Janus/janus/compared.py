"""Questions about a dataset, answered by several: who is right how often."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from detectron2.data import DatasetCatalog
from tqdm import tqdm

from d2ext.data.describe.mapper import known_speeds, record_labels
from d2ext.data.describe.questions import ask, read_places, read_short
from d2ext.data.image_io import read_image
from d2ext.evaluation import Table
from d2ext.projects.janus.baseline import ground_answers
from d2ext.projects.janus.evaluator import answer_figures, same_boxes
from d2ext.projects.janus.grounder import Grounder, class_names
from d2ext.projects.janus.predictor import JanusPredictor

_QUESTIONS = 6


def compare(
    dataset: str, predictors: Mapping[str, JanusPredictor], grounder: Grounder | None, limit: int = 0
) -> dict[str, Table]:
    """Tables by who answers, the same questions for all.

    Args:
        dataset: registered name.
        predictors: by what they are called.
        grounder: answers by its boxes alone; None: nobody does.
        limit: images; 0 for all.
    """
    records = DatasetCatalog.get(dataset)
    judged: dict[str, list[dict[str, Any]]] = {name: [] for name in predictors}
    for record in tqdm(records[: limit or len(records)], unit="image", desc="ask"):
        labels = list(record_labels(record, class_names(dataset)).values())
        rng = np.random.default_rng(zlib.crc32(str(record["image_id"]).encode()))
        questions = ask(labels, rng, _QUESTIONS, speeds=known_speeds(record))
        image, size = read_image(record["file_name"]), (record["height"], record["width"])
        answered: dict[str, list[tuple[str, list[list[float]]]]] = {}
        for name, predictor in predictors.items():
            texts = predictor.ask(image, [question.text for question in questions]) if questions else []
            pairs = zip(questions, texts, strict=True)
            answered[name] = [(read_short(q.kind, text), read_places(text, size)) for q, text in pairs]
        if grounder is not None:
            answered["grounder alone"] = ground_answers(grounder, image, record, questions)
        for name, answers in answered.items():
            for question, (short, boxes) in zip(questions, answers, strict=True):
                true = [labels[i].box for i in question.boxes]
                row = {"question": {"kind": question.kind}, "right": short == question.short}
                judged.setdefault(name, []).append(row | {"boxes_agree": same_boxes(boxes, true)})
    return {name: answer_figures(rows) for name, rows in judged.items() if rows}
