"""The parts of Janus that the stages of its training train or leave as they are.

Source: Wu et al., "Janus: Decoupling Visual Encoding for Unified Multimodal Understanding and Generation",
2024, section 3.2 and figure 3.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import nn

#: Modules of transformers' network by the name of their part.
_MODULES = {
    "understanding_encoder": ("model.vision_model",),
    "understanding_adaptor": ("model.aligner",),
    "generation_encoder": ("model.vqmodel",),
    "generation_adaptor": ("model.generation_embeddings", "model.generation_aligner"),
    "image_head": ("model.generation_head",),
    "language_model": ("model.language_model", "lm_head"),
}
PARTS = tuple(_MODULES)


def part_modules(network: Any, part: str) -> list[nn.Module]:
    """The modules of a part, one of ``PARTS``."""
    return [network.get_submodule(name) for name in _MODULES[part]]


def train_parts(network: Any, trained: Iterable[str]) -> None:
    """Have some parts of a network trained and no other."""
    network.requires_grad_(False)
    for part in trained:
        for module in part_modules(network, part):
            module.requires_grad_(True)
