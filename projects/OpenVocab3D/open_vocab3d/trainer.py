"""Training of OpenVocab3D."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from detectron2.config import CfgNode
from detectron2.evaluation import DatasetEvaluator
from torch import nn

import d2ext.gallery.open_vocab  # noqa: F401  (draws what this trainer's evaluations leave)
from d2ext.data.open_vocab.loaders import build_prompt_test_loader, build_prompt_train_loader
from d2ext.engine import BaseTrainer
from d2ext.engine.resnets import start_from_imagenet
from d2ext.modeling.meta_arch.open_vocab_det3d import OpenVocabDet3D
from d2ext.projects.open_vocab3d.calibration import load_calibration
from d2ext.projects.open_vocab3d.evaluator import PromptEvaluator, asked_prompts, texts_of
from d2ext.projects.open_vocab3d.exemplars import define_exemplars
from d2ext.projects.open_vocab3d.start import start_from_detector


class OpenVocabTrainer(BaseTrainer):
    """:class:`~d2ext.engine.BaseTrainer` with the loaders and the evaluator of prompts."""

    model_class = OpenVocabDet3D
    test_kinds = ("kitti", "rope3d", "mono3drefer", "monomulti3d")
    train_kinds = (*test_kinds, "coco", "lvis", "omni3d", "odvg")

    def prepare_data(self) -> None:
        """Build the evaluators, so that what they cannot work with shows before training starts."""
        for name in (*self.cfg.DATASETS.VAL, *self.cfg.DATASETS.TEST):
            self.build_evaluator(self.cfg, name)

    @classmethod
    def build_model(cls, cfg: CfgNode) -> nn.Module:
        """Where it starts from nothing else, with MODEL.RESNETS.WEIGHTS in its backbone, or with all that
        MODEL.OPEN_VOCAB.DETECTOR has but its classes."""
        model = super().build_model(cfg)
        start_from_imagenet(cfg, model)
        start_from_detector(cfg, model)
        return model

    @classmethod
    def build_train_loader(cls, cfg: CfgNode) -> Any:
        """Batches of images with prompts."""
        return build_prompt_train_loader(cfg)

    @classmethod
    def build_test_loader(cls, cfg: CfgNode, dataset_name: str) -> Any:
        """Every image of a dataset once, with the prompts of its evaluation."""
        return build_prompt_test_loader(cfg, dataset_name, texts_of(cfg, asked_prompts(cfg, dataset_name)))

    @classmethod
    def build_evaluator(cls, cfg: CfgNode, dataset_name: str) -> DatasetEvaluator:
        """That of prompts."""
        return PromptEvaluator(cfg, dataset_name)

    @classmethod
    def test(
        cls,
        cfg: CfgNode,
        model: nn.Module,
        evaluators: DatasetEvaluator | Sequence[DatasetEvaluator] | None = None,
    ) -> dict[str, Any]:
        """As of every trainer, with scores as MODEL.OPEN_VOCAB.CALIBRATION has them and, where TEST.EXEMPLARS
        says so, exemplars of novel classes."""
        own: Any = getattr(model, "module", model)
        training = own.training
        own.eval()
        load_calibration(own, cfg.MODEL.OPEN_VOCAB.CALIBRATION)
        if cfg.TEST.EXEMPLARS:
            define_exemplars(cfg, own)
        results = super().test(cfg, model, evaluators)
        own.train(training)
        return results
