"""The default trainer of all projects."""

from __future__ import annotations

import logging
import os
import weakref
from collections.abc import Sequence
from typing import Any

import torch
from detectron2.config import CfgNode
from detectron2.engine import DefaultTrainer, HookBase, TrainerBase, hooks
from detectron2.evaluation import (
    DatasetEvaluator,
    inference_on_dataset,
    print_csv_format,
    verify_results,
)
from detectron2.modeling import build_model
from detectron2.utils import comm
from detectron2.utils.events import EventStorage, EventWriter
from fvcore.nn.precise_bn import get_bn_modules
from torch import nn

from d2ext.data.stream import start_loader
from d2ext.engine.checkpoint import D2Checkpointer
from d2ext.engine.config import check_engine_config
from d2ext.engine.gallery import open_gallery
from d2ext.engine.hooks import Checkpoint, LossLook, StepSeed, Validation, WeightAverage
from d2ext.engine.optimizer import build_optimizer
from d2ext.engine.parallel import create_ddp_model, share_buffers
from d2ext.engine.precision import inference_autocast, inference_dtype, training_dtype
from d2ext.engine.progress import ProgressPrinter, ProgressWriter, TimedScheduler, TimeLimit
from d2ext.engine.report import write_report
from d2ext.engine.state_dicts import load_backbone
from d2ext.engine.steps import AutocastTrainer, PatientTrainer
from d2ext.engine.writers import build_writers
from d2ext.modeling.fold import check_compiler, compile_parts
from d2ext.tables import Printed


def _report(trainer: TrainerBase) -> None:
    if trainer.iter >= trainer.max_iter:
        try:
            write_report(trainer.cfg.OUTPUT_DIR)
        except ValueError as e:  # a file that an earlier run has left: the training itself has succeeded
            logging.getLogger(__name__).error(f"no report: {e}")


