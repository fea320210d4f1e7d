"""Ways from noise to data: what is noised how, what a network predicts, and what a sampler is told.

Sources: ``Flow``: Lipman et al., "Flow Matching for Generative Modeling", ICLR 2023, and Esser et al.,
"Scaling Rectified Flow Transformers", ICML 2024, for times shifted towards noise. ``DDPM``: Ho et al.,
"Denoising Diffusion Probabilistic Models", NeurIPS 2020, with the prediction of noise. Offset noise:
Guttenberg, "Diffusion with Offset Noise", 2023.
"""

from __future__ import annotations

from typing import Protocol

import torch
from detectron2.config import CfgNode
from torch import Tensor

from d2ext.registry import VariantRegistry

TIMES = 1000  # as networks are told the time: 0 data, TIMES noise
PROCESS_REGISTRY = VariantRegistry("MODEL.SCENE.PROCESS")


class Process(Protocol):
    """A way between data x_0 and noise e, x_t = a_t x_0 + b_t e.

    Attribute ``prediction``: what the network predicts, as diffusers calls it.
    """

    prediction: str

    def times(self, uniform: Tensor) -> Tensor:
        """Times (B,) of training, in [0, TIMES], from draws uniform in [0, 1)."""

    def coefficients(self, times: Tensor) -> tuple[Tensor, Tensor]:
        """a_t and b_t."""

    def target(self, data: Tensor, noise: Tensor) -> Tensor:
        """What the network is to predict of x_t."""


@PROCESS_REGISTRY.named("flow")
class Flow:
    """Straight lines: x_t = (1 - s) x_0 + s e with s = t / TIMES, and the velocity e - x_0.

    Args:
        shift: times of training and sampling, evenly spread, become s -> shift s / (1 + (shift - 1) s).
    """

    prediction = "flow_prediction"

    def __init__(self, shift: float = 3.0) -> None:
        self.shift = shift

    @classmethod
    def from_config(cls, cfg: CfgNode) -> Flow:
        """With MODEL.SCENE.FLOW_SHIFT."""
        return cls(cfg.MODEL.SCENE.FLOW_SHIFT)

    def times(self, uniform: Tensor) -> Tensor:
        """As a logit-normal draw (Esser et al., section 3.1), shifted."""
        share = torch.sigmoid(torch.special.ndtri(uniform.clamp(1e-6, 1 - 1e-6)))
        return TIMES * self.shift * share / (1 + (self.shift - 1) * share)

    def coefficients(self, times: Tensor) -> tuple[Tensor, Tensor]:
        """1 - s and s."""
        share = times / TIMES
        return 1 - share, share

    def target(self, data: Tensor, noise: Tensor) -> Tensor:
        """The velocity."""
        return noise - data


@PROCESS_REGISTRY.named("ddpm")
class DDPM:
    """Variance-preserving: x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) e with the scaled linear schedule of
    LDM."""

    prediction = "epsilon"
    beta_start, beta_end = 0.00085, 0.012

    def __init__(self) -> None:
        betas = torch.linspace(self.beta_start**0.5, self.beta_end**0.5, TIMES, dtype=torch.float64).square()
        self.alphas_cumprod = torch.cumprod(1 - betas, 0).float()

    @classmethod
    def from_config(cls, cfg: CfgNode) -> DDPM:
        """Which has no keys."""
        return cls()

    def times(self, uniform: Tensor) -> Tensor:
        """Whole numbers from 0 to TIMES - 1."""
        return (uniform * TIMES).floor().clamp(max=TIMES - 1)

    def coefficients(self, times: Tensor) -> tuple[Tensor, Tensor]:
        """sqrt(abar_t) and sqrt(1 - abar_t)."""
        share = self.alphas_cumprod.to(times.device)[times.long()]
        return share.sqrt(), (1 - share).sqrt()

    def target(self, data: Tensor, noise: Tensor) -> Tensor:
        """The noise."""
        return noise


def noised(process: Process, data: Tensor, noise: Tensor, times: Tensor) -> Tensor:
    """x_t of data and noise (B, C, H, W) at times (B,)."""
    a, b = (x.view(-1, 1, 1, 1) for x in process.coefficients(times))
    return a * data + b * noise


def draw_noise(seeds: list[int], shape: tuple[int, int, int], offset: float = 0.0) -> tuple[Tensor, Tensor]:
    """Noise (B, C, H, W), and draws (B,) uniform in [0, 1), each image's from a seed of its own, so that
    neither the batch nor the number of processes changes them.

    Args:
        shape: C, H, W.
        offset: standard deviation of what is added to a whole channel.
    """
    noises, uniform = [], []
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(shape, generator=generator)
        noises.append(noise + offset * torch.randn((shape[0], 1, 1), generator=generator))
        uniform.append(torch.rand((), generator=generator))
    return torch.stack(noises), torch.stack(uniform)
