"""What the maps of a pyramid show inside of boxes: RoIAlign (He et al., Mask R-CNN, ICCV 2017, Sec. 3)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from d2ext.structures import transfer


class RegionMaps:
    """Maps of B images, laid out once so that any number of boxes is read from all of them in one go.

    RoIAlign makes a cell of a box the mean of a few bilinear samples, which is a weighted sum of cells of a
    map. The cells of all maps are the rows of one table here, and all boxes are one ``embedding_bag`` of it:
    rows lie together in memory where torchvision's ``roi_align`` goes through a map once for each channel,
    and there is one gradient of the table instead of one for each map. ``scripts/benchmark.py parts``
    measures both.

    Args:
        maps: (B, C, H_i, W_i), fine to coarse.
        strides: pixels per cell of each, each twice the one before.
    """

    def __init__(self, maps: Sequence[Tensor], strides: Sequence[int]) -> None:
        self.table = torch.cat([m.permute(0, 2, 3, 1).flatten(0, 2) for m in maps])
        shapes = torch.tensor([m.shape[-2:] for m in maps])
        cells = shapes.prod(1)
        rows = cells * len(maps[0])
        levels = torch.stack([*shapes.unbind(1), cells, rows.cumsum(0) - rows, torch.tensor(strides)], 1)
        (self._levels,) = transfer([levels], self.table.device)

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
        images = torch.arange(len(boxes), device=boxes.device).repeat_interleave(boxes.shape[1])
        boxes = boxes.detach().flatten(0, 1).float()
        height, width, cells, start, stride = self._levels[self._level(boxes)].unbind(1)
        places = (boxes + 0.5) / stride[:, None] - 0.5
        columns, across = _samples(places[:, 0], places[:, 2], width, size, samples)
        rows, down = _samples(places[:, 1], places[:, 3], height, size, samples)
        start = start + images * cells
        index = rows[:, :, None, :, None] * width[:, None, None, None, None] + columns[:, None, :, None]
        index = index + start[:, None, None, None, None]
        weights = down[:, :, None, :, None] * across[:, None, :, None]
        terms = (len(boxes) * size**2, (2 * samples) ** 2)
        weights = weights.to(self.table.dtype).reshape(terms)
        out = F.embedding_bag(index.reshape(terms), self.table, per_sample_weights=weights, mode="sum")
        return out.view(len(boxes), size**2, -1)

    def _level(self, boxes: Tensor) -> Tensor:
        """A box of 224 pixels a side belongs to stride 16, one half as large to stride 8."""
        side = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).clamp(min=0).sqrt()
        level = torch.floor(4 + torch.log2(side / 224 + 1e-8)).nan_to_num() - self._levels[0, -1].log2()
        return level.clamp(0, len(self._levels) - 1).long()


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
    shape = (len(low), size, 2 * samples)
    return cells.nan_to_num().long().view(shape), weights.view(shape)
