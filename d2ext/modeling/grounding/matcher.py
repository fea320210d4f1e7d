"""Which boxes of a detector does a sentence mean? The second stage of two-stage grounding."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import roi_align

from d2ext.modeling.box3d.objects import ObjectBoxes
from d2ext.modeling.text.numbers import NUMBER_DIM, number_features
from d2ext.structures import Boxes3D, constant

_FAR = 200.0  # metres; what an untrained detector puts farther away is read as this far
_SPREAD = (20.0, 5.0, 50.0)  # metres right, down and forward over which the objects of a road scene lie


def box_geometry(boxes: ObjectBoxes, scores: Tensor, num_classes: int) -> Tensor:
    """What a detector knows of N boxes, in the terms that sentences use.

    Args:
        boxes: of N objects.
        scores: (N,) of the detection.

    Returns:
        (N, geometry_dim(num_classes)): class, scores, centre, size, yaw, observation angle, extent in the
        image; and depth, distance, height, width and length as :func:`number_features`, as the numbers of a
        sentence are coded.
    """
    center, log_size = boxes.center.clamp(-_FAR, _FAR), boxes.hwl.log()
    angles = torch.stack([Boxes3D.yaw_from_alpha(boxes.alpha, center), boxes.alpha], 1)
    log_extent = (boxes.box2d[:, 2:] - boxes.box2d[:, :2]).clamp(min=1.0).log()
    metres = torch.cat([center[:, 2:], center.norm(dim=1, keepdim=True), boxes.hwl], 1)
    return torch.cat(
        [
            F.one_hot(boxes.classes, num_classes).to(center.dtype),
            torch.stack([scores, boxes.class_scores], 1),
            center / constant(_SPREAD, center),
            log_size,
            angles.sin(),
            angles.cos(),
            log_extent - 4.0,
            number_features(metres).flatten(1),
        ],
        1,
    )


def geometry_dim(num_classes: int) -> int:
    """Features of :func:`box_geometry`."""
    return num_classes + 14 + 5 * NUMBER_DIM


class BoxTextMatcher(nn.Module):
    """Scores every pair of a box and a sentence.

    A box is what the image shows in it (RoIAlign, He et al., Mask R-CNN, 2017, Sec. 3) and its geometry. In
    every layer the boxes of an image look at each other ("the leftmost", "behind the bus") and then at the
    words; layer i reads semantic level i. Always in float32: a number must not be rounded.

    Args:
        visual_dim: channels of the map that boxes are cut from.
        text_dim: width of the semantic levels.
        vector_dim: width of the sentence vector.
        num_classes: classes of the detector.
        dim: width of a box; a multiple of ``num_heads``.
        num_layers: layers, one for each semantic level.
        num_heads: heads of the attention.
        pool_size: cells a side in which a box is read.
    """

    def __init__(
        self,
        visual_dim: int,
        text_dim: int,
        vector_dim: int,
        num_classes: int,
        dim: int = 128,
        num_layers: int = 3,
        num_heads: int = 4,
        pool_size: int = 4,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.pool_size = pool_size
        self.reduce = nn.Conv2d(visual_dim, dim // 2, 1)
        self.visual = nn.Linear(dim // 2 * pool_size**2, dim)
        self.geometry = nn.Sequential(
            nn.Linear(geometry_dim(num_classes), dim), nn.GELU(), nn.Linear(dim, dim)
        )
        self.words = nn.Linear(text_dim, dim)
        self.layers = nn.ModuleList(
            nn.TransformerDecoderLayer(
                dim, num_heads, 2 * dim, 0.0, F.gelu, batch_first=True, norm_first=True
            )
            for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(dim)
        out = nn.Linear(dim, 1)
        nn.init.constant_(out.bias, -3.0)  # few boxes are meant
        self.score = nn.Sequential(nn.Linear(dim + vector_dim, dim), nn.GELU(), out)

    def encode_boxes(self, visual: Tensor, stride: int, boxes: ObjectBoxes, scores: Tensor) -> Tensor:
        """Boxes of B images before any sentence.

        Args:
            visual: (B, visual_dim, H, W), ``stride`` pixels per cell.
            boxes: of B * N objects, image by image, in pixels whose centres lie at integers.
            scores: (B, N) of the detection.

        Returns:
            (B, N, dim).
        """
        with torch.autocast(visual.device.type, enabled=False):
            image = torch.arange(len(scores), device=visual.device).repeat_interleave(scores.shape[1])
            rois = torch.cat([image[:, None].float(), boxes.box2d.float() + 0.5], 1)
            cut = roi_align(
                self.reduce(visual.float()), rois, self.pool_size, 1 / stride, sampling_ratio=2, aligned=True
            )
            geometry = box_geometry(boxes, scores.flatten(), self.num_classes)
            return (self.visual(cut.flatten(1)) + self.geometry(geometry)).unflatten(0, scores.shape)

    def forward(
        self, boxes: Tensor, valid: Tensor, levels: list[Tensor], mask: Tensor, vectors: Tensor
    ) -> Tensor:
        """Logits (S, N) that sentence s means box n; those of boxes that are not valid mean nothing.

        Args:
            boxes: (S, N, dim), of the image of each sentence.
            valid: (S, N) bool, at least one True in each row.
            levels: semantic levels, each (S, L, text_dim).
            mask: (S, L), True on tokens.
            vectors: (S, vector_dim), the sentences.
        """
        with torch.autocast(boxes.device.type, enabled=False):
            for layer, words in zip(self.layers, levels, strict=True):
                boxes = layer(
                    boxes,
                    self.words(words.float()),
                    tgt_key_padding_mask=~valid,
                    memory_key_padding_mask=~mask,
                )
            vectors = vectors[:, None].expand(-1, boxes.shape[1], -1)
            return self.score(torch.cat([self.norm(boxes), vectors], -1))[..., 0]
