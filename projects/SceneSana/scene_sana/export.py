"""The step of a sampler as a graph: noised latents, time, layout and text to what the process asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from d2ext.modeling.meta_arch.scene_sana import SceneSana


class SamplerStep(nn.Module):
    """What of SceneSana runs at each step; schedulers, guidance and the decoder stay outside."""

    def __init__(self, model: SceneSana) -> None:
        super().__init__()
        self.layout, self.denoiser = model.layout, model.denoiser

    def forward(
        self, x: Tensor, times: Tensor, maps: Tensor, given: Tensor, text: Tensor, mask: Tensor
    ) -> Tensor:
        """x (B, C, h, w), times (B,), maps (B, K, s h, s w), given (B,) bool, text (B, L, D), mask (B, L) ->
        the prediction (B, C, h, w)."""
        return self.denoiser(torch.cat([x, self.layout(maps, given)], 1), times, text, mask)


def example_inputs(model: SceneSana, records: list[dict[str, Any]]) -> tuple[Tensor, ...]:
    """Inputs of a step for mapper dicts."""
    maps = torch.stack([x["layout"] for x in records]).to(model.device)
    cells = [n // model.layout.stride for n in maps.shape[-2:]]
    text, mask = model.captions([x["caption"] for x in records])
    x = torch.randn(len(records), model.autoencoder.channels, *cells, device=model.device)
    times = torch.full((len(records),), 500.0, device=model.device)
    given = torch.ones(len(records), dtype=torch.bool, device=model.device)
    return x, times, maps, given, text, mask


def export_step(model: SceneSana, records: list[dict[str, Any]], path: str | Path) -> None:
    """Write a ``torch.export`` program of the step, for any number of tokens.

    Args:
        records: mapper dicts, whose number and size the program keeps.
        path: file to write, ``.pt2``.
    """
    inputs = example_inputs(model.eval(), records)
    tokens = torch.export.Dim("tokens", min=2, max=1024)
    none: list[dict[int, Any] | None] = [None] * 4
    shapes = (*none, {1: tokens}, {1: tokens})
    with torch.no_grad():
        program = torch.export.export(SamplerStep(model).eval(), inputs, dynamic_shapes=shapes)
    torch.export.save(program, str(path))


def load_step(path: str | Path) -> nn.Module:
    """The module of a program that :func:`export_step` wrote."""
    return torch.export.load(str(path)).module()
