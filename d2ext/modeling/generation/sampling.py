"""Samplers of diffusers, by the names of their classes, for each process.

Sources: Flow-DPM-Solver: Xie et al., "SANA", ICLR 2025, section 2.4: DPM-Solver++ (Lu et al., 2022) with
alpha = 1 - sigma. Start from a noised picture: Meng et al., "SDEdit", ICLR 2022. Guidance on two conditions
apart: Brooks et al., "InstructPix2Pix", CVPR 2023, section 3.2.1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from d2ext.modeling.generation.parts import diffusers_class
from d2ext.modeling.generation.process import DDPM, TIMES, Flow, Process, noised

#: By process: the samplers that go with it.
SAMPLERS: dict[str, tuple[str, ...]] = {
    "flow": ("DPMSolverMultistepScheduler", "FlowMatchEulerDiscreteScheduler"),
    "ddpm": (
        "DPMSolverMultistepScheduler",
        "DDIMScheduler",
        "DDPMScheduler",
        "EulerDiscreteScheduler",
    ),
}

#: From x_t (B, C, H, W) and its time, a tensor (), to what the process predicts.
Denoise = Callable[[Tensor, Tensor], Tensor]
#: Called after each step with the number of steps done and x_t; what it gives goes on in its place.
AfterStep = Callable[[int, Tensor, float], Tensor]


@dataclass(frozen=True)
class Start:
    """Where sampling begins in place of pure noise: at ``data`` (B, C, H, W), noised by ``strength`` in
    (0, 1], 1 being pure noise."""

    data: Tensor
    strength: float


def build_scheduler(process: Process, name: str) -> Any:
    """A scheduler of diffusers for a process.

    Raises:
        ValueError: the name is none of the process's ``SAMPLERS``.
    """
    flow = isinstance(process, Flow)
    known = SAMPLERS["flow" if flow else "ddpm"]
    if name not in known:
        raise ValueError(f"MODEL.SCENE.SAMPLER {name!r}: expected one of {', '.join(known)}")
    if isinstance(process, Flow):
        options: dict[str, Any] = {"shift": process.shift}
        if name.startswith("DPMSolver"):
            options = {
                "use_flow_sigmas": True,
                "flow_shift": process.shift,
                "prediction_type": "flow_prediction",
            }
    else:
        options = {
            "prediction_type": "epsilon",
            "beta_schedule": "scaled_linear",
            "beta_start": DDPM.beta_start,
            "beta_end": DDPM.beta_end,
            "timestep_spacing": "trailing",  # the first step is that of pure noise (Lin et al., WACV 2024)
        }
        if name.startswith("DDIM"):
            options |= {"clip_sample": False, "set_alpha_to_one": True}
        elif name.startswith("DDPM"):
            options |= {"clip_sample": False}
    return diffusers_class(name)(num_train_timesteps=TIMES, **options)


def check_steps(sampler: str, steps: int) -> None:
    """Check that a sampler can take so many steps.

    Raises:
        ValueError: of DDIMScheduler, which goes back by whole times, no divisor of ``TIMES``.
    """
    if sampler == "DDIMScheduler" and TIMES % steps:
        raise ValueError(f"MODEL.SCENE.STEPS: of {sampler} expected a divisor of {TIMES}, got {steps}")


def sample(
    process: Process,
    denoise: Denoise,
    noise: Tensor,
    sampler: str,
    steps: int,
    start: Start | None = None,
    generator: torch.Generator | list[torch.Generator] | None = None,
    after: AfterStep | None = None,
) -> Tensor:
    """Data from noise.

    Args:
        noise: (B, C, H, W), standard normal.
        sampler: name of a class of diffusers, one of ``SAMPLERS``.
        steps: of the whole way; a start at a strength below 1 takes that share of them.
        start: begin there.
        generator: of the noise that DDPM adds on its way; a list has one for each of the batch.
        after: see :data:`AfterStep`.

    Returns:
        (B, C, H, W) float32.

    Raises:
        ValueError: a sampler that does not go with the process, or steps that it cannot take.
    """
    scheduler = build_scheduler(process, sampler)
    check_steps(sampler, steps)
    scheduler.set_timesteps(steps, device=noise.device)
    first = 0 if start is None else min(steps - 1, round(steps * (1 - start.strength)))
    if hasattr(scheduler, "set_begin_index"):  # many steps have times that are equal once they are rounded
        scheduler.set_begin_index(first)
    times = _times(process, scheduler).to(noise.device)
    x = noise
    if first and start is not None:
        x = noised(process, start.data, noise, times[first].expand(len(noise)))
    x = x * _scale(process, scheduler, first)
    options = {"generator": generator} if sampler == "DDPMScheduler" else {}
    for i in range(first, steps):
        step = scheduler.timesteps[i]
        told = scheduler.scale_model_input(x, step) if hasattr(scheduler, "scale_model_input") else x
        x = scheduler.step(denoise(told, times[i]).float(), step, x, return_dict=False, **options)[0]
        if after is not None:
            scale = _scale(process, scheduler, i + 1)
            x = after(i + 1, x / scale, float(times[i + 1]) if i + 1 < steps else 0.0) * scale
    return x


def _times(process: Process, scheduler: Any) -> Tensor:
    """As networks are told them; a scheduler of flows rounds its own."""
    if isinstance(process, Flow):
        return scheduler.sigmas[:-1].float() * TIMES
    return scheduler.timesteps.float()


def _scale(process: Process, scheduler: Any, first: int) -> float:
    """Euler's scheduler of diffusion counts in x_t / a_t, the others in x_t."""
    if isinstance(process, DDPM) and type(scheduler).__name__ == "EulerDiscreteScheduler":
        sigma = float(scheduler.sigmas[first])
        return (sigma**2 + 1) ** 0.5
    return 1.0


def guided(both: Tensor, layout: Tensor, neither: Tensor, text_scale: float, layout_scale: float) -> Tensor:
    """Predictions with text and layout, with the layout alone, and with neither, to one that follows each as
    its scale says; 1 and 1 give the first."""
    return neither + layout_scale * (layout - neither) + text_scale * (both - layout)
