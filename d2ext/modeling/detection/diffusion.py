"""Diffusion of 2D boxes (Chen et al., DiffusionDet, ICCV 2023): from labels to noise and back.

Schedules and samplers are those of ``diffusers``. Every image is on its own: what happens to its boxes does
not depend on the other images of a batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from d2ext.registry import VariantRegistry

#: Keywords that every scheduler of diffusers takes -> one that goes from noise to signals.
SAMPLER_REGISTRY = VariantRegistry("MODEL.DIFFUSION.SAMPLER")
#: Schedules of the noise, by the names of diffusers, that both samplers have.
SCHEDULES = ("linear", "scaled_linear", "squaredcos_cap_v2")


@SAMPLER_REGISTRY.register()
def ddim(**options: Any) -> Any:
    """Song et al., Denoising Diffusion Implicit Models, ICLR 2021."""
    from diffusers import DDIMScheduler  # seconds to import

    return DDIMScheduler(**options, clip_sample=False)


@SAMPLER_REGISTRY.named("dpm_solver++")
def dpm_solver(**options: Any) -> Any:
    """Of second order: Lu et al., DPM-Solver++, 2022."""
    from diffusers import DPMSolverMultistepScheduler

    return DPMSolverMultistepScheduler(**options, algorithm_type="dpmsolver++", solver_order=2)


class BoxDiffusion:
    """Signals (..., 4) in [-scale, scale] that stand for boxes (..., 4) as centre x, y, width, height in
    image sizes.

    Published, a signal is linear in the sides too; noise is then boxes half as large as the image, whatever
    the objects' size. With ``smallest`` it is linear in the logarithm of a side, from ``smallest`` to 1.

    Args:
        timesteps: noise levels.
        schedule: name that ``diffusers`` has for the schedule of the noise.
        scale: of the signal; the larger, the less noise.
        sampler: a name of ``SAMPLER_REGISTRY``.
        smallest: side of a box, less than 1; 0 for signals linear in the sides.

    Raises:
        ValueError: another sampler, ``smallest`` outside of [0, 1), or a schedule that ``diffusers``
            does not have.
    """

    def __init__(self, timesteps: int, schedule: str, scale: float, sampler: str, smallest: float) -> None:
        if not 0 <= smallest < 1:
            raise ValueError(f"MODEL.DIFFUSION.SMALLEST {smallest}: expected a number in [0, 1)")
        self.timesteps = timesteps
        self.schedule = schedule
        self.scale = scale
        self.sampler = SAMPLER_REGISTRY.get(sampler)
        self.smallest = smallest
        try:
            self._forward = self._scheduler(ddim)
        except NotImplementedError as e:
            raise ValueError(f"MODEL.DIFFUSION.SCHEDULE {schedule}: expected one that diffusers has") from e

    def _scheduler(self, sampler: Callable[..., Any]) -> Any:
        options = {
            "num_train_timesteps": self.timesteps,
            "beta_schedule": self.schedule,
            "prediction_type": "sample",
            "timestep_spacing": "trailing",  # from pure noise down, in equal strides
        }
        return sampler(**options)

    def to_signal(self, boxes: Tensor) -> Tensor:
        """Boxes (..., 4) -> signals (..., 4)."""
        if self.smallest:
            low = math.log(self.smallest)
            sides = 1 - boxes[..., 2:].clamp(min=self.smallest).log() / low
            boxes = torch.cat([boxes[..., :2], sides], -1)
        return (boxes * 2 - 1) * self.scale

    def to_boxes(self, signal: Tensor) -> Tensor:
        """Signals (..., 4), cut to [-scale, scale] -> boxes (..., 4) in [0, 1]."""
        boxes = (signal.clamp(-self.scale, self.scale) / self.scale + 1) / 2
        if self.smallest:
            sides = ((1 - boxes[..., 2:]) * math.log(self.smallest)).exp()
            boxes = torch.cat([boxes[..., :2], sides], -1)
        return boxes

    def pad(self, signals: Sequence[Tensor], count: int) -> Tensor:
        """Signals (G_i, 4) of the labelled boxes of B images -> (B, count, 4): filled up with random ones,
        drawn around the middle, or a random choice where there are too many."""
        return torch.stack([self._pad(s, count) for s in signals])

    def _pad(self, signal: Tensor, count: int) -> Tensor:
        if len(signal) >= count:
            return signal[torch.randperm(len(signal), device=signal.device)[:count]]
        fill = torch.randn(count - len(signal), 4, device=signal.device) / 3
        return torch.cat([signal, fill.clamp(-1.0, 1.0) * self.scale])

    def add_noise(self, signal: Tensor, noise: Tensor, time: Tensor) -> Tensor:
        """x_t = sqrt(a_t) x_0 + sqrt(1 - a_t) noise for x_0 (B, N, 4) at time (B,) long."""
        return self._forward.add_noise(signal, noise, time)

    def sample(
        self, noise: Tensor, renewal: Tensor, predict: Callable[[Tensor, int], tuple[Tensor, Tensor]]
    ) -> Tensor:
        """From noise to signals.

        Args:
            noise: (B, N, 4), where it starts.
            renewal: (steps - 1, N, 4) or (steps - 1, B, N, 4), what boxes that are not kept after each step
                but the last become.
            predict: signals x_t (B, N, 4) and t -> predicted x_0 (B, N, 4) and (B, N) which boxes to keep.

        Returns:
            (B, N, 4) signals after the last step.

        Raises:
            ValueError: more steps than noise levels.
        """
        steps = len(renewal) + 1
        if steps > self.timesteps:
            raise ValueError(f"steps {steps}: expected at most MODEL.DIFFUSION.TIMESTEPS {self.timesteps}")
        scheduler = self._scheduler(self.sampler)
        scheduler.set_timesteps(steps)  # on the host, which looks at them
        signal, new = noise, torch.zeros_like(noise[..., :1], dtype=torch.bool)
        for step, time in enumerate(scheduler.timesteps.tolist()):
            x0, keep = predict(signal, time)
            past = getattr(scheduler, "model_outputs", None)  # of solvers of more than one step
            if past and step:  # a box that has just begun has no past to build on
                past[-1] = torch.where(new, x0, past[-1])
            signal = scheduler.step(x0, time, signal).prev_sample
            if step < steps - 1:
                new = ~keep[..., None]
                signal = torch.where(new, renewal[step].expand_as(signal), signal)
        return signal
