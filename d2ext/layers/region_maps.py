"""What the maps of a pyramid show inside of boxes: RoIAlign (He et al., Mask R-CNN, ICCV 2017, Sec. 3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from d2ext.structures import transfer


class RegionMaps(NamedTuple):
    """Maps of B images, laid out once so that any number of boxes is read from all of them in one go.

    RoIAlign makes a cell of a box the mean of a few bilinear samples, which is a weighted sum of cells of a
    map. The cells of all maps are the rows of one table here, and all boxes are one ``embedding_bag`` of it:
    rows lie together in memory where torchvision's ``roi_align`` goes through a map once for each channel,
    and there is one gradient of the table instead of one for each map. ``scripts/benchmark.py``
    measures both.

    Attributes:
        table: (R, C), the cells of all maps, image after image of the first one, then of the next.
        levels: (L, 5) long, of each map its height, width, cells an image, first row of the table and pixels
            per cell.
    """

    table: Tensor
    levels: Tensor

    @classmethod
    def of(cls, maps: Sequence[Tensor], strides: Sequence[int]) -> RegionMaps:
        """Maps (B, C, H_i, W_i), fine to coarse, with pixels per cell of each, each twice the one before."""
        table = torch.cat([m.permute(0, 2, 3, 1).flatten(0, 2) for m in maps])
        # neither torch.tensor nor len(): a traced graph would keep the sizes it was traced with
        sides = [torch.full((), side, dtype=torch.long) for m in maps for side in m.shape[-2:]]
        shapes = torch.stack(sides).view(-1, 2)
        cells = shapes.prod(1)
        rows = cells * maps[0].shape[0]
        levels = torch.stack([*shapes.unbind(1), cells, rows.cumsum(0) - rows, torch.tensor(strides)], 1)
        (levels,) = transfer([levels], table.device)
        return cls(table, levels)

    def read(self, boxes: Tensor, size: int, samples: int = 2) -> Tensor:
        """Boxes as cells, each read from the map that fits its size (Lin et al., Feature Pyramid Networks,
        CVPR 2017, Eq. 1). Boxes get no gradient.

        Args:
            boxes: (B, N, 4) x1, y1, x2, y2 in pixels, whose centres lie at integers.
            size: cells a side.
            samples: a side of each cell.

        Returns:
            (B * N, size * size, C), row by row.
        """
        images = torch.arange(boxes.shape[0], device=boxes.device)[:, None].expand(boxes.shape[:2]).flatten()
        boxes = boxes.detach().flatten(0, 1).float()
        height, width, cells, start, stride = self.levels[self._level(boxes)].unbind(1)
        places = (boxes + 0.5) / stride[:, None] - 0.5
        columns, across = _samples(places[:, 0], places[:, 2], width, size, samples)
        rows, down = _samples(places[:, 1], places[:, 3], height, size, samples)
        start = start + images * cells
        index = rows[:, :, None, :, None] * width[:, None, None, None, None] + columns[:, None, :, None]
        index = index + start[:, None, None, None, None]
        weights = down[:, :, None, :, None] * across[:, None, :, None]
        terms = (boxes.shape[0] * size**2, (2 * samples) ** 2)
        weights = weights.to(self.table.dtype).reshape(terms)
        index = index.reshape(terms)
        if torch.compiler.is_compiling():  # exporters make a loop over the cells of a bag
            out = torch.bmm(weights[:, None], F.embedding(index, self.table))
        else:
            out = F.embedding_bag(index, self.table, per_sample_weights=weights, mode="sum")
        return out.view(boxes.shape[0], size**2, -1)

    def _level(self, boxes: Tensor) -> Tensor:
        """A box of 224 pixels a side belongs to stride 16, one half as large to stride 8."""
        side = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).clamp(min=0).sqrt()
        level = torch.floor(4 + torch.log2(side / 224 + 1e-8)).nan_to_num() - self.levels[0, -1].log2()
        return level.clamp(0, len(self.levels) - 1).long()


def _samples(low: Tensor, high: Tensor, length: Tensor, size: int, samples: int) -> tuple[Tensor, Tensor]:
    """Along one axis the cells that intervals (M,) are read from, and their weights.

    Returns:
        (M, size, 2 * samples) cells, and weights that add up to 1 for samples inside of the map; a sample
        more than a cell outside counts 0.
    """
    step = (torch.arange(size * samples, device=low.device) + 0.5) / (size * samples)
    place = low[:, None] + step * (high - low)[:, None]
    length = length[:, None]
    outside = (place < -1) | (place > length)
    place = place.clamp(min=0).minimum(length - 1)
    first = place.floor()
    cells = torch.stack([first, (first + 1).minimum(length - 1)], -1)
    weights = torch.stack([first + 1 - place, place - first], -1) / samples
    weights = weights.masked_fill(outside[..., None], 0.0)
    # Boxes that are not finite keep weights that are not, for the loss to show.
    shape = (low.shape[0], size, 2 * samples)
    return cells.nan_to_num().long().view(shape), weights.view(shape)
