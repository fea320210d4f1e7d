"""DETR with 3D boxes: a transformer over the cells of maps, and boxes that attend to them."""

from __future__ import annotations

from typing import Any

import torch
from detectron2.config import CfgNode, configurable
from detectron2.modeling import META_ARCH_REGISTRY
from detectron2.structures import Instances
from torch import Tensor, nn

from d2ext.modeling.box3d.config import build_box_head, class_names
from d2ext.modeling.box3d.images import VIEW_DIM, EncodedImages
from d2ext.modeling.box3d.plane import build_plane_head
from d2ext.modeling.detection.criterion import SetCriterion
from d2ext.modeling.detection.decoder import BoxDecoder, DecoderHead, HeadOutput, PromptClassifier
from d2ext.modeling.detection.denoising import Denoising, NoisyQueries
from d2ext.modeling.detection.detector import CLASS_BIAS, map_channels, shared_parts
from d2ext.modeling.detection.learned import LearnedBoxDetector
from d2ext.modeling.detection.matching import SetMatcher
from d2ext.modeling.detection.memory import ATTENTION_REGISTRY
from d2ext.modeling.detection.selection import QUERY_REGISTRY


@META_ARCH_REGISTRY.register()
class DETR3D(LearnedBoxDetector):
    """DETR (Carion et al., ECCV 2020) with the 3D head of this collection.

    A query is a box and a feature, both learned or proposed by the image, and each layer refines the boxes of
    the one before (Zhu et al., Deformable DETR, ICLR 2021, App. A.4): the head needs a box to start from.

    Args:
        denoising: makes queries of labels in training; None: there are none.
        cell_criterion: losses of what cells propose.
        parts: the arguments of :class:`~d2ext.modeling.detection.learned.LearnedBoxDetector`.
    """

    proposals: Any  # what MODEL.DETR.QUERIES names

    @configurable
    def __init__(
        self, *, cell_criterion: SetCriterion, denoising: Denoising | None = None, **parts: Any
    ) -> None:
        super().__init__(**parts)
        self.denoising = denoising
        self.cell_criterion = cell_criterion

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict:
        """The arguments out of MODEL.DETECTION3D and MODEL.DETR."""
        c, t = cfg.MODEL.DETECTION3D, cfg.MODEL.DETR
        parts = shared_parts(cfg)
        variant = ATTENTION_REGISTRY.get(t.ATTENTION)
        names, key = variant.maps(cfg)
        channels = map_channels(parts["backbone"], names, key)
        strides = [parts["backbone"].output_shape()[name].stride for name in names]
        attention = variant(cfg, channels, strides)
        heads = [
            DecoderHead(
                attention.interaction(),
                build_box_head(cfg, c, c.HIDDEN_DIM + VIEW_DIM, CLASS_BIAS),
                c.HIDDEN_DIM,
                t.ATTENTION_HEADS,
                t.FFN_DIM,
                classifier=cls.class_layer(cfg),
            )
            for _ in range(t.DECODER_LAYERS)
        ]
        return parts | {
            "encoder": attention.encoder(),
            "decoder": BoxDecoder(heads),
            "in_features": names,
            "plane_head": build_plane_head(cfg, channels[-1]),
            "detection": cls.detection_class.from_config(cfg),
            "proposals": QUERY_REGISTRY.get(t.QUERIES)(cfg, cls.class_layer(cfg)),
            "cell_criterion": SetCriterion(SetMatcher(t.CELL_MATCHER, c.COSTS), c.LOSS_WEIGHTS),
            "denoising": cls.denoising_part(cfg) if t.DENOISING else None,
        }

    @classmethod
    def class_layer(cls, cfg: CfgNode) -> PromptClassifier | None:
        """What gives class logits in the place of the box heads, in the decoder and for cells; None: the box
        heads do, for the classes of the model."""
        return None

    def prompts(self, frames: EncodedImages) -> Tensor | None:
        """Prompts (B, K, prompt_dim) that :meth:`class_layer` compares objects with; None where the box heads
        know their classes."""
        return None

    @classmethod
    def denoising_part(cls, cfg: CfgNode) -> Denoising:
        """Denoising of the classes of the model."""
        t, classes = cfg.MODEL.DETR, len(class_names(cfg))
        labels = nn.Embedding(classes, cfg.MODEL.DETECTION3D.HIDDEN_DIM)
        return Denoising(t.DENOISING, labels, classes, t.BOX_NOISE, t.LABEL_NOISE)

    def start(self, encoded: EncodedImages, *given: Tensor) -> tuple[Any, ...]:
        """The queries' boxes, in pixels of each image, their objects, no time, and the prompts."""
        prompts = self.prompts(encoded)
        return (*self.proposals(encoded, self.proposals.propose(encoded, prompts)), None, prompts)

    def losses(self, frames: EncodedImages, instances: list[Instances]) -> dict[str, Tensor]:
        """Those of the queries, and with a suffix those of what cells propose and of denoising."""
        prompts = self.prompts(frames)
        proposed = self.proposals.propose(frames, prompts)
        boxes, objects = self.proposals(frames, proposed)
        losses: dict[str, Tensor] = {}
        if proposed is not None:
            of_cells = self.cell_criterion(self.proposals.box_head, [proposed], frames, instances)
            losses |= {f"{name}_cells": value for name, value in of_cells.items()}
        if self.denoising is None:
            outputs = self.decoder(frames, boxes, objects, prompts=prompts)
        else:
            noisy = self.denoising(frames, instances)
            outputs, others = self.decode_beside(frames, boxes, objects, noisy)
            head = self.decoder.box_head
            denoised = self.criterion(head, others, frames, instances, noisy.pairs(len(others)))
            losses |= {f"{name}_denoising": value for name, value in denoised.items()}
        return self.criterion(self.decoder.box_head, outputs, frames, instances) | losses

    def decode_beside(
        self, frames: EncodedImages, boxes: Tensor, objects: Tensor, noisy: NoisyQueries
    ) -> tuple[list[HeadOutput], list[HeadOutput]]:
        """The decoder's outputs for boxes (B, N, 4) and objects (B, N, dim), and those for noisy queries that
        take the same way without being seen."""
        count = boxes.shape[1]
        groups = torch.cat([noisy.groups.new_zeros(boxes.shape[:2]), noisy.groups], 1)
        objects = torch.cat([objects, noisy.objects.to(objects.dtype)], 1)
        boxes, prompts = torch.cat([boxes, noisy.boxes], 1), self.prompts(frames)
        outputs = self.decoder(frames, boxes, objects, prompts=prompts, groups=groups)
        rows = torch.arange(groups.numel(), device=groups.device).view(groups.shape)
        own, other, alone = rows[:, :count].flatten(), rows[:, count:].flatten(), noisy.groups.flatten() < 0
        return [o.rows(own) for o in outputs], [o.rows(other).without(alone) for o in outputs]
