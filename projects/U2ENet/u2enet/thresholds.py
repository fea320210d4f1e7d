"""The thresholds of a checkpoint, chosen on validation data."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from detectron2.config import CfgNode
from detectron2.data import MetadataCatalog

from d2ext.engine import D2Checkpointer
from d2ext.evaluation import ROADSIDE_DISTANCES, SentenceResult, compare_image
from d2ext.evaluation.thresholds import GRID, ChosenThresholds, choose_thresholds
from d2ext.projects.u2enet.evaluator import GroundingEvaluator, by_sentence
from d2ext.projects.u2enet.trainer import U2ENetTrainer


class AnswersAndTargets(GroundingEvaluator):
    """Keeps what was compared, for thresholds to be chosen by."""

    results: list[SentenceResult]
    answers: list[list[dict[str, Any]]]

    def compare(self, records: Sequence[Mapping[str, Any]], rows: dict[str, dict[str, Any]]) -> dict:
        """Keeps sentences as judged, and their answers, in ``results`` and ``answers``; no tables."""
        self.results, self.answers = [], []
        predictions = by_sentence(rows)
        for record in records:
            of_image = predictions.get(record["image_id"], {})
            judged = compare_image(record, of_image, record["ground_plane"], ROADSIDE_DISTANCES)
            self.results += judged
            self.answers += [of_image.get(result.sentence_id, []) for result in judged]
        return {}


def choose(cfg: CfgNode, least_none: float) -> ChosenThresholds:
    """Evaluate ``MODEL.WEIGHTS`` on ``DATASETS.VAL``, keep all answers, choose.

    Raises:
        ValueError: no weights, no data, or data of single targets.
    """
    if not cfg.MODEL.WEIGHTS:
        raise ValueError("MODEL.WEIGHTS is empty: expected the checkpoint to choose thresholds for")
    kinds = {name: MetadataCatalog.get(name).get("evaluator_type") for name in cfg.DATASETS.VAL}
    if not kinds or set(kinds.values()) != {"monomulti3d"}:
        raise ValueError(f"DATASETS.VAL is {tuple(kinds)}, expected multi-target datasets")
    cfg = cfg.clone()
    cfg.defrost()
    cfg.DATASETS.TEST = cfg.DATASETS.VAL
    cfg.MODEL.GROUNDING.SCORE_THRESHOLD, cfg.MODEL.GROUNDING.EXISTENCE_THRESHOLD = float(GRID[0]), 0.0
    model = U2ENetTrainer.build_model(cfg)
    D2Checkpointer(model).load(cfg.MODEL.WEIGHTS)
    evaluators = [AnswersAndTargets(name) for name in cfg.DATASETS.TEST]
    U2ENetTrainer.test(cfg, model, evaluators)
    results = [r for evaluator in evaluators for r in evaluator.results]
    answers = [a for evaluator in evaluators for a in evaluator.answers]
    logging.getLogger(__name__).info(f"choosing thresholds for {len(results)} sentences")
    return choose_thresholds(results, answers, least_none=least_none)
