"""Deformable attention over several maps (Zhu et al., Deformable DETR, ICLR 2021, Sec. 4.1): a query reads a
few points of every map, which it chooses itself, in place of all cells."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from d2ext.structures import transfer


class MapCells(NamedTuple):
    """The cells of several maps of B images, image by image and in each the first map first.

    Attributes:
        tokens: (B, L, C).
        levels: (K, 4) long, of each map its height, width, first cell and pixels per cell.
    """

    tokens: Tensor
    levels: Tensor

    @classmethod
    def of(cls, maps: Sequence[Tensor], strides: Sequence[int]) -> MapCells:
        """Maps (B, C, H_i, W_i) with pixels per cell of each."""
        tokens = torch.cat([m.flatten(2).transpose(1, 2) for m in maps], 1)
        # neither torch.tensor nor len(): a traced graph would keep the sizes it was traced with
        sides = [torch.full((), side, dtype=torch.long) for m in maps for side in m.shape[-2:]]
        height, width = torch.stack(sides).view(-1, 2).unbind(1)
        cells = height * width
        levels = torch.stack([height, width, cells.cumsum(0) - cells, torch.tensor(strides)], 1)
        (levels,) = transfer([levels], tokens.device)
        return cls(tokens, levels)

    def places(self) -> tuple[Tensor, Tensor]:
        """Middles (L, 2) x, y of the cells in pixels, whose centres lie at integers, and the map (L,) of
        each."""
        _, width, first, stride = self.levels.unbind(1)
        cell = torch.arange(self.tokens.shape[1], device=self.tokens.device)
        level = (cell[:, None] >= first).sum(1) - 1
        cell, width = cell - first[level], width[level]
        columns, rows = cell % width, cell // width
        return (torch.stack([columns, rows], 1) + 0.5) * stride[level, None] - 0.5, level

    def inside(self, sizes: Tensor) -> Tensor:
        """(B, L) whether a cell shows some of its image, whose height and width are ``sizes`` (B, 2), or only
        what it was padded with."""
        middles, level = self.places()
        start = middles + 0.5 - self.levels[level, 3:] / 2
        return (start < sizes.flip(1)[:, None]).all(-1)

    def read(self, sizes: Tensor, points: Tensor, weights: Tensor, divide: bool = True) -> Tensor:
        """Weighted sums of bilinear samples, all maps and heads at once: a sample is four weighted cells, and
        what a head reads for a query is one bag of them.

        Args:
            sizes: (B, 2) height and width of each image. What lies outside of it is 0, as around the maps.
            points: (B, Q, H, K, P, 2) x, y in pixels of the P points that each of H heads reads from each
                map.
            weights: (B, Q, H, K, P).
            divide: the channels are divided among the heads; else each head reads all.

        Returns:
            (B, Q, H, C / H), or (B, Q, H, C).
        """
        images, cells, channels = self.tokens.shape
        queries, heads = points.shape[1:3]
        _, width, first, stride = self.levels[:, :, None, None, None].unbind(1)  # (K, 1, 1, 1)
        sides = (sizes.flip(1)[:, None] + self.levels[:, 3:] - 1) // self.levels[:, 3:]
        sides = sides[:, None, None, :, None, :, None]  # (B, 1, 1, K, 1, 2, 1), in cells
        at = (points + 0.5) / stride[..., 0] - 0.5
        low = at.floor()
        share = at - low
        corner = torch.stack([low, low + 1], -1)  # (B, Q, H, K, P, 2, 2)
        part = torch.stack([1 - share, share], -1) * ((corner >= 0) & (corner < sides))
        corner = corner.nan_to_num().clamp(min=0).minimum(sides - 1).long()
        columns, rows = corner[..., 0, None, :], corner[..., 1, :, None]
        index = first + rows * width + columns
        image = torch.arange(images, device=points.device)[:, None, None, None]
        index = index.flatten(3) + image * cells
        if divide:
            index = index * heads + torch.arange(heads, device=points.device)[:, None]
        weights = (weights[..., None, None] * part[..., 1, :, None] * part[..., 0, None, :]).flatten(3)
        index, weights = index.flatten(0, 2), weights.flatten(0, 2).to(self.tokens.dtype)
        table = self.tokens.reshape(-1, channels // heads if divide else channels)
        if torch.compiler.is_compiling():  # exporters make a loop over the cells of a bag
            out = torch.bmm(weights[:, None], F.embedding(index, table))
        else:
            out = F.embedding_bag(index, table, per_sample_weights=weights, mode="sum")
        return out.view(-1, queries, heads, table.shape[1])


class DeformableAttention(nn.Module):
    """Queries read ``num_points`` points of each map with every head, around a place of their own.

    At first the points of a head lie in one direction, one unit apart, and count alike.

    Args:
        dim: width of queries and cells, a multiple of ``num_heads``.
        num_heads, num_maps, num_points: of the attention.
        few: there are far fewer queries than cells: what was read goes through the layer of the values, not
            every cell. The answer is the same.
    """

    def __init__(self, dim: int, num_heads: int, num_maps: int, num_points: int, few: bool = False) -> None:
        super().__init__()
        self.few = few
        self.shape = (num_heads, num_maps, num_points)
        self.offsets = nn.Linear(dim, 2 * math.prod(self.shape))
        self.weights = nn.Linear(dim, math.prod(self.shape))
        self.value, self.out = nn.Linear(dim, dim, bias=False), nn.Linear(dim, dim)
        nn.init.zeros_(self.offsets.weight)
        nn.init.zeros_(self.weights.weight)
        nn.init.zeros_(self.weights.bias)
        angle = torch.arange(num_heads) * (2 * math.pi / num_heads)
        way = torch.stack([angle.cos(), angle.sin()], 1)
        way = (way / way.abs().amax(1, keepdim=True))[:, None, None] * (torch.arange(num_points) + 1.0)[
            :, None
        ]
        with torch.no_grad():
            self.offsets.bias.copy_(way.expand(-1, num_maps, -1, -1).flatten())

    def forward(self, cells: MapCells, sizes: Tensor, query: Tensor, middles: Tensor, unit: Tensor) -> Tensor:
        """
        Args:
            cells: of B images.
            sizes: (B, 2) height and width of each image.
            query: (B, Q, dim).
            middles: (B or 1, Q, 2) x, y in pixels that points are counted from.
            unit: (B or 1, Q, K or 1, 2) pixels that they are counted in.

        Returns:
            (B, Q, dim).
        """
        # Points are read with the precision of their coordinates, under autocast too.
        offsets = self.offsets(query).to(middles.dtype).unflatten(-1, (*self.shape, 2))
        weights = self.weights(query).to(middles.dtype).unflatten(-1, self.shape)
        weights = weights.flatten(-2).softmax(-1).view_as(weights)
        points = middles[:, :, None, None, None] + offsets * unit[:, :, None, :, None]
        if self.few:
            tokens = cells.tokens.to(middles.dtype)
            seen = MapCells(tokens, cells.levels).read(sizes, points, weights, divide=False)
            of_heads = self.value.weight.unflatten(0, (self.shape[0], -1))
            return self.out(torch.einsum("bqhc,hdc->bqhd", seen, of_heads).flatten(2))
        values = MapCells(self.value(cells.tokens).to(middles.dtype), cells.levels)
        return self.out(values.read(sizes, points, weights).flatten(2))
