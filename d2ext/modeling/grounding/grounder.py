"""What the models that ground sentences in an image are made of: parts, encoding, targets."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from detectron2.config import CfgNode
from detectron2.modeling import Backbone, build_backbone
from detectron2.structures import Instances
from torch import Tensor, nn

from d2ext.modeling.box3d.config import build_box_head
from d2ext.modeling.box3d.images import EncodedImages, cell_middles, viewing_features
from d2ext.modeling.box3d.plane import PlaneHead, build_plane_head, fill_planes
from d2ext.modeling.box3d.records import object_targets
from d2ext.modeling.box3d.refinement import BoxRefinement
from d2ext.modeling.grounding.fusion import HierarchicalFusion, SemanticFilter, cell_channels
from d2ext.modeling.grounding.head import GroundingHead, GroundingTargets, SentenceViews
from d2ext.modeling.grounding.inference import (
    EncodedSentences,
    GroundingFeatures,
    GroundingInference,
    GroundingSettings,
)
from d2ext.modeling.text.config import build_text_encoder
from d2ext.modeling.text.encoder import TextEncoder
from d2ext.modeling.text.numbers import NUMBER_DIM
from d2ext.modeling.text.pooling import POOLING_REGISTRY
from d2ext.modeling.text.tokenizer import SentenceTokenizer, Tokens
from d2ext.structures.projection import project_points


class Grounder(GroundingInference, nn.Module):
    """Text + image -> 3D boxes of everything the sentence refers to; the image is encoded once for all of
    its sentences. A subclass gives ``losses`` and what brings both modalities together.

    Args:
        backbone: gives maps named in ``in_features``.
        text_encoder: sentences to token features.
        semantic_filter: tokens to semantic levels.
        pooling: the last level to the vector of a sentence.
        fusion: one step for each of ``in_features``, coarse to fine.
        head: head on the finest fused map.
        in_features: maps to fuse, coarse to fine.
        detail_feature: map, as fine as the fused one or finer, that the box head reads as it was before
            fusion; empty for none.
        pixel_mean, pixel_std: per channel, in the order of INPUT.FORMAT.
        settings: what is an answer.
        plane_head: reads the plane of an image that has none from the coarsest map; None leaves it unknown.
        freeze_norm_stats: BatchNorm normalises with its running statistics in training too.

    Attributes:
        compilable: children that ``torch.compile`` may take.
    """

    compilable = ("backbone", "semantic_filter", "fusion", "head")

    def __init__(
        self,
        *,
        backbone: Backbone,
        text_encoder: TextEncoder,
        semantic_filter: SemanticFilter,
        pooling: nn.Module,
        fusion: HierarchicalFusion,
        head: GroundingHead,
        in_features: list[str],
        detail_feature: str,
        pixel_mean: list[float],
        pixel_std: list[float],
        settings: GroundingSettings,
        plane_head: PlaneHead | None = None,
        freeze_norm_stats: bool = False,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.text_encoder = text_encoder
        self.semantic_filter = semantic_filter
        self.pooling = pooling
        self.fusion = fusion
        self.head = head
        self.in_features = list(in_features)
        self.detail_feature = detail_feature
        self.size_divisibility = backbone.size_divisibility
        self.stride = backbone.output_shape()[self.in_features[-1]].stride
        self.register_buffer("pixel_mean", torch.tensor(pixel_mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("pixel_std", torch.tensor(pixel_std).view(-1, 1, 1), persistent=False)
        self.settings = settings
        self.plane_head = plane_head
        self.freeze_norm_stats = freeze_norm_stats

    @classmethod
    def parts_from_config(cls, cfg: CfgNode, words_in_detector: bool) -> dict:
        """The arguments that MODEL.GROUNDING and its neighbours describe.

        Args:
            words_in_detector: fusion and head read the sentence; False: they are a detector that knows none.

        Raises:
            ValueError: a key with a value it cannot have.
        """
        c, u = cfg.MODEL.GROUNDING, cfg.MODEL.U2ENET
        backbone = build_backbone(cfg)
        encoder = build_text_encoder(cfg)
        dims = list(c.FUSION_DIMS)
        pooling = POOLING_REGISTRY.get(c.POOLING)(c.TEXT_DIM)
        word_dim, vector_dim = (c.TEXT_DIM, pooling.dim) if words_in_detector else (0, 0)
        detail = detail_channels(cfg, backbone)
        box_head = build_box_head(cfg, c, dims[-1] + detail + vector_dim)
        refinement = None
        if c.DETAIL_FEATURE and c.REFINE_POINTS:
            shapes = backbone.output_shape()
            fine = shapes[c.DETAIL_FEATURE]
            width = BoxRefinement.in_dim(box_head, c.REFINE_POINTS, fine.channels)
            cells = shapes[c.IN_FEATURES[-1]].stride // fine.stride
            refinement = BoxRefinement(build_box_head(cfg, c, width), c.REFINE_POINTS, cells)
        channels = [backbone.output_shape()[f].channels for f in c.IN_FEATURES]
        filter_dims = (len(dims), c.TEXT_STATE_DIM, c.TEXT_HEAD_DIM)
        return {
            "backbone": backbone,
            "text_encoder": encoder,
            "semantic_filter": SemanticFilter(
                encoder.dim, c.TEXT_DIM, *filter_dims, enabled=c.SEMANTIC_FILTER
            ),
            "pooling": pooling,
            "fusion": HierarchicalFusion(
                [width + cell_channels(cfg) for width in channels],
                dims,
                word_dim,
                u.STATE_DIM,
                u.FUSION_HEAD_DIM,
                c.NORM,
                u.FUSION,
            ),
            "head": GroundingHead(dims[-1], vector_dim, box_head, refinement, c.NORM, dict(c.LOSS_WEIGHTS)),
            "in_features": c.IN_FEATURES,
            "detail_feature": c.DETAIL_FEATURE,
            "pixel_mean": cfg.MODEL.PIXEL_MEAN,
            "pixel_std": cfg.MODEL.PIXEL_STD,
            "settings": GroundingSettings.from_config(cfg),
            "plane_head": build_plane_head(cfg, channels[0]),
            "freeze_norm_stats": c.FREEZE_NORM_STATS,
        }

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        """Of the weights."""
        return self.head.heatmap.weight.device

    @property
    def tokenizer(self) -> SentenceTokenizer:  # type: ignore[override]
        """Of the text encoder."""
        return self.text_encoder.tokenizer

    def train(self, mode: bool = True) -> Grounder:
        """As of every module; BatchNorm stays in evaluation where its statistics are frozen."""
        super().train(mode)
        if self.freeze_norm_stats:
            for module in self.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self

    def forward(self, batched_inputs: list[dict]) -> dict[str, Tensor] | list[dict]:
        """Mapper dicts (:class:`d2ext.data.GroundingMapper`) -> losses in training, else answers.

        Returns:
            Training: dict of scalar losses. Inference: see :meth:`inference`.
        """
        return self.losses(batched_inputs) if self.training else self.inference(batched_inputs)

    @abstractmethod
    def losses(self, batched_inputs: list[dict]) -> dict[str, Tensor]:
        """Scalar losses of a batch by name."""

    def image_branch(self, pixels: Tensor, P: Tensor, plane: Tensor, sizes: Tensor) -> GroundingFeatures:
        """Features with viewing geometry and mean colour, shapes as in :class:`GroundingInference`."""
        # Channels last is the faster layout on every device, and what the fusion's products read.
        features = self.backbone(pixels.contiguous(memory_format=torch.channels_last))
        maps: list[Tensor] = []
        tilt, given = None, None
        if self.plane_head is not None:
            coarse = self.in_features[0]
            stride = self.backbone.output_shape()[coarse].stride
            tilt = self.plane_head(features[coarse], P, sizes, stride)
            plane, given = fill_planes(plane, tilt)
        for name in self.in_features:
            f = features[name]
            stride = self.backbone.output_shape()[name].stride
            cells = cell_middles(stride, f.shape[-2], f.shape[-1], P.device)
            viewing = viewing_features(P, plane, sizes, cells).unflatten(2, tuple(f.shape[-2:]))
            # Normalised features lose a cell's own colour, which is what sentences name first.
            parts = [viewing, F.avg_pool2d(pixels, stride)]
            if given is not None:
                parts.append(given.to(viewing.dtype)[:, None, None, None].expand_as(viewing[:, :1]))
            of_cells = torch.cat(parts, 1).to(f.dtype)
            maps.append(torch.cat([f, of_cells.contiguous(memory_format=torch.channels_last)], 1))
        height, width = maps[-1].shape[-2:]
        rows = torch.arange(height, device=P.device) * self.stride < sizes[:, :1]
        columns = torch.arange(width, device=P.device) * self.stride < sizes[:, 1:]
        detail = maps[-1][:, :0]
        if self.detail_feature:
            cells = self.stride // self.backbone.output_shape()[self.detail_feature].stride
            detail = F.pixel_unshuffle(features[self.detail_feature], cells)
        valid = rows[:, :, None] & columns[:, None, :]
        return GroundingFeatures(maps, valid, detail, plane, plane[:, :0] if tilt is None else tilt)

    def plane_losses(self, images: Sequence[EncodedImages]) -> dict[str, Tensor]:
        """The loss of the planes that pictures show; none where they are not asked."""
        return {} if self.plane_head is None else self.plane_head.losses(images)

    def text_branch(self, tokens: Tokens) -> EncodedSentences:
        """Tokens of S sentences -> the encoded sentences."""
        return self._filter(self.text_encoder.encode(tokens), tokens.mask)

    def encode_sentences(self, sentences: Sequence[str]) -> EncodedSentences:
        """Through text encoder, semantic filter and pooling."""
        return self._filter(*self.text_encoder(sentences))

    def _filter(self, features: Tensor, mask: Tensor) -> EncodedSentences:
        levels = self.semantic_filter(features, mask)
        return EncodedSentences(levels, self.pooling(levels[-1], features[..., -NUMBER_DIM:], mask), mask)

    def views(self, images: EncodedImages, owner: Tensor) -> SentenceViews:
        """What sentences look at, by the index (S,) of each one's image."""
        P, plane, valid = images.P[owner], images.plane[owner], images.features.valid[owner]
        return SentenceViews(P, plane, valid, self.stride, owner, images.features.detail)


