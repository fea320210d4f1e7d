"""Denoising queries: labelled boxes with noise, which the decoder is to put right.

They tell the decoder what to make of a box long before the matching of its own queries has settled (DN-DETR,
Li et al., CVPR 2022). Half of them have so much noise that they are to be no object (contrastive denoising,
DINO, Zhang et al., ICLR 2023, Sec. 3.3). Only training has them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from detectron2.structures import Instances
from torch import Tensor, nn

from d2ext.modeling.box3d.images import EncodedImages, relative_boxes
from d2ext.structures import transfer


class NoisyQueries(NamedTuple):
    """D queries for each of B images.

    Attributes:
        boxes: (B, D, 4) pixels. objects: (B, D, dim).
        groups: (B, D) numbers, from 1 on, of the queries that see each other; where an image has fewer
            objects than others a query that nothing is asked of is alone, with a number below 0.
        rows, columns: of the queries that are to be an object, among the B * D, and of their objects among
            those of all images; on the host.
    """

    boxes: Tensor
    objects: Tensor
    groups: Tensor
    rows: Tensor
    columns: Tensor

    def pairs(self, heads: int) -> tuple[Tensor, Tensor]:
        """Rows of the boxes of several heads that are to be an object, and of their objects."""
        rows = torch.arange(heads)[:, None] * self.groups.numel() + self.rows
        return rows.flatten(), self.columns.repeat(heads)


class Denoising(nn.Module):
    """Makes :class:`NoisyQueries` of labels.

    Args:
        count: about how many an image; each group has two for each object of the image that has most.
        labels: class numbers (...) -> what an object of the class begins as (..., dim).
        num_classes: of these numbers.
        box_noise: how far corners move, in half widths and heights; twice as far for what is no object.
        label_noise: share of the queries that begin as any class.
    """

    def __init__(
        self, count: int, labels: nn.Module, num_classes: int, box_noise: float, label_noise: float
    ) -> None:
        super().__init__()
        self.count = count
        self.labels = labels
        self.num_classes = num_classes
        self.box_noise = box_noise
        self.label_noise = label_noise

    def forward(self, frames: EncodedImages, instances: Sequence[Instances]) -> NoisyQueries:
        """For encoded images and their labels, which are on the host."""
        counts = torch.tensor([len(x) for x in instances])
        most = max(int(counts.max()), 1)
        groups = max(self.count // (2 * most), 1)
        shape = (len(counts), groups, 2, most)
        boxes, classes = torch.full((len(counts), most, 4), 0.5), torch.zeros(len(counts), most).long()
        for i, (labels, record) in enumerate(zip(instances, frames.records, strict=True)):
            extent = torch.tensor([*record["image"].shape[:-3:-1]] * 2)
            boxes[i, : counts[i]] = relative_boxes(labels.gt_boxes.tensor.float(), extent)
            classes[i, : counts[i]] = labels.gt_classes
        boxes = self.move(boxes[:, None, None].expand(*shape, 4))
        other = torch.randint(self.num_classes, shape)
        classes = other.where(torch.rand(shape) < self.label_noise, classes[:, None, None])

        real = (torch.arange(most) < counts[:, None])[:, None, None].expand(shape)
        number = torch.arange(groups)[:, None, None] + 1
        alone = -1 - torch.arange(math.prod(shape[1:])).view(shape[1:])
        member = torch.where(real, number, alone).flatten(1)
        wanted = real & (torch.arange(2) == 0)[:, None]
        first = (counts.cumsum(0) - counts)[:, None, None, None]
        columns = (first + torch.arange(most)).expand(shape)[wanted]
        boxes, classes, member = transfer([boxes.flatten(1, 3), classes.flatten(1), member], frames.P.device)
        rows = wanted.flatten().nonzero()[:, 0]
        return NoisyQueries(frames.to_pixels(boxes), self.labels(classes), member, rows, columns)

    def move(self, boxes: Tensor) -> Tensor:
        """Boxes (B, groups, 2, G, 4) centre x, y, width, height with their corners moved: of the first of two
        by less than ``box_noise`` half sides, of the second by more, up to twice as much."""
        half = boxes[..., 2:] / 2
        corners = torch.stack([boxes[..., :2] - half, boxes[..., :2] + half], -2)
        share = (torch.rand(corners.shape) + torch.arange(2.0)[:, None, None, None]) * self.box_noise
        sign = torch.randint(2, corners.shape) * 2 - 1
        corners = (corners + sign * share * half[..., None, :]).clamp(0, 1)
        low, high = corners.amin(-2), corners.amax(-2)
        return torch.cat([(low + high) / 2, high - low], -1)
