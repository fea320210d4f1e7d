"""Low-rank changes of linear layers (Hu et al., LoRA, ICLR 2022, Sec. 4), merged in the end."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class LowRankChange(nn.Module):
    """weight + up @ down, in the place of a weight of two dimensions; at first no change."""

    def __init__(self, rows: int, columns: int, rank: int) -> None:
        super().__init__()
        self.down = nn.Parameter(torch.randn(rank, columns) / columns**0.5)
        self.up = nn.Parameter(torch.zeros(rows, rank))

    def forward(self, weight: Tensor) -> Tensor:
        """(rows, columns) -> the same shape."""
        return weight + self.up @ self.down


class LowRankLinear(nn.Module):
    """A linear layer that is kept, and learns a change of its weight.

    Args:
        layer: which gets no gradient.
        rank: of the change.
    """

    def __init__(self, layer: nn.Linear, rank: int) -> None:
        super().__init__()
        self.layer = layer.requires_grad_(False)
        self.change = LowRankChange(layer.out_features, layer.in_features, rank)

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        return F.linear(x, self.change(self.layer.weight), self.layer.bias)

    @torch.no_grad()
    def merged(self) -> nn.Linear:
        """The layer with its change."""
        self.layer.weight.copy_(self.change(self.layer.weight))
        return self.layer


def add_low_rank(modules: Iterable[nn.Module], rank: int) -> list[nn.Parameter]:
    """Have every linear layer inside of some modules learn a change, but for those of attention, which are
    read by name; returns what is trained."""
    trained = []
    for module in modules:
        for parent in list(module.modules()):
            if isinstance(parent, nn.MultiheadAttention):
                continue
            for name, child in list(parent.named_children()):
                if type(child) is nn.Linear:
                    layer = LowRankLinear(child, rank)
                    setattr(parent, name, layer)
                    trained += list(layer.change.parameters())
    return trained


def merge_low_rank(module: nn.Module) -> None:
    """Make every :class:`LowRankLinear` inside of a module a linear layer again, with its change."""
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, LowRankLinear):
                setattr(parent, name, child.merged())
