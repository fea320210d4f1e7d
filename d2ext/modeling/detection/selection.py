"""Where DETR's queries begin: at learned boxes, or at cells of the image that look like objects.

A cell proposes a box as a head of the decoder does, from a square around it; the best cells' boxes are where
the decoder starts (two-stage Deformable DETR, Zhu et al., ICLR 2021, App. A.4). An object begins as what its
cell shows, or learned as in mixed query selection (DINO, Zhang et al., ICLR 2023, Sec. 3.4).
"""

from __future__ import annotations

import torch
from detectron2.config import CfgNode
from torch import Tensor, nn

from d2ext.modeling.box3d.config import build_box_head
from d2ext.modeling.box3d.head import Box3DHead
from d2ext.modeling.box3d.images import VIEW_DIM, EncodedImages, view_features
from d2ext.modeling.detection.decoder import NEVER, HeadOutput, PromptClassifier
from d2ext.modeling.detection.detector import CLASS_BIAS
from d2ext.modeling.detection.learned import LearnedBoxes
from d2ext.registry import VariantRegistry

#: What queries begin as: called with a config and the class layer (None: that of the box heads) -> a module
#: with the methods of :class:`~d2ext.modeling.detection.learned.LearnedBoxes`.
QUERY_REGISTRY = VariantRegistry("MODEL.DETR.QUERIES")
#: Side in cells of the square that a cell's box is predicted from.
SIDE = 4.0


class SelectedBoxes(nn.Module):
    """The boxes of the ``count`` cells that look most like objects.

    Args:
        count: boxes.
        dim: width of a cell and an object.
        box_head: of the cells, built for ``dim + VIEW_DIM`` features.
        learned: objects begin as learned features in place of their cell's.
        classifier: as that of :class:`~d2ext.modeling.detection.decoder.DecoderHead`.
    """

    def __init__(
        self,
        count: int,
        dim: int,
        box_head: Box3DHead,
        learned: bool,
        classifier: PromptClassifier | None = None,
    ) -> None:
        super().__init__()
        self.count = count
        self.box_head = box_head
        self.classifier = classifier
        self.features = nn.Parameter(torch.randn(count, dim)) if learned else None
        self.project = nn.Identity() if learned else nn.Sequential(nn.Linear(dim, dim), nn.LayerNorm(dim))

    def propose(self, frames: EncodedImages, prompts: Tensor | None = None) -> HeadOutput:
        """What all B * L cells of ``frames`` say, for prompts (B, K, prompt_dim) where there are some. Cells
        that show nothing of their image hold no object."""
        cells = frames.features
        middles, level = cells.places()
        half = cells.levels[level, 3:] * (SIDE / 2)
        boxes = torch.cat([middles - half, middles + half], 1)
        views = frames.views(boxes.expand(cells.tokens.shape[0], -1, -1))
        seen = torch.cat([cells.tokens.flatten(0, 1).float(), view_features(views)], 1)
        raw = self.box_head(seen)
        if self.classifier is not None:
            raw["classes"] = self.classifier(cells.tokens, prompts).flatten(0, 1)
        return HeadOutput(raw, views).without(~cells.inside(frames.sizes).flatten())

    @torch.no_grad()
    def choose(self, proposed: HeadOutput, images: int) -> tuple[Tensor, Tensor]:
        """Cells (B, N) of the highest scores, and their boxes (B, N, 4). An image of fewer cells has its
        first one more than once, and so has it in any batch."""
        scores = proposed.raw["classes"].amax(1).view(images, -1)
        few = scores.new_full((images, self.count), NEVER)
        best, index = torch.cat([scores, few], 1).topk(self.count, 1)
        index = index.masked_fill(best <= NEVER, 0)
        boxes = self.box_head.box2d(*proposed).view(images, -1, 4)
        return index, boxes.gather(1, index[..., None].expand(-1, -1, 4))

    def forward(self, frames: EncodedImages, proposed: HeadOutput | None = None) -> tuple[Tensor, Tensor]:
        """boxes (B, N, 4), which pass on no gradient, and objects (B, N, dim) for B images.

        Args:
            proposed: what :meth:`propose` gave, where that has been asked already.
        """
        proposed = self.propose(frames) if proposed is None else proposed
        index, boxes = self.choose(proposed, frames.sizes.shape[0])
        if self.features is not None:
            return boxes, self.features.expand(boxes.shape[0], -1, -1)
        tokens = frames.features.tokens
        return boxes, self.project(tokens.gather(1, index[..., None].expand(-1, -1, tokens.shape[-1])))


@QUERY_REGISTRY.named("learned")
def learned_queries(cfg: CfgNode, classifier: PromptClassifier | None) -> nn.Module:
    """Learned boxes and objects, the same in every image."""
    return LearnedBoxes(cfg.MODEL.DETECTION3D.NUM_BOXES, cfg.MODEL.DETECTION3D.HIDDEN_DIM)


@QUERY_REGISTRY.named("encoder")
def encoder_queries(cfg: CfgNode, classifier: PromptClassifier | None, learned: bool = False) -> nn.Module:
    """Boxes and objects of the best cells."""
    c = cfg.MODEL.DETECTION3D
    head = build_box_head(cfg, c, c.HIDDEN_DIM + VIEW_DIM, CLASS_BIAS, cfg.MODEL.DETR.CELL_DIM)
    return SelectedBoxes(c.NUM_BOXES, c.HIDDEN_DIM, head, learned, classifier)


@QUERY_REGISTRY.named("mixed")
def mixed_queries(cfg: CfgNode, classifier: PromptClassifier | None) -> nn.Module:
    """Boxes of the best cells, learned objects."""
    return encoder_queries(cfg, classifier, learned=True)
