#!/usr/bin/env python3
"""Chooses MODEL.U2ENET.SCORE_THRESHOLD and EXISTENCE_THRESHOLD of a checkpoint on validation data.

projects/U2ENet/choose_thresholds.py --config-file configs/U2ENet/u2enet_dla34_monomulti3d.yaml [--none 95] \\
    DATASETS.VAL "('synthroad_monomulti3d_val',)" MODEL.WEIGHTS output/.../model_final.pth [KEY VALUE ...]

It prints the pair with the best F1 at IoU 0.5 as options for the other scripts, and writes it to
OUTPUT_DIR/thresholds.json. The datasets must be multi-target: with one target the best answer counts.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import d2ext  # noqa: F401  (first: registers datasets and models, silences import-time warnings)

# isort: split
from detectron2.config import CfgNode
from detectron2.data import MetadataCatalog
from detectron2.utils.logger import setup_logger

from d2ext.engine import D2Checkpointer, load_config, one_line_errors
from d2ext.evaluation import ROADSIDE_DISTANCES, SentenceResult, compare_image, write_json
from d2ext.evaluation.thresholds import GRID, ChosenThresholds, choose_thresholds
from d2ext.projects.u2enet import GroundingEvaluator, U2ENetTrainer, add_u2enet_config
from d2ext.projects.u2enet.evaluator import by_sentence


class AnswersAndTargets(GroundingEvaluator):
    """Keeps what was compared, for thresholds to be chosen by."""

    results: list[SentenceResult]
    answers: list[list[dict[str, Any]]]

    def compare(self, records: Sequence[Mapping[str, Any]], rows: dict[str, dict[str, Any]]) -> dict:
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
    cfg.MODEL.U2ENET.SCORE_THRESHOLD, cfg.MODEL.U2ENET.EXISTENCE_THRESHOLD = float(GRID[0]), 0.0
    model = U2ENetTrainer.build_model(cfg)
    D2Checkpointer(model).load(cfg.MODEL.WEIGHTS)
    evaluators = [AnswersAndTargets(name) for name in cfg.DATASETS.TEST]
    U2ENetTrainer.test(cfg, model, evaluators)
    results = [r for evaluator in evaluators for r in evaluator.results]
    answers = [a for evaluator in evaluators for a in evaluator.answers]
    return choose_thresholds(results, answers, least_none=least_none)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config-file", required=True)
    parser.add_argument(
        "--none", type=float, default=0.0, help="per cent of sentences without target that must get no answer"
    )
    parser.add_argument("opts", nargs=argparse.REMAINDER, metavar="KEY VALUE")
    args = parser.parse_args()
    with one_line_errors():
        cfg = load_config(add_u2enet_config, args.config_file, args.opts)
        for name in ("detectron2", "d2ext"):
            setup_logger(name=name)
        chosen = choose(cfg, args.none)
        write_json(Path(cfg.OUTPUT_DIR) / "thresholds.json", asdict(chosen))
        none = "" if chosen.none_acc is None else f", none answered with none {chosen.none_acc:.1f}"
        print(f"F1@0.5 {chosen.f1:.1f}{none}:")
        print(
            f"MODEL.U2ENET.SCORE_THRESHOLD {chosen.score:g} "
            f"MODEL.U2ENET.EXISTENCE_THRESHOLD {chosen.existence:g}"
        )


if __name__ == "__main__":
    main()
