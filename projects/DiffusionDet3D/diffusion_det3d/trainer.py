"""Training of the 3D detectors."""

from __future__ import annotations

from typing import Any

from detectron2.config import CfgNode
from detectron2.evaluation import DatasetEvaluator
from torch import nn

import d2ext.gallery.detection  # noqa: F401  (draws what this trainer's evaluations leave)
from d2ext.data import build_detection_test_loader, build_detection_train_loader
from d2ext.engine import BaseTrainer
from d2ext.engine.resnets import start_from_imagenet
from d2ext.modeling.detection.detector import Detector3D
from d2ext.projects.diffusion_det3d.evaluator import DiffusionDet3DEvaluator


class Detection3DTrainer(BaseTrainer):
    """:class:`~d2ext.engine.BaseTrainer` with the loaders and the evaluator of 3D detection, and ImageNet
    weights for Detectron2's ResNets."""

    model_class = Detector3D
    test_kinds = ("kitti", "rope3d")
    train_kinds = (*test_kinds, "mono3drefer", "monomulti3d", "coco", "lvis", "omni3d", "odvg")

    def prepare_data(self) -> None:
        """Build the evaluators, so that what they cannot work with shows before training starts."""
        for name in (*self.cfg.DATASETS.VAL, *self.cfg.DATASETS.TEST):
            self.build_evaluator(self.cfg, name)  # whatever it cannot work with shows before training starts

    @classmethod
    def build_model(cls, cfg: CfgNode) -> nn.Module:
        """With MODEL.RESNETS.WEIGHTS in its backbone where it starts from nothing else."""
        model = super().build_model(cfg)
        start_from_imagenet(cfg, model)
        return model

    @classmethod
    def build_train_loader(cls, cfg: CfgNode) -> Any:
        """Batches of Detectron2's records, with boxes in 3D."""
        return build_detection_train_loader(cfg)

    @classmethod
    def build_test_loader(cls, cfg: CfgNode, dataset_name: str) -> Any:
        """Every image of a dataset once."""
        return build_detection_test_loader(cfg, dataset_name)

    @classmethod
    def build_evaluator(cls, cfg: CfgNode, dataset_name: str) -> DatasetEvaluator:
        """That of the dataset's protocol."""
        return DiffusionDet3DEvaluator(cfg, dataset_name)
