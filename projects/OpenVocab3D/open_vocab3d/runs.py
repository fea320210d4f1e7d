"""Runs of a trained model over a dataset, and evaluations of what others have found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from detectron2.config import CfgNode
from detectron2.data import MetadataCatalog
from detectron2.evaluation import inference_on_dataset

from d2ext.data.open_vocab.protocol import AskedPrompt
from d2ext.engine import D2Checkpointer, inference_autocast
from d2ext.engine.preflight import check_datasets
from d2ext.evaluation.open_vocab import OpenVocabEvaluator
from d2ext.evaluation.predictions import FIELDS, FIELDS_2D, check_boxes, read_predictions
from d2ext.projects.open_vocab3d.evaluator import PromptEvaluator
from d2ext.projects.open_vocab3d.trainer import OpenVocabTrainer


class _ScoresOnly(PromptEvaluator):
    """Keeps what is found and makes no tables."""

    def evaluate(self) -> Any:
        return {}


def absent_scores(cfg: CfgNode, dataset_name: str) -> dict[str, list[np.ndarray]]:
    """Scores of the answers to each prompt of an evaluation in every image that has nothing of it.

    Args:
        cfg: config whose MODEL.WEIGHTS is loaded; scores are as they were learnt.

    Raises:
        FileNotFoundError, ValueError: no weights, or a dataset that cannot be used.
    """
    if not cfg.MODEL.WEIGHTS:
        raise ValueError("MODEL.WEIGHTS is empty: expected a checkpoint (--opts MODEL.WEIGHTS FILE)")
    cfg = cfg.clone()
    cfg.defrost()
    cfg.DATASETS.TEST = (dataset_name,)
    cfg.MODEL.DETECTION3D.SCORE_THRESHOLD, cfg.MODEL.OPEN_VOCAB.CALIBRATION = 0.01, ""
    check_datasets(cfg, "TEST", OpenVocabTrainer.test_kinds)
    model = OpenVocabTrainer.build_model(cfg).eval()
    D2Checkpointer(model).load(cfg.MODEL.WEIGHTS)
    evaluator = _ScoresOnly(cfg, dataset_name)
    with inference_autocast(cfg):
        inference_on_dataset(model, OpenVocabTrainer.build_test_loader(cfg, dataset_name), evaluator)
    return evaluator.absent_scores({row["image_id"]: row for row in evaluator._rows})


def evaluate_closed(
    cfg: CfgNode, dataset_name: str, predictions: Path, prompts: Sequence[AskedPrompt], folder: Path
) -> dict[str, Any]:
    """Evaluate the ``predictions.json`` of a detector of the dataset's classes as if every class was its
    name's prompt; what it has no class for gets no answer.

    Args:
        prompts: of the evaluation.
        folder: where ``predictions.json`` and ``metrics.json`` go.

    Raises:
        FileNotFoundError, ValueError: predictions that are none.
    """
    names = MetadataCatalog.get(dataset_name).thing_classes
    places = {p.name: i for i, p in enumerate(prompts) if p.query.head == p.name and not p.query.color}
    evaluator = OpenVocabEvaluator(
        dataset_name, prompts, list(cfg.INPUT.NOVEL.CLASSES), folder, cfg.TEST.SCORE_THRESHOLD
    )
    for image, row in read_predictions(predictions).items():
        found = check_boxes(
            row.get("predictions"), f"{predictions}: image {image!r}", len(names), FIELDS | FIELDS_2D
        )
        kept = [
            {**one, "category_id": places[names[one["category_id"]]]}
            for one in found
            if names[one["category_id"]] in places
        ]
        evaluator._rows.append({"image_id": image, "predictions": kept})
    return evaluator.evaluate()
