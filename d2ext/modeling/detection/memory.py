"""DETR's way to the image: cells of maps that attend to each other, and objects that attend to them.

As published every cell of one map is attended to; with deformable attention a few points of several maps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from detectron2.config import CfgNode
from torch import Tensor, nn

from d2ext.layers import DeformableAttention, MapCells
from d2ext.modeling.box3d.images import EncodedImages
from d2ext.modeling.detection.decoder import sine_embedding
from d2ext.registry import VariantRegistry

#: How cells and objects attend: a class that is called with a config and the channels and strides of its
#: maps, whose names and config key its ``maps`` tells; makes an ``encoder``, and an ``interaction`` for every
#: head of the decoder.
ATTENTION_REGISTRY = VariantRegistry("MODEL.DETR.ATTENTION")


class Memory(NamedTuple):
    """Cells of B images: tokens (B, L, dim), position (B, L, dim) and padding (B, L), True outside of the
    image."""

    tokens: Tensor
    position: Tensor
    padding: Tensor


class MemoryEncoder(nn.Module):
    """Transformer encoder over the cells of a map.

    Args:
        channels: of the map. stride: pixels per cell.
        dim: width of a cell, a multiple of 8.
        num_layers, num_heads, ffn_dim: of the transformer.
    """

    features = Memory

    def __init__(
        self, channels: int, stride: int, dim: int, num_layers: int, num_heads: int, ffn_dim: int
    ) -> None:
        super().__init__()
        self.stride = stride
        self.project = nn.Conv2d(channels, dim, 1)
        self.position = nn.Linear(dim, dim)
        layer = nn.TransformerEncoderLayer(
            dim, num_heads, ffn_dim, dropout=0.0, batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, num_layers, nn.LayerNorm(dim), enable_nested_tensor=False)

    def forward(self, maps: list[Tensor], sizes: Tensor) -> Memory:
        """The one map (B, channels, H, W) in ``maps`` and sizes (B, 2) in pixels -> the memory of H * W
        cells."""
        x = self.project(maps[0])
        dim, height, width = x.shape[1:]
        cells = [torch.arange(n, device=x.device) * self.stride for n in (height, width)]
        middles = [(c + self.stride / 2) / sizes[:, i : i + 1] for i, c in enumerate(cells)]
        rows, columns = (sine_embedding(m, dim // 2, 0.02, 4.0) for m in middles)
        rows, columns = (
            rows[:, :, None].expand(-1, -1, width, -1),
            columns[:, None].expand(-1, height, -1, -1),
        )
        position = self.position(torch.cat([columns, rows], -1).flatten(1, 2))
        below, right = (c >= sizes[:, i : i + 1] for i, c in enumerate(cells))
        padding = (below[:, :, None] | right[:, None]).flatten(1)
        tokens = self.layers(x.flatten(2).transpose(1, 2) + position, src_key_padding_mask=padding)
        return Memory(tokens, position, padding)


class MemoryAttention(nn.Module):
    """Objects look at all cells of a memory: (tokens, position, padding) as :class:`MemoryEncoder` makes."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(dim, num_heads, batch_first=True)

    def forward(self, frames: EncodedImages, boxes: Tensor, objects: Tensor, position: Tensor) -> Tensor:
        """objects and position (B, N, C) -> (B, N, C), what they take from the memory of ``frames``."""
        tokens, cells, padding = frames.features
        query, key = objects + position, tokens + cells
        return self.attention(query, key, tokens, key_padding_mask=padding, need_weights=False)[0]


class PyramidLayer(nn.Module):
    """Each cell of several maps reads points around itself, in units of each map's cells.

    Args:
        dim, num_heads, num_maps, num_points: of the attention.
        ffn_dim: width of the feed-forward layer.
    """

    def __init__(self, dim: int, num_heads: int, num_maps: int, num_points: int, ffn_dim: int) -> None:
        super().__init__()
        self.attention = DeformableAttention(dim, num_heads, num_maps, num_points)
        self.ffn = nn.Sequential(nn.Linear(dim, ffn_dim), nn.ReLU(), nn.Linear(ffn_dim, dim))
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)

    def forward(self, cells: MapCells, sizes: Tensor, position: Tensor) -> MapCells:
        """sizes (B, 2) and the cells' position (B, L, dim) -> the cells."""
        x, levels = cells
        seen = self.norm1(x)
        unit = levels[:, 3:].expand(-1, 2).to(position.dtype)[None, None]
        middles = cells.places()[0][None]
        x = x + self.attention(MapCells(seen, levels), sizes, seen + position, middles, unit)
        return MapCells(x + self.ffn(self.norm2(x)), levels)


