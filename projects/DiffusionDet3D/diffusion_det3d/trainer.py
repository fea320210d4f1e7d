"""Training of the 3D detectors."""

from __future__ import annotations

import os
from typing import Any

from detectron2.config import CfgNode
from torch import nn

from d2ext.data import build_detection_test_loader, build_detection_train_loader
from d2ext.engine import BaseTrainer
from d2ext.evaluation import Detection3DEvaluator
from d2ext.modeling.detection.detector import Detector3D
from d2ext.projects.diffusion_det3d.pretrained import load_imagenet


class Detection3DTrainer(BaseTrainer):
    """:class:`~d2ext.engine.BaseTrainer` with the loaders and the evaluator of 3D detection, and ImageNet
    weights for Detectron2's ResNets."""

    model_class = Detector3D
    test_kinds = ("kitti", "rope3d")
    train_kinds = (*test_kinds, "mono3drefer", "monomulti3d")

    def prepare_data(self) -> None:
        """Build the evaluators, so that what they cannot work with shows before training starts."""
        for name in (*self.cfg.DATASETS.VAL, *self.cfg.DATASETS.TEST):
            self.build_evaluator(self.cfg, name)  # whatever it cannot work with shows before training starts

    @classmethod
    def build_model(cls, cfg: CfgNode) -> nn.Module:
        """With MODEL.RESNETS.WEIGHTS in its backbone where it starts from nothing else."""
        model = super().build_model(cfg)
        if cfg.MODEL.RESNETS.WEIGHTS and not cfg.MODEL.WEIGHTS:
            load_imagenet(model.get_submodule("backbone"), cfg.MODEL.RESNETS.WEIGHTS)
        return model

    @classmethod
    def build_train_loader(cls, cfg: CfgNode, start_iter: int = 0) -> Any:
        """Batches of Detectron2's records, with boxes in 3D, from iteration ``start_iter`` on."""
        return build_detection_train_loader(cfg, start_iter)

    @classmethod
    def build_test_loader(cls, cfg: CfgNode, dataset_name: str) -> Any:
        """Every image of a dataset once."""
        return build_detection_test_loader(cfg, dataset_name)

    @classmethod
    def build_evaluator(cls, cfg: CfgNode, dataset_name: str) -> Detection3DEvaluator:
        """That of the dataset's protocol; files go to OUTPUT_DIR/inference."""
        folder = os.path.join(cfg.OUTPUT_DIR, "inference", dataset_name)
        return Detection3DEvaluator(dataset_name, folder, cfg.TEST.REGION_MASKS or None)