def sentence_owners(texts: Sequence[Sequence[Any]]) -> Tensor:
    """Index (S,) of each sentence's image, from the sentences of every image."""
    return torch.arange(len(texts)).repeat_interleave(torch.tensor([len(t) for t in texts]))


def grounding_targets(P: Tensor, instances: list[Instances], meant: list[list[Tensor]]) -> GroundingTargets:
    """Every pair of a sentence and an object of its image, and whether the one means the other.

    Args:
        P: (S, 3, 4) projections of the network's input, one per sentence, on the host, as the labels are.
        instances: the labels of each image.
        meant: per image and sentence the indices (long) of its targets; S sentences in all.
    """
    image = sentence_owners(meant)
    counts = torch.tensor([len(labels) for labels in instances])
    pairs = counts[image]  # of each sentence
    start = pairs.cumsum(0) - pairs
    owner = torch.arange(len(image)).repeat_interleave(pairs)
    row = torch.arange(len(owner)) - (start - (counts.cumsum(0) - counts)[image])[owner]
    targets = [t for sentences in meant for t in sentences]
    lengths = torch.tensor([len(t) for t in targets])
    means = torch.zeros(len(owner), dtype=torch.bool)
    means[torch.cat(targets) + start.repeat_interleave(lengths)] = True
    exists = lengths > 0
    objects = object_targets(instances)[row]
    anchor, depth = project_points(P[owner], objects.center)
    middle = (objects.box2d[:, :2] + objects.box2d[:, 2:]) / 2
    anchor = torch.where((objects.has_3d & (depth > 0.5))[:, None], anchor, middle)
    return GroundingTargets(
        owner[means], anchor[means], objects[means], exists, owner[~means], anchor[~means]
    )


def detail_channels(cfg: CfgNode, backbone: Backbone) -> int:
    """Channels of ``SentenceViews.detail``.

    Raises:
        ValueError: MODEL.GROUNDING.DETAIL_FEATURE is not a map as fine as the fused one or finer.
    """
    c, shapes = cfg.MODEL.GROUNDING, backbone.output_shape()
    if not c.DETAIL_FEATURE:
        return 0
    finest = shapes[c.IN_FEATURES[-1]].stride
    fine = [name for name, shape in shapes.items() if shape.stride <= finest]
    if c.DETAIL_FEATURE not in fine:
        raise ValueError(
            f"MODEL.GROUNDING.DETAIL_FEATURE {c.DETAIL_FEATURE}: expected '' or one of {', '.join(fine)}"
        )
    shape = shapes[c.DETAIL_FEATURE]
    return shape.channels * (finest // shape.stride) ** 2
