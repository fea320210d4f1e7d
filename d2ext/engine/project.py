"""What every project's ``train_net.py`` shares."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable
from typing import Any

from detectron2.config import CfgNode
from detectron2.evaluation import verify_results
from detectron2.utils import comm

from d2ext.engine.checkpoint import D2Checkpointer
from d2ext.engine.config import load_config
from d2ext.engine.launch import default_setup
from d2ext.engine.preflight import check_run
from d2ext.engine.report import write_report
from d2ext.engine.trainer import BaseTrainer

logger = logging.getLogger(__name__)


def train_or_evaluate(
    trainer_class: type[BaseTrainer], add_keys: Callable[[CfgNode], None], args: argparse.Namespace
) -> Any:
    """Train, or with ``--eval-only`` evaluate, as the arguments of Detectron2's parser say.

    Args:
        trainer_class: the project's trainer.
        add_keys: adds the project's config keys.
        args: from ``detectron2.engine.default_argument_parser``.

    Returns:
        results by dataset of an evaluation.
    """
    cfg = load_config(add_keys, args.config_file, args.opts)
    cfg = check_run(cfg, trainer_class, args.eval_only)
    default_setup(cfg, args)
    if args.eval_only:
        model = trainer_class.build_model(cfg)
        checkpointer = D2Checkpointer(model, save_dir=cfg.OUTPUT_DIR)
        weights = (checkpointer.find_whole_checkpoint() if args.resume else "") or cfg.MODEL.WEIGHTS
        if not weights:
            logger.warning("MODEL.WEIGHTS is empty: what is evaluated was never trained")
        checkpointer.load(weights, [])
        results = trainer_class.test(cfg, model)
        if comm.is_main_process():
            write_report(cfg.OUTPUT_DIR)
            verify_results(cfg, results)
        return results
    trainer = trainer_class(cfg)
    trainer.resume_or_load(resume=args.resume)
    return trainer.train()
