"""Training of TrajAD: teacher statistics before it, normalisation of the maps before every evaluation."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import torch
from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.engine import HookBase, hooks
from detectron2.evaluation import DatasetEvaluator

import d2ext.gallery.anomaly  # noqa: F401  (draws what this trainer's evaluations leave)
from d2ext.data.anomaly_mapper import graph_spec
from d2ext.data.build import build_anomaly_test_loader, build_anomaly_train_loader, build_normal_loader
from d2ext.engine import BaseTrainer, inference_autocast, load_weights, read_checkpoint
from d2ext.engine.hooks import Checkpoint, Validation
from d2ext.modeling.meta_arch.efficient_ad import EfficientAD
from d2ext.projects.trajad.evaluator import TrajADEvaluator
from d2ext.weights import resolve

logger = logging.getLogger(__name__)


class MapNormalization(HookBase):
    """Measures the quantiles of the maps and the threshold on held-out normal images before the model is
    evaluated or saved."""

    def after_step(self) -> None:
        """Measure quantiles and threshold on held-out images before the model is evaluated or saved."""
        cfg, done = self.trainer.cfg, self.trainer.iter + 1
        periods = [p for p in (cfg.TEST.EVAL_PERIOD, cfg.SOLVER.CHECKPOINT_PERIOD) if p > 0]
        if done != self.trainer.max_iter and all(done % period for period in periods):
            return
        model = getattr(self.trainer.evaluated, "module", self.trainer.evaluated)
        training = model.training
        model.eval()
        with inference_autocast(cfg):
            model.measure_maps(build_normal_loader(cfg, held_out=True))
        model.train(training)


class TrajADTrainer(BaseTrainer):
    """:class:`~d2ext.engine.BaseTrainer` on normal images and graphs, for the META_ARCH ``EfficientAD``.

    Data flow: ``DATASETS.TRAIN`` without the held-out images trains the student and the branch and gives the
    teacher's statistics; the held-out images, or ``DATASETS.NORMAL``, give the quantiles of the maps and the
    threshold. A record that is labelled abnormal is an error in both. ``DATASETS.TEST`` is only evaluated.
    """

    model_class = EfficientAD
    test_kinds = ("trajectories", "mvtec_ad")

    def __init__(self, cfg: CfgNode) -> None:
        check_penalty_folder(cfg.INPUT.PENALTY_FOLDER)
        super().__init__(cfg)

    def build_hooks(self) -> list[HookBase]:
        """With the normalisation of maps before whatever evaluates or saves the model."""
        built = super().build_hooks()
        users = (Validation, Checkpoint, hooks.EvalHook)
        first = next(i for i, hook in enumerate(built) if isinstance(hook, users))
        return [*built[:first], MapNormalization(), *built[first:]]

    def resume_or_load(self, resume: bool = True) -> None:
        """Resume, or start from ``MODEL.WEIGHTS``, or from the teacher alone.

        Raises:
            FileNotFoundError, ValueError: a teacher is needed and missing, or of another shape.
        """
        super().resume_or_load(resume)
        if not self.start_iter:
            self._take_graph_scale()
        if self._starts_from_teacher():
            load_teacher(self._evaluated().teacher, self.cfg.MODEL.EFFICIENT_AD.TEACHER)

    def prepare_data(self) -> None:
        """Find faults in the datasets; measure the teacher's statistics where only its weights are there."""
        cfg = self.cfg
        for name in (*cfg.DATASETS.TEST, *cfg.DATASETS.VAL):
            DatasetCatalog.get(name)
        build_normal_loader(cfg, held_out=True)
        if self._starts_from_teacher():
            logger.info("measuring the teacher's statistics on the training images")
            with inference_autocast(cfg):
                self._evaluated().measure_teacher(build_normal_loader(cfg, held_out=False))

    def _starts_from_teacher(self) -> bool:
        return not self.start_iter and not self.cfg.MODEL.WEIGHTS

    def _evaluated(self) -> Any:
        return getattr(self.evaluated, "module", self.evaluated)

    def _take_graph_scale(self) -> None:
        """What is trained from now on is for the graphs of the config."""
        kinds = [MetadataCatalog.get(name).get("evaluator_type") for name in self.cfg.DATASETS.TRAIN]
        if "trajectories" in kinds:
            scale = torch.tensor(graph_spec(self.cfg).scale(self.cfg.INPUT.GRAPH.WIDTH))
            models: tuple[Any, ...] = self.model, self.evaluated
            for model in models:
                getattr(model, "module", model).graph_scale.copy_(scale)

    @classmethod
    def build_train_loader(cls, cfg: CfgNode) -> Any:
        """Batches of normal images or graphs."""
        return build_anomaly_train_loader(cfg)

    @classmethod
    def build_test_loader(cls, cfg: CfgNode, dataset_name: str) -> Any:
        """Every image or recording of a dataset once."""
        return build_anomaly_test_loader(cfg, dataset_name)

    @classmethod
    def build_evaluator(cls, cfg: CfgNode, dataset_name: str) -> DatasetEvaluator:
        """That of anomaly maps."""
        return TrajADEvaluator(cfg, dataset_name)


def load_teacher(teacher: torch.nn.Module, path: str) -> None:
    """Load the teacher's weights.

    Raises:
        FileNotFoundError, ValueError: as :func:`check_teacher`, or what does not fit.
    """
    load_weights(teacher, check_teacher(path), path)


def check_teacher(path: str) -> dict[str, torch.Tensor]:
    """The teacher's weights.

    Raises:
        FileNotFoundError, ValueError: in one line how to get them.
    """
    how = "make one with projects/TrajAD/distill_teacher.py (see projects/TrajAD/README.md)"
    if not path:
        raise ValueError(f"MODEL.EFFICIENT_AD.TEACHER is empty, expected a file of teacher weights; {how}")
    path = resolve(path)
    if not os.path.isfile(path):
        raise FileNotFoundError(f"MODEL.EFFICIENT_AD.TEACHER {path}: no such file; {how}")
    weights = read_checkpoint(path)["model"]
    if Path(path).suffix != ".safetensors" or "conv1.weight" in weights:
        raise ValueError(
            f"MODEL.EFFICIENT_AD.TEACHER {path}: expected a .safetensors file of distill_teacher.py; of "
            "another project's teacher, whose colours are in another order, it makes one with --convert FILE"
        )
    return weights


def check_penalty_folder(folder: str) -> None:
    """Find out before the work whether there are penalty images, where there are to be some.

    Raises:
        FileNotFoundError: no such folder; the message says what to do.
    """
    if folder and not os.path.isdir(folder):
        raise FileNotFoundError(
            f"INPUT.PENALTY_FOLDER {folder}: no such folder; expected images of anything but the normal "
            "ones, as published ImageNet's (image-net.org); any photographs serve, or '' to train without"
        )
