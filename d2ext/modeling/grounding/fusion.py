"""U2ENet's two ideas: the semantic filter over the words, and the cross-modal fusion that reads it from
every pixel."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from detectron2.config import CfgNode
from torch import Tensor, nn

from d2ext.layers import (
    CrossModalSSM,
    MeanWordConcat,
    SSDBlock,
    WordAttention,
    add_to,
    maps_of_sentences,
    multiply_by,
)
from d2ext.modeling.backbone.norms import group_norm
from d2ext.modeling.backbone.timm_ida import ConvNormAct
from d2ext.registry import VariantRegistry

#: What lets the locations of a map read words: (dim of the map, text_dim, inner_dim, state_dim, num_heads) ->
#: a module (visual (V, dim, H, W), text (S, L, text_dim), mask (S, L), sentence_to_visual (S,) or None) ->
#: (S, inner_dim, H, W).
FUSION_REGISTRY = VariantRegistry("MODEL.U2ENET.FUSION")

#: Channels that a map carries beside its features: viewing geometry (4) and mean colour of the cell (3).
CELL_CHANNELS = 7


def cell_channels(cfg: CfgNode) -> int:
    """``CELL_CHANNELS``, and one for whether the plane was given where pictures can show it."""
    return CELL_CHANNELS + cfg.MODEL.PLANE_HEAD.ENABLED


class SemanticFilter(nn.Module):
    """Stacked SSD (Mamba-2) blocks over the token features; every block's output is one semantic level.

    The input-dependent step size and input matrix of each block decide which words enter its state.

    Args:
        text_dim: features of the text encoder.
        dim: features of every level.
        num_levels: blocks, and levels.
        state_dim, head_dim: SSD state and head sizes.
        bidirectional: scan both ways.
        enabled: False leaves the blocks out (for comparison): every level is the projected tokens.
    """

    def __init__(
        self,
        text_dim: int,
        dim: int,
        num_levels: int = 3,
        state_dim: int = 64,
        head_dim: int = 32,
        bidirectional: bool = True,
        enabled: bool = True,
    ) -> None:
        super().__init__()
        self.project = nn.Sequential(nn.Linear(text_dim, dim), nn.LayerNorm(dim))
        self.blocks = nn.ModuleList(
            SSDBlock(dim, state_dim=state_dim, head_dim=head_dim, bidirectional=bidirectional)
            if enabled
            else PlainBlock()
            for _ in range(num_levels)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(num_levels))

    def forward(self, tokens: Tensor, mask: Tensor) -> list[Tensor]:
        """tokens (S, L, text_dim), mask (S, L) -> ``num_levels`` tensors (S, L, dim), zero on padding."""
        x = self.project(tokens) * mask[..., None]
        levels = []
        for block, norm in zip(self.blocks, self.norms, strict=True):
            x = block(x, mask)
            levels.append(norm(x) * mask[..., None])
        return levels


class PlainBlock(nn.Module):
    """Stands in for an SSD block that is left out."""

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """``x`` (S, L, dim) as it is; ``mask`` (S, L) is what an SSD block needs."""
        return x


@FUSION_REGISTRY.register()
def ssm(dim: int, text_dim: int, inner_dim: int, state_dim: int, num_heads: int) -> nn.Module:
    """Every location reads the sentence through a state-space model."""
    return CrossModalSSM(dim, text_dim, inner_dim, state_dim, num_heads)


@FUSION_REGISTRY.register()
def attention(dim: int, text_dim: int, inner_dim: int, state_dim: int, num_heads: int) -> nn.Module:
    """Softmax cross-attention from every location to the words."""
    return WordAttention(dim, text_dim, inner_dim, num_heads)


@FUSION_REGISTRY.register()
def concat(dim: int, text_dim: int, inner_dim: int, state_dim: int, num_heads: int) -> nn.Module:
    """The mean word beside every location."""
    return MeanWordConcat(dim, text_dim, inner_dim)


class LocalMixing(nn.Sequential):
    """A depthwise-separable 3x3 residual."""

    def __init__(self, dim: int, norm: str) -> None:
        super().__init__(ConvNormAct(dim, dim, 3, norm, groups=dim), ConvNormAct(dim, dim, 1, norm))

    def forward(self, visual: Tensor) -> Tensor:
        """(V, dim, H, W) -> the same shape."""
        return add_to(super().forward(visual), visual)


class SemanticGuidance(nn.Module):
    """One fusion step: a gated residual of what every location reads from the sentence, then local mixing.

    v + W_o(norm(y) * silu(W_g v)) with y from the cross-modal SSM (B and step size from the text, C from v),
    followed by :class:`LocalMixing`. ``kind`` names what gives y in ``FUSION_REGISTRY``.
    """

    def __init__(
        self, dim: int, text_dim: int, inner_dim: int, state_dim: int, num_heads: int, norm: str, kind: str
    ) -> None:
        super().__init__()
        self.ssm: nn.Module = FUSION_REGISTRY.get(kind)(dim, text_dim, inner_dim, state_dim, num_heads)
        self.norm = group_norm(inner_dim)
        self.gate = nn.Conv2d(dim, inner_dim, 1)
        self.out = nn.Conv2d(inner_dim, dim, 1)
        self.local = LocalMixing(dim, norm)

    def forward(
        self, visual: Tensor, text: Tensor, mask: Tensor, sentence_to_visual: Tensor | None
    ) -> Tensor:
        """visual (V, dim, H, W), text (S, L, text_dim), sentence_to_visual (S,) or None (see
        :func:`d2ext.layers.maps_of_sentences`) -> (S, dim, H, W)."""
        y = self.ssm(visual, text, mask, sentence_to_visual)
        gate = F.silu(self.gate(visual), inplace=not torch.is_grad_enabled())
        guidance = self.out(multiply_by(self.norm(y), maps_of_sentences(gate, sentence_to_visual)))
        return self.local(add_to(guidance, maps_of_sentences(visual, sentence_to_visual)))


class HierarchicalFusion(nn.Module):
    """Multi-scale semantic-aware hierarchical fusion: semantic level i guides the i-th coarsest map.

    Every step adds the upsampled result of the one before to the next finer map, so meaning found at a coarse
    scale steers the finer ones. Cost is linear in words + pixels.

    Args:
        channels: all channels of the maps, coarse to fine.
        dims: fusion width of each map, coarse to fine.
        text_dim: width of the semantic levels; 0 for a detector that reads none: every step only mixes
            locally.
        state_dim: state size of the cross-modal SSM.
        head_dim: head size; a step of width ``dim`` has ``dim // head_dim`` heads.
        norm: ``BN``, ``SyncBN`` or ``GN``.
        kind: a name of ``FUSION_REGISTRY``.
    """

    def __init__(
        self,
        channels: list[int],
        dims: list[int],
        text_dim: int,
        state_dim: int = 32,
        head_dim: int = 16,
        norm: str = "BN",
        kind: str = "ssm",
    ) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(c, d, 1) for c, d in zip(channels, dims, strict=True))
        self.top_down = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in zip(dims[:-1], dims[1:], strict=True))
        self.steps = nn.ModuleList(
            SemanticGuidance(d, text_dim, d, state_dim, d // head_dim, norm, kind)
            if text_dim
            else LocalMixing(d, norm)
            for d in dims
        )

    def project(self, maps: list[Tensor]) -> list[Tensor]:
        """What no sentence changes: maps (B, channels[i], H_i, W_i), coarse to fine, -> maps
        (B, dims[i], H_i, W_i)."""
        return [lateral(m) for lateral, m in zip(self.lateral, maps, strict=True)]

    def forward(
        self,
        maps: list[Tensor],
        levels: list[Tensor] | None = None,
        mask: Tensor | None = None,
        sentence_to_image: Tensor | None = None,
    ) -> Tensor:
        """Fuse every sentence into its image's maps; without sentences, the maps alone.

        Args:
            maps: of :meth:`project`.
            levels: semantic levels, each (S, L, text_dim).
            mask: (S, L), True on tokens.
            sentence_to_image: (S,) index of each sentence's image.

        Returns:
            (S, dims[-1], H, W) at the finest map's size; without sentences (B, dims[-1], H, W).
        """
        fused: Tensor | None = None
        for i, step in enumerate(self.steps):
            visual, owner = maps[i], sentence_to_image
            if fused is not None:
                up = F.interpolate(
                    self.top_down[i - 1](fused), size=visual.shape[-2:], mode="bilinear", align_corners=False
                )
                visual, owner = add_to(up, maps_of_sentences(visual, sentence_to_image)), None
            fused = step(visual) if levels is None else step(visual, levels[i], mask, owner)
        return cast(Tensor, fused)
