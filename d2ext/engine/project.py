"""What every project's ``train_net.py`` and predictor share."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable
from typing import Any

import torch
from detectron2.config import CfgNode
from detectron2.data import MetadataCatalog
from detectron2.engine import DefaultPredictor
from detectron2.evaluation import verify_results
from detectron2.modeling import build_model
from detectron2.utils import comm

from d2ext.engine.checkpoint import D2Checkpointer
from d2ext.engine.config import load_config
from d2ext.engine.launch import default_setup, set_tf32
from d2ext.engine.precision import inference_autocast
from d2ext.engine.preflight import check_device, check_run
from d2ext.engine.report import write_report
from d2ext.engine.trainer import BaseTrainer
from d2ext.modeling import optimize_for_inference
from d2ext.modeling.box3d.config import vocabulary_of

logger = logging.getLogger(__name__)

Model = Callable[[list[dict]], list[dict]]


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


class ImagePredictor(DefaultPredictor):
    """A model that is loaded, made fast and run on one image's record at a time.

    Args:
        cfg: config whose MODEL.WEIGHTS is loaded.
        model: runs in place of the one that ``cfg`` describes, such as an exported one.

    Raises:
        FileNotFoundError, ValueError: weights that are missing or do not fit.
    """

    def __init__(self, cfg: CfgNode, model: Model | None = None) -> None:
        # Not DefaultPredictor.__init__: its checkpointer runs pickled code and lets shapes differ.
        self.cfg = cfg.clone()
        set_tf32(cfg.TF32)
        if model is None:
            if not cfg.MODEL.WEIGHTS:
                raise ValueError("MODEL.WEIGHTS is empty: expected a checkpoint (--opts MODEL.WEIGHTS FILE)")
            check_device(cfg)
            network = build_model(self.cfg).eval()
            D2Checkpointer(network).load(cfg.MODEL.WEIGHTS)
            optimize_for_inference(network, cfg.TEST.COMPILE)
            model = network
        self.model = model
        if len(cfg.DATASETS.TEST):
            self.metadata = MetadataCatalog.get(cfg.DATASETS.TEST[0])

    @property
    def class_names(self) -> list[str]:
        """Names of the model's classes, by the number that answers have as ``pred_classes``."""
        return list(vocabulary_of(self.cfg).names)

    def predict(self, record: dict) -> dict:
        """The model's output for a record such as :func:`d2ext.data.image_record` gives."""
        with torch.no_grad(), inference_autocast(self.cfg):
            return self.model([record])[0]