class BaseTrainer(DefaultTrainer):
    """``DefaultTrainer`` that resumes exactly and also trains on several CPU processes.

    A subclass written for ``DefaultTrainer`` runs: what it overrides has Detectron2's signatures, and what it
    does not is Detectron2's, its loaders among them, but for these differences:
    :class:`~d2ext.engine.checkpoint.D2Checkpointer`; the generators are seeded at each step; the training
    loader is built when training starts, and begins at the iteration it starts from
    (:func:`~d2ext.data.stream.start_loader`); AdamW by module; autocast as :mod:`~d2ext.engine.precision`
    decides; an average of the weights; validation sets apart from the test sets, the best checkpoint and
    early stopping; a limit of the time and progress from the first iteration on; ``report.html``. A project
    gives loaders, ``build_evaluator``, and what ``prepare_data`` has to do; pictures come from the gallery of
    its kind of data (:mod:`d2ext.engine.gallery`).

    Attributes:
        model_class: what ``MODEL.META_ARCHITECTURE`` must name.
        test_kinds, train_kinds: kinds of datasets (``evaluator_type``) that can be evaluated, and trained on
            where these are others.
        evaluated: the model that evaluation uses and checkpoints hold as "model": ``model`` or its average.
    """

    model_class: type[nn.Module] = nn.Module
    test_kinds: tuple[str, ...] = ()
    train_kinds: tuple[str, ...] = ()

    def __init__(self, cfg: CfgNode) -> None:
        check_engine_config(cfg)
        # Not DefaultTrainer.__init__: it builds the loader before a checkpoint is read; its DDP needs GPUs.
        TrainerBase.__init__(self)
        cfg = DefaultTrainer.auto_scale_workers(cfg, comm.get_world_size())
        dtype = training_dtype(cfg)
        inference_dtype(cfg)  # a value that it cannot have shows now
        model = self.build_model(cfg)
        if torch.device(cfg.MODEL.DEVICE).type != "cpu":
            model.to(memory_format=torch.channels_last)  # or every step would reorder the weights
        optimizer = self.build_optimizer(cfg, model)
        if cfg.SOLVER.COMPILE:
            check_compiler(torch.device(cfg.MODEL.DEVICE))
            compile_parts(model)
        model = create_ddp_model(model, find_unused_parameters=cfg.SOLVER.FIND_UNUSED_PARAMETERS)
        # The loader is None until train().
        if dtype == torch.float32:
            self._trainer = PatientTrainer(model, None, optimizer)
        else:
            self._trainer = AutocastTrainer(model, None, optimizer, dtype)
        self.scheduler = self.build_lr_scheduler(cfg, optimizer)
        self.average = None
        if cfg.SOLVER.EMA.ENABLED:  # after DDP has given every process the same weights
            self.average = WeightAverage(getattr(model, "module", model), cfg.SOLVER.EMA.DECAY)
        self.evaluated = model if self.average is None else self.average.model
        self.checkpointer = D2Checkpointer(self.evaluated, cfg.OUTPUT_DIR, trainer=weakref.proxy(self))
        self.start_iter = 0
        self.max_iter = cfg.SOLVER.MAX_ITER
        self.cfg = cfg
        self.register_hooks(self.build_hooks())

    def build_hooks(self) -> list[HookBase]:
        """Detectron2's hooks and ours; what changes or judges the weights comes before the checkpoints."""
        cfg, main = self.cfg, comm.is_main_process()
        precise_bn = None
        if cfg.TEST.PRECISE_BN.ENABLED and get_bn_modules(self.model):
            loader = self.build_train_loader(cfg)
            precise_bn = hooks.PreciseBN(
                cfg.TEST.EVAL_PERIOD, self.model, loader, cfg.TEST.PRECISE_BN.NUM_ITER
            )
        minutes, kept = cfg.SOLVER.MAX_MINUTES, cfg.SOLVER.CHECKPOINTS_KEPT or None
        self.time_limit = TimeLimit(minutes) if minutes > 0 else None
        timed = cfg.SOLVER.SCHEDULE_BY_TIME
        self.validation = None
        if cfg.DATASETS.VAL:
            judge = (cfg.SOLVER.BEST_METRIC, cfg.SOLVER.PATIENCE)
            self.validation = Validation(cfg.TEST.EVAL_PERIOD, self._validate, self.checkpointer, *judge)
        every = [
            StepSeed(cfg.SEED) if cfg.SEED >= 0 else None,
            hooks.IterationTimer(),
            TimedScheduler(self.time_limit) if timed and self.time_limit else hooks.LRScheduler(),
            self.time_limit,
            precise_bn,
            LossLook(cfg.SOLVER.LOOK_PERIOD, cfg.SOLVER.CHECKPOINT_PERIOD, cfg.TEST.EVAL_PERIOD),
            self.average,
            self.validation,
            Checkpoint(self.checkpointer, cfg.SOLVER.CHECKPOINT_PERIOD, max_to_keep=kept) if main else None,
            hooks.EvalHook(0 if self.validation else cfg.TEST.EVAL_PERIOD, self._evaluate_test),
            ProgressWriter(self.build_writers()) if main else None,
            hooks.CallbackHook(after_train=_report) if main else None,
        ]
        return [hook for hook in every if hook is not None]

    def build_writers(self) -> list[EventWriter]:
        """As Detectron2's, with a line that says what is left also under a limit of the time."""
        return [ProgressPrinter(weakref.proxy(self), self.time_limit), *build_writers(self.cfg)]

    def _validate(self) -> dict[str, Any]:
        cfg = self.cfg.clone()
        cfg.defrost()
        cfg.DATASETS.TEST = cfg.DATASETS.VAL
        results = self._evaluate(cfg)
        return {cfg.DATASETS.VAL[0]: results} if len(cfg.DATASETS.VAL) == 1 else results

    def _evaluate_test(self) -> dict[str, Any]:
        if self.validation is not None and self.validation.best is not None:
            self.checkpointer.load(os.path.join(self.cfg.OUTPUT_DIR, f"{Validation.BEST}.pth"), [])
        self._last_eval_results = self._evaluate(self.cfg)
        return self._last_eval_results

    def _evaluate(self, cfg: CfgNode) -> dict[str, Any]:
        """Results on ``cfg.DATASETS.TEST`` of what checkpoints hold; pictures go to the event storage."""
        share_buffers(self.evaluated)
        results = self.test(cfg, self.evaluated)
        if comm.is_main_process() and cfg.TEST.PICTURES > 0:
            for name in cfg.DATASETS.TEST:
                self._put_pictures(cfg, name)
        return results

    def _put_pictures(self, cfg: CfgNode, name: str) -> None:
        try:
            gallery = open_gallery(cfg.OUTPUT_DIR, name, cfg)
            for picture in gallery.spread(cfg.TEST.PICTURES) if gallery else ():
                pixels = picture.pixels[..., ::-1].transpose(2, 0, 1)
                self.storage.put_image(f"{name}/{picture.image_id}", pixels)
        except (FileNotFoundError, ValueError) as e:  # such as a map that another machine keeps for itself
            logging.getLogger(__name__).warning(f"no pictures of {name}: {e}")

    def resume_or_load(self, resume: bool = True) -> None:
        """Resume from the last whole checkpoint of ``OUTPUT_DIR``, else load ``MODEL.WEIGHTS``."""
        self.checkpointer.resume_or_load(self.cfg.MODEL.WEIGHTS, resume=resume)

    def prepare_data(self) -> None:
        """Read the datasets for the first time, after the weights and before the training: a subclass finds
        here what is wrong with them, and measures what it needs."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As Detectron2's; training goes on after the iteration that the checkpoint was saved after."""
        super().load_state_dict(state_dict)
        self.start_iter = self.iter + 1

    def train(self) -> Any:
        """Train from ``start_iter`` to ``max_iter``, on the data those iterations always get.

        ``max_iter`` is ``SOLVER.MAX_ITER`` until a hook lowers it to end the training early.

        Returns:
            the last results if ``TEST.EXPECTED_RESULTS`` asks for their verification, else None.
        """
        self.prepare_data()
        loader = self.build_train_loader(self.cfg)
        start_loader(loader, self.start_iter)
        self._trainer.reset_data_loader(lambda: loader)
        logging.getLogger(__name__).info(f"Starting training from iteration {self.start_iter}")
        self.iter = self.start_iter
        with EventStorage(self.start_iter) as self.storage:
            try:
                self.before_train()
                while self.iter < self.max_iter:
                    self.before_step()
                    self.run_step()
                    self.after_step()
                    self.iter += 1
            finally:
                self.after_train()
        if self.cfg.TEST.EXPECTED_RESULTS and comm.is_main_process():
            verify_results(self.cfg, self._last_eval_results)
            return self._last_eval_results
        return None

    @classmethod
    def build_model(cls, cfg: CfgNode) -> nn.Module:
        """The model; without MODEL.WEIGHTS its backbone starts from MODEL.BACKBONE.WEIGHTS.

        Raises:
            FileNotFoundError, ValueError: weights of a backbone that are missing or do not fit.
        """
        model = build_model(cfg)
        if cfg.MODEL.BACKBONE.WEIGHTS and not cfg.MODEL.WEIGHTS:
            if not hasattr(model, "backbone"):
                raise ValueError(
                    f"MODEL.BACKBONE.WEIGHTS: expected '', {type(model).__name__} has no backbone"
                )
            load_backbone(model.backbone, cfg.MODEL.BACKBONE.WEIGHTS)
        total = sum(p.numel() for p in model.parameters())
        trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
        logging.getLogger(__name__).info(
            f"{type(model).__name__}: {total / 1e6:.2f} M parameters, {trainable / 1e6:.2f} M of them trained"
        )
        return model

    @classmethod
    def build_lr_scheduler(cls, cfg: CfgNode, optimizer: torch.optim.Optimizer) -> Any:
        """Detectron2's, at SOLVER.STEP_SHARES of SOLVER.MAX_ITER where they are given."""
        if cfg.SOLVER.STEP_SHARES:
            cfg = cfg.clone()
            cfg.defrost()
            cfg.SOLVER.STEPS = tuple(round(share * cfg.SOLVER.MAX_ITER) for share in cfg.SOLVER.STEP_SHARES)
        return super().build_lr_scheduler(cfg, optimizer)

    @classmethod
    def build_optimizer(cls, cfg: CfgNode, model: nn.Module) -> torch.optim.Optimizer:
        """See :func:`d2ext.engine.optimizer.build_optimizer`."""
        return build_optimizer(cfg, model)

    @classmethod
    def test(
        cls,
        cfg: CfgNode,
        model: nn.Module,
        evaluators: DatasetEvaluator | Sequence[DatasetEvaluator] | None = None,
    ) -> dict[str, Any]:
        """Evaluate on ``DATASETS.TEST``, as Detectron2's method but for the type of ``TEST.DTYPE``.

        Args:
            evaluators: one for each dataset, or the only one; by default those of ``build_evaluator``. Where
                that gives none (it raises NotImplementedError) there is a warning.

        Returns:
            results by dataset ({} of one without evaluator), or those of the only dataset; empty except in
            the main process.

        Raises:
            ValueError: another number of evaluators than datasets.
        """
        if isinstance(evaluators, DatasetEvaluator):
            evaluators = [evaluators]
        names = cfg.DATASETS.TEST
        if evaluators is not None and len(evaluators) != len(names):
            raise ValueError(
                f"DATASETS.TEST has {len(names)} datasets, expected as many evaluators, got {len(evaluators)}"
            )
        results: dict[str, Any] = {}
        for i, name in enumerate(names):
            try:
                evaluator = cls.build_evaluator(cfg, name) if evaluators is None else evaluators[i]
            except NotImplementedError:
                logging.getLogger(__name__).warning(
                    f"no evaluator: give `{cls.__name__}.test` one for {name}, or have "
                    f"`{cls.__name__}.build_evaluator` build it"
                )
                results[name] = {}
                continue
            with inference_autocast(cfg):
                found = inference_on_dataset(model, cls.build_test_loader(cfg, name), evaluator)
            if comm.is_main_process():
                print_csv_format({k: v for k, v in found.items() if not isinstance(v, Printed)})
            results[name] = found
        return next(iter(results.values())) if len(results) == 1 else results
