"""Prompts told to the maps: U2ENet's cross-modal SSM with the states of all prompts of an image added up.

A state is written by the words of one prompt and knows nothing of the others, so their order changes nothing.
Their mean does depend on which others there are: with this fusion the score of a prompt is its own within a
vocabulary only. Without it, it is its own whatever else is asked.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from d2ext.layers import CrossModalSSM
from d2ext.modeling.backbone.norms import group_norm


class MapTelling(nn.Module):
    """v + W_o(norm(y) * silu(W_g v)), with y what every location v of a map reads from a state.

    Args:
        channels: of the map. text_dim: of the words. inner_dim, state_dim, num_heads: of the SSM.
    """

    def __init__(self, channels: int, text_dim: int, inner_dim: int, state_dim: int, num_heads: int) -> None:
        super().__init__()
        self.ssm = CrossModalSSM(channels, text_dim, inner_dim, state_dim, num_heads)
        self.norm = group_norm(inner_dim)
        self.gate = nn.Conv2d(channels, inner_dim, 1)
        self.out = nn.Conv2d(inner_dim, channels, 1)
        nn.init.zeros_(self.out.weight)  # a detector that was trained without it begins as it was
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def forward(self, visual: Tensor, state: Tensor) -> Tensor:
        """visual (B, channels, H, W), state (B, heads, head_dim, state_total) -> as visual."""
        y = self.ssm.read(state, self.ssm.encode_visual(visual), None)
        return visual + self.out(self.norm(y) * F.silu(self.gate(visual)))


class PromptFusion(nn.Module):
    """Prompts for every map.

    Args:
        channels: of the maps. text_dim: of the words. inner_dim, state_dim, num_heads: of each SSM.
    """

    def __init__(
        self, channels: Sequence[int], text_dim: int, inner_dim: int, state_dim: int, num_heads: int
    ) -> None:
        super().__init__()
        self.maps = nn.ModuleList(
            MapTelling(width, text_dim, inner_dim, state_dim, num_heads) for width in channels
        )

    def encode(self, words: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
        """Words (S, L, text_dim) and mask (S, L) of S prompts -> for each map their states (S, ...)."""
        return tuple(one.ssm.encode_text(words, mask) for one in self.maps)  # type: ignore[union-attr, operator]

    def forward(self, maps: Sequence[Tensor], states: Sequence[Tensor], exists: Tensor) -> list[Tensor]:
        """Maps (B, C_i, H_i, W_i), for each the states (B, K, ...) of K prompts, of which those count that
        ``exists`` (B, K) -> the maps, told."""
        share = exists.float() / exists.sum(1, keepdim=True)
        told = []
        for one, visual, state in zip(self.maps, maps, states, strict=True):
            told.append(one(visual, (state * share[:, :, None, None, None]).sum(1)))
        return told
