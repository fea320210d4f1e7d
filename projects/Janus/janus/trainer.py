"""Training of Janus."""

from __future__ import annotations

from typing import Any

from detectron2.config import CfgNode
from detectron2.evaluation import DatasetEvaluator

from d2ext.data.describe.build import build_describe_test_loader, build_describe_train_loader
from d2ext.engine import BaseTrainer
from d2ext.modeling.meta_arch.janus import Janus
from d2ext.projects.janus.evaluator import JanusEvaluator


class JanusTrainer(BaseTrainer):
    """:class:`~d2ext.engine.BaseTrainer` with the tasks of Janus; which parts a stage trains, and on what, is
    in its config."""

    model_class = Janus
    test_kinds = ("mono3drefer", "monomulti3d")

    def __init__(self, cfg: CfgNode) -> None:
        if cfg.MODEL.JANUS.OBJECTIVE == "pictures":
            only_pictures(cfg)
        super().__init__(cfg)

    @classmethod
    def build_train_loader(cls, cfg: CfgNode) -> Any:
        """Batches of samples of the tasks."""
        return build_describe_train_loader(cfg)

    @classmethod
    def build_test_loader(cls, cfg: CfgNode, dataset_name: str) -> Any:
        """Every image with all its tasks."""
        return build_describe_test_loader(cfg, dataset_name)

    @classmethod
    def build_evaluator(cls, cfg: CfgNode, dataset_name: str) -> DatasetEvaluator:
        """That of sentences, answers and pictures."""
        return JanusEvaluator(cfg, dataset_name)


def only_pictures(cfg: CfgNode) -> None:
    """Check that the training of image tokens has pictures alone.

    Raises:
        ValueError: other tasks, or other parts.
    """
    ratios, trained = cfg.INPUT.RATIOS, list(cfg.MODEL.JANUS.TRAINED)
    if ratios.DRAW <= 0 or ratios.ASK + ratios.DESCRIBE + ratios.TEXT > 0:
        raise ValueError("MODEL.JANUS.OBJECTIVE pictures: expected INPUT.RATIOS of DRAW alone")
    if trained != ["generation_encoder"]:
        raise ValueError(
            f"MODEL.JANUS.OBJECTIVE pictures: expected TRAINED ['generation_encoder'], got {trained}"
        )
