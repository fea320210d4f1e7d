"""Training hooks."""

from __future__ import annotations

import copy
import difflib
import logging
import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from detectron2.engine import HookBase, hooks
from detectron2.evaluation.testing import flatten_results_dict
from detectron2.utils import comm
from torch import nn

from d2ext.engine.checkpoint import D2Checkpointer

logger = logging.getLogger(__name__)


class StepSeed(HookBase):
    """Seeds every generator before each step from (seed, iteration, rank).

    A step then depends on the checkpoint and the iteration number alone: a resumed run draws the same dropout
    masks and noise as an uninterrupted one, with no generator state to save.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def before_step(self) -> None:
        """Seed Python's, NumPy's and torch's generators by iteration and rank."""
        state = np.random.SeedSequence((self.seed, self.trainer.iter, comm.get_rank())).generate_state(3)
        torch.manual_seed(int(state[0]))
        np.random.seed(int(state[1]))
        random.seed(int(state[2]))


class WeightAverage(HookBase):
    """Keeps an exponential moving average of a model; ``SOLVER.EMA`` in the config.

    Floating-point buffers are averaged like weights, others are copied. The trainer's checkpointer saves and
    loads :attr:`model`, the average; the state of this hook is the model that is trained.

    Not torch's ``AveragedModel``, which counts its steps on the device, so that the host waits at each, and
    averages either all buffers, counters among them, or none.

    Attributes:
        model: the average, always in evaluation mode.
    """

    def __init__(self, trained: nn.Module, decay: float) -> None:
        """
        Args:
            trained: the model that the optimizer moves, not wrapped for several processes.
            decay: weight of the old average in a step, in the long run.

        Raises:
            ValueError: decay outside of [0, 1).
        """
        if not 0 <= decay < 1:
            raise ValueError(f"SOLVER.EMA.DECAY is {decay}, expected at least 0 and below 1")

        self._trained = trained
        self._decay = decay
        self._count = 0  # on the host
        self.model = copy.deepcopy(trained).requires_grad_(False).eval()

    def before_train(self) -> None:
        """Of a new training: the average's weights, which were loaded, are those to train."""
        if self._count == 0:  # only the average has seen what was loaded
            self._trained.load_state_dict(self.model.state_dict())

    @torch.no_grad()
    def after_step(self) -> None:
        """Move every averaged tensor towards the trained one; whole numbers are copied."""
        averages, values = (
            {kind: [t.detach() for t in tensors if t.is_floating_point() is kind] for kind in (True, False)}
            for tensors in ([*net.parameters(), *net.buffers()] for net in (self.model, self._trained))
        )
        n = self._count
        share = 1 - min(self._decay, (1 + n) / (10 + n)) if n else 1.0
        torch._foreach_lerp_(averages[True], values[True], share)
        if averages[False]:
            torch._foreach_copy_(averages[False], values[False])
        self._count += 1

    def state_dict(self) -> dict[str, Any]:
        """``count`` of steps and the ``trained`` weights; the average is the checkpoint's model."""
        return {"count": self._count, "trained": self._trained.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As :meth:`state_dict` gives it."""
        self._count = state_dict["count"]
        self._trained.load_state_dict(state_dict["trained"])


class LossLook(HookBase):
    """Has the trainer look at the losses of past steps, before anything is made of them: averages are judged,
    checkpoints written. A training that has diverged ends here.

    Must run in every process, behind hooks that end the training.

    Args:
        periods: iterations between looks, those of what comes next among them; 0 is none.
    """

    def __init__(self, *periods: int) -> None:
        self._periods = periods

    def after_step(self) -> None:
        """Look at the losses where something is written, and at the end."""
        done = self.trainer.iter + 1
        if done >= self.trainer.max_iter or any(p > 0 and done % p == 0 for p in self._periods):
            self.trainer._trainer.look()


class Validation(HookBase):
    """Evaluates the validation sets, keeps the best checkpoint, and ends a training that no longer improves.

    Must run in every process. Every one takes the main process's figure, so all decide alike. The state goes
    into the checkpoints: this hook stands before the one that saves them, so that a resumed training knows of
    every evaluation up to the iteration it goes on from.

    Attributes:
        best: the largest value of the metric so far, None before the first.
    """

    #: Name of the best checkpoint.
    BEST = "model_best"

    def __init__(
        self,
        period: int,
        evaluate: Callable[[], dict[str, Any]],
        checkpointer: D2Checkpointer,
        metric: str = "",
        patience: int = 0,
    ) -> None:
        """
        Args:
            period: iterations between evaluations; 0 evaluates after the last iteration only.
            evaluate: returns nested results with the dataset's name outermost; empty but in the main process.
            checkpointer: saves the best checkpoint.
            metric: flat name of the figure to choose by, larger is better; "" for no choice.
            patience: evaluations without improvement after which training ends; 0 never ends it.
        """
        self._period = period
        self._evaluate = evaluate
        self._checkpointer = checkpointer
        self._metric = metric
        self._patience = patience
        self.best: float | None = None
        self._since_best = 0

    def before_train(self) -> None:
        """Train no further where an earlier run ran out of patience."""
        if self._exhausted():
            self.trainer.max_iter = self.trainer.start_iter

    def after_step(self) -> None:
        """Evaluate every so many iterations and at the end; keep the best, end without patience."""
        done = self.trainer.iter + 1
        if done < self.trainer.max_iter and (self._period <= 0 or done % self._period):
            return
        results = flatten_results_dict(self._evaluate())
        self.trainer.storage.put_scalars(**results, smoothing_hint=False)
        if self._metric:
            self._compare(comm.all_gather(self._value(results) if comm.is_main_process() else None)[0])
        comm.synchronize()
        if self._exhausted():
            logger.info(f"{self._metric} has not improved in {self._patience} evaluations: training ends")
            self.trainer.max_iter = done

    def _value(self, results: dict[str, float]) -> float | str:
        """The figure to choose by, or what is wrong: every process is to raise that together."""
        if self._metric in results:
            return float(results[self._metric])
        near = difflib.get_close_matches(self._metric, results, n=3, cutoff=0)
        return f"SOLVER.BEST_METRIC is {self._metric!r}, expected a result such as {', '.join(near)}"

    def _compare(self, value: float | str) -> None:
        if isinstance(value, str):
            raise ValueError(value)
        if not math.isnan(value) and (self.best is None or value > self.best):
            self.best, self._since_best = value, 0
            logger.info(f"{self._metric} is {value:.3f}, the best so far")
            self._checkpointer.save(self.BEST, iteration=self.trainer.iter)
        else:
            self._since_best += 1

    def _exhausted(self) -> bool:
        return 0 < self._patience <= self._since_best

    def state_dict(self) -> dict[str, Any]:
        """The ``best`` value and the evaluations ``since_best``; empty without a metric."""
        return {"best": self.best, "since_best": self._since_best} if self._metric else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As :meth:`state_dict` gives it."""
        self.best, self._since_best = state_dict["best"], state_dict["since_best"]


class Checkpoint(hooks.PeriodicCheckpointer):
    """Detectron2's periodic checkpoints, the last of them where training ends, be it early."""

    def after_step(self) -> None:
        """As Detectron2's, for an end of training that other hooks may bring forward."""
        self.max_iter = self.trainer.max_iter
        super().after_step()
