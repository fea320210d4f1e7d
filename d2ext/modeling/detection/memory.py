"""DETR's way to the image: cells of one map that attend to each other, and objects that attend to them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from d2ext.modeling.box3d.images import EncodedImages
from d2ext.modeling.detection.decoder import sine_embedding


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
