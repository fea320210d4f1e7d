"""DETR with 3D boxes: a transformer over the cells of one map, and boxes that attend to them."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from detectron2.config import configurable
from detectron2.modeling import META_ARCH_REGISTRY
from torch import Tensor, nn

from d2ext.modeling.detection.decoder import (
    BoxDecoder,
    DecoderHead,
    LearnedBoxes,
    MemoryAttention,
    sine_embedding,
)
from d2ext.modeling.detection.detector import build_box_head, map_channels, shared_parts
from d2ext.modeling.meta_arch.sparse_rcnn3d import LearnedBoxDetector


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


@META_ARCH_REGISTRY.register()
class DETR3D(LearnedBoxDetector):
    """DETR (Carion et al., ECCV 2020) with the 3D head of this collection.

    A query is a learned box and a learned feature, and each layer refines the boxes of the one before (Zhu et
    al., Deformable DETR, ICLR 2021, App. A.4): the head needs a box to start from.
    """

    @configurable
    def __init__(self, **parts: Any) -> None:
        super().__init__(**parts)

    @classmethod
    def from_config(cls, cfg) -> dict:
        """The arguments out of MODEL.DETECTION3D and MODEL.DETR."""
        c, t = cfg.MODEL.DETECTION3D, cfg.MODEL.DETR
        parts = shared_parts(cfg)
        (channels,) = map_channels(parts["backbone"], [t.IN_FEATURE], "MODEL.DETR.IN_FEATURE")
        stride = parts["backbone"].output_shape()[t.IN_FEATURE].stride
        heads = [
            DecoderHead(
                MemoryAttention(c.HIDDEN_DIM, t.ATTENTION_HEADS),
                build_box_head(cfg),
                c.HIDDEN_DIM,
                t.ATTENTION_HEADS,
                t.FFN_DIM,
            )
            for _ in range(t.DECODER_LAYERS)
        ]
        return parts | {
            "encoder": MemoryEncoder(
                channels, stride, c.HIDDEN_DIM, t.ENCODER_LAYERS, t.ATTENTION_HEADS, t.FFN_DIM
            ),
            "decoder": BoxDecoder(heads),
            "in_features": [t.IN_FEATURE],
            "proposals": LearnedBoxes(c.NUM_BOXES, c.HIDDEN_DIM),
        }
