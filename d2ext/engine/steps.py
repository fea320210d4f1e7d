"""Training steps: losses that are looked at now and then, and a forward pass under autocast."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import torch
from detectron2.engine import SimpleTrainer
from torch import Tensor, nn

from d2ext.structures import transfer


class PatientTrainer(SimpleTrainer):
    """``SimpleTrainer`` that looks at the losses on a GPU when it is told to, not at every step: a look waits
    until the GPU has done all of its work. On the CPU it looks at every step.

    Raises FloatingPointError where a loss is not finite, when it looks; the steps since are lost.
    """

    def __init__(self, model: nn.Module, data_loader: Any, optimizer: torch.optim.Optimizer) -> None:
        super().__init__(model, data_loader, optimizer)
        self.device_type = next(model.parameters()).device.type
        self.patient = self.device_type != "cpu"
        self._unseen: list[tuple[dict[str, Tensor], float, int]] = []

    def _write_metrics(
        self, loss_dict: Mapping[str, Tensor], data_time: float, prefix: str = "", iter: int | None = None
    ) -> None:
        if not self.patient:
            super()._write_metrics(loss_dict, data_time, prefix, iter)
        else:
            self._unseen.append(({k: v.detach() for k, v in loss_dict.items()}, data_time, self.iter))

    def look(self) -> None:
        """Write the losses of the steps since the last look."""
        unseen, self._unseen = self._unseen, []
        values = iter(transfer([v for losses, *_ in unseen for v in losses.values()], torch.device("cpu")))
        for losses, data_time, iteration in unseen:
            self.write_metrics({name: next(values) for name in losses}, data_time, iteration)


class AutocastTrainer(PatientTrainer):
    """``SimpleTrainer`` whose forward pass runs in ``dtype`` under autocast, on the CPU or a GPU.

    float16 losses are scaled against underflow, which needs a GPU.
    """

    def __init__(
        self, model: nn.Module, data_loader: Any, optimizer: torch.optim.Optimizer, dtype: torch.dtype
    ) -> None:
        super().__init__(model, data_loader, optimizer)
        self.dtype = dtype
        self.grad_scaler = torch.amp.GradScaler(self.device_type, enabled=dtype == torch.float16)

    def run_step(self) -> None:
        """One step in the chosen type, its losses scaled where that type needs it."""
        start = time.perf_counter()
        data = next(self._data_loader_iter)
        data_time = time.perf_counter() - start
        with torch.autocast(self.device_type, self.dtype):
            losses = self.model(data)
        self.optimizer.zero_grad()
        self.grad_scaler.scale(sum(losses.values())).backward()
        self.after_backward()
        self._write_metrics(losses, data_time)
        self.grad_scaler.unscale_(self.optimizer)  # a fused optimizer would leave it until after clipping
        self.grad_scaler.step(self.optimizer)
        self.grad_scaler.update()

    def state_dict(self) -> dict[str, Any]:
        """With the scaler of gradients."""
        return {**super().state_dict(), "grad_scaler": self.grad_scaler.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As :meth:`state_dict` gives it, or without a scaler, from a training in another type."""
        super().load_state_dict(state_dict)
        if state_dict.get("grad_scaler"):  # not of a training in another type
            self.grad_scaler.load_state_dict(state_dict["grad_scaler"])