class PyramidEncoder(nn.Module):
    """Several maps to cells of one width, which then attend to each other by deformable attention.

    Args:
        channels, strides: of the maps, fine to coarse.
        dim: width of a cell, a multiple of 8.
        num_layers, num_heads, num_points, ffn_dim: of the attention; no layer leaves it to the backbone.
    """

    features = MapCells

    def __init__(
        self,
        channels: Sequence[int],
        strides: Sequence[int],
        dim: int,
        num_layers: int,
        num_heads: int,
        num_points: int,
        ffn_dim: int,
    ) -> None:
        super().__init__()
        self.strides = list(strides)
        self.project = nn.ModuleList(nn.Conv2d(width, dim, 1) for width in channels)
        self.level = nn.Parameter(0.02 * torch.randn(len(channels), dim))
        self.position = nn.Linear(dim, dim) if num_layers else None
        self.layers = nn.ModuleList(
            PyramidLayer(dim, num_heads, len(channels), num_points, ffn_dim) for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(dim)

    def forward(self, maps: Sequence[Tensor], sizes: Tensor) -> MapCells:
        """Maps (B, C_i, H_i, W_i) and sizes (B, 2) in pixels -> the cells."""
        maps = [project(m) for project, m in zip(self.project, maps, strict=True)]
        maps = [m + level[:, None, None] for m, level in zip(maps, self.level, strict=True)]
        cells = MapCells.of([m.float() for m in maps], self.strides)
        if self.position is not None:
            middles = (cells.places()[0] + 0.5) / sizes.flip(1)[:, None]
            position = self.position(
                sine_embedding(middles, cells.tokens.shape[-1] // 2, 0.02, 4.0).flatten(2)
            )
            for layer in self.layers:
                cells = layer(cells, sizes, position)
        return MapCells(self.norm(cells.tokens), cells.levels)


class PointAttention(nn.Module):
    """Objects read points of all maps around the middle of their box, in shares of its width and height
    (Deformable DETR, App. A.4)."""

    def __init__(self, dim: int, num_heads: int, num_maps: int, num_points: int) -> None:
        super().__init__()
        self.attention = DeformableAttention(dim, num_heads, num_maps, num_points, few=True)
        self.num_points = num_points

    def forward(self, frames: EncodedImages, boxes: Tensor, objects: Tensor, position: Tensor) -> Tensor:
        """boxes (B, N, 4), objects and position (B, N, C) -> (B, N, C), what they read from the cells of
        ``frames``."""
        low, high = boxes.split(2, -1)
        unit = (high - low).clamp(min=1.0)[:, :, None] / (2 * self.num_points)
        return self.attention(frames.features, frames.sizes, objects + position, (low + high) / 2, unit)


@ATTENTION_REGISTRY.named("dense")
class DenseAttention:
    """To every cell of one map, as published."""

    def __init__(self, cfg: CfgNode, channels: Sequence[int], strides: Sequence[int]) -> None:
        self.cfg, self.channels, self.strides = cfg, channels, strides

    @staticmethod
    def maps(cfg: CfgNode) -> tuple[list[str], str]:
        """Names of the maps, and the key that has them."""
        return [cfg.MODEL.DETR.IN_FEATURE], "MODEL.DETR.IN_FEATURE"

    def encoder(self) -> nn.Module:
        """Maps and sizes -> what objects read."""
        c, t = self.cfg.MODEL.DETECTION3D, self.cfg.MODEL.DETR
        layers = (t.ENCODER_LAYERS, t.ATTENTION_HEADS, t.FFN_DIM)
        return MemoryEncoder(self.channels[0], self.strides[0], c.HIDDEN_DIM, *layers)

    def interaction(self) -> nn.Module:
        """How objects read it, see :class:`~d2ext.modeling.detection.decoder.DecoderHead`."""
        return MemoryAttention(self.cfg.MODEL.DETECTION3D.HIDDEN_DIM, self.cfg.MODEL.DETR.ATTENTION_HEADS)


@ATTENTION_REGISTRY.named("deformable")
class PyramidAttention(DenseAttention):
    """To a few points of each of several maps."""

    @staticmethod
    def maps(cfg: CfgNode) -> tuple[list[str], str]:
        """Names of the maps, and the key that has them."""
        return list(cfg.MODEL.DETECTION3D.IN_FEATURES), "MODEL.DETECTION3D.IN_FEATURES"

    def encoder(self) -> nn.Module:
        """Maps and sizes -> what objects read."""
        c, t = self.cfg.MODEL.DETECTION3D, self.cfg.MODEL.DETR
        layers = (t.ENCODER_LAYERS, t.ATTENTION_HEADS, t.POINTS, t.FFN_DIM)
        return PyramidEncoder(self.channels, self.strides, c.HIDDEN_DIM, *layers)

    def interaction(self) -> nn.Module:
        """How objects read it."""
        heads = self.cfg.MODEL.DETR.ATTENTION_HEADS
        return PointAttention(
            self.cfg.MODEL.DETECTION3D.HIDDEN_DIM, heads, len(self.channels), self.cfg.MODEL.DETR.POINTS
        )
