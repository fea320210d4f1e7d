"""Two-stage grounding: a detector that knows no words, then matching of its boxes with the sentence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from detectron2.config import configurable
from detectron2.modeling import META_ARCH_REGISTRY
from detectron2.modeling.matcher import Matcher
from detectron2.structures import Boxes, Instances, pairwise_iou
from torch import Tensor

from d2ext.data.categories import CATEGORIES
from d2ext.modeling.box3d_head import ObjectBoxes
from d2ext.modeling.box_text_matcher import BoxTextMatcher
from d2ext.modeling.grounding_head import (
    Grounded,
    GroundingTargets,
    HeadMaps,
    HeadReading,
    SentenceViews,
)
from d2ext.modeling.grounding_inference import EncodedImages, EncodedSentences
from d2ext.modeling.meta_arch.grounder import Grounder, detail_channels, grounding_targets, sentence_owners
from d2ext.modeling.normalizer import loss_normalizer
from d2ext.modeling.semantic_fusion import CELL_CHANNELS
from d2ext.structures.projection import project_points


@META_ARCH_REGISTRY.register()
class TwoStageGrounder(Grounder):
    """Finds all objects first and reads the sentence afterwards: what U2ENet is compared with.

    Stage 1 is U2ENet's fusion and head without words, trained on all labelled objects; its ``topk`` best
    boxes go to stage 2, a :class:`BoxTextMatcher`, trained by binary cross-entropy. Both are trained at once.
    To stage 2 the boxes are constants: sentences teach the matcher and the backbone, which both stages read,
    but not the detector's fusion and head.

    Args:
        matcher: scores of boxes and sentences.
        match_quality: a box found stands for the labelled object that it fits best, if by at least this:
            the IoU of the 2D boxes, or 1 / (1 + distance of the projected centres in cells).
        parts: the arguments of :class:`Grounder`.
    """

    @configurable
    def __init__(self, *, matcher: BoxTextMatcher, match_quality: float, **parts: Any) -> None:
        super().__init__(**parts)
        self.matcher = matcher
        self.object_matcher = Matcher([match_quality], [0, 1])

    @classmethod
    def from_config(cls, cfg) -> dict:
        c, t = cfg.MODEL.U2ENET, cfg.MODEL.TWO_STAGE
        parts = cls.parts_from_config(cfg, words_in_detector=False)
        finest = parts["backbone"].output_shape()[c.IN_FEATURES[-1]]
        matcher = BoxTextMatcher(
            finest.channels + CELL_CHANNELS + detail_channels(cfg, parts["backbone"]),
            c.TEXT_DIM,
            parts["pooling"].dim,
            len(CATEGORIES),
            t.DIM,
            len(c.FUSION_DIMS),
            t.NUM_HEADS,
            t.POOL_SIZE,
        )
        return parts | {"matcher": matcher, "match_quality": t.MATCH_QUALITY}

    def losses(self, batched_inputs: list[dict]) -> dict[str, Tensor]:
        parts: list[HeadReading] = []
        matching = []
        for index in self.size_groups(batched_inputs):
            group = [batched_inputs[i] for i in index]
            instances = [x["instances"] for x in group]
            images = self.encode_images(group)
            read, nothing, views = self._detect(images)
            everything = [[torch.arange(len(x))] for x in instances]
            parts.append(HeadReading(read, nothing, views, grounding_targets(views.P, instances, everything)))
            with torch.no_grad():
                found = self.head.decode(read, nothing, views, self.topk)
            matching.append(self._match_loss(group, images, found, parts[-1].targets))
        sentences = sum(len(x["sentences"]) for x in batched_inputs)
        count = loss_normalizer(torch.tensor(float(sentences), device=self.device))
        return self.head.losses(parts) | {"loss_match": torch.stack(matching).sum() / count}

    def answer(self, image: EncodedImages, record: dict) -> list[Instances]:
        read, nothing, views = self._detect(image)
        found = self.head.decode(read, nothing, views, self.topk)
        boxes, valid = self._encode_boxes(image, found)
        out: list[Instances] = []
        for sentences in self.chunks(record):
            owner = torch.zeros(len(sentences.mask), dtype=torch.long, device=self.device)
            logits = self._match(boxes[owner], valid[owner], sentences)
            out += [self.select(replace(found, scores=s), valid[0], record) for s in logits.sigmoid()]
        return out

    def _detect(self, images: EncodedImages) -> tuple[HeadMaps, Tensor, SentenceViews]:
        """What the detector reads in B images, the B vectors of no words that its head wants, and views."""
        views = self.views(images, torch.arange(len(images.P), device=self.device))
        nothing = views.P.new_zeros(len(views.P), 0)
        return self.head(self.fusion(self.fusion.project(images.maps)), nothing, views.valid), nothing, views

    def _encode_boxes(self, images: EncodedImages, found: Grounded) -> tuple[Tensor, Tensor]:
        """The boxes found in B images, (B, N, dim), and (B, N) whether there is one."""
        scores = found.scores.view(len(images.P), -1)
        visual = torch.cat([images.maps[-1], images.detail], 1)
        return self.matcher.encode_boxes(visual, self.stride, found.boxes, scores), scores > 0

    def _match(self, boxes: Tensor, valid: Tensor, sentences: EncodedSentences) -> Tensor:
        return self.matcher(boxes, valid, sentences.levels, sentences.mask, sentences.vectors)

    def _match_loss(
        self, batched_inputs: list[dict], images: EncodedImages, found: Grounded, labels: GroundingTargets
    ) -> Tensor:
        """Binary cross-entropy of every box with every sentence of its image, summed; 0 without sentences."""
        texts = [x["sentences"] for x in batched_inputs]
        sentences = [s for t in texts for s in t]
        if not sentences:
            return images.P.new_zeros(())
        owner = sentence_owners(texts).to(self.device)
        boxes, valid = self._encode_boxes(images, found)
        objects = self._objects(found.boxes, images.P, labels)
        targets = [t.to(self.device) for x in batched_inputs for t in x["sentence_targets"]]
        meant = torch.stack([torch.isin(o, t) for o, t in zip(objects[owner], targets, strict=True)])
        logits = self._match(boxes[owner], valid[owner], self.encode_sentences(sentences))
        loss = F.binary_cross_entropy_with_logits(logits, meant.float(), reduction="none")
        return (loss * valid[owner]).sum()

    def _objects(self, boxes: ObjectBoxes, P: Tensor, labels: GroundingTargets) -> Tensor:
        """The labelled object, by its number in the image, that each of the boxes (B * N,) stands for, or -1:
        (B, N). ``labels`` holds all objects of the B images, P (B, 3, 4) their projections."""
        box2d = boxes.box2d.view(len(P), -1, 4)
        uv, _ = project_points(P[:, None], boxes.center.view(len(P), -1, 3))
        rows = []
        for image in range(len(P)):
            mine = labels.owner == image
            overlap = pairwise_iou(Boxes(labels.objects.box2d[mine]), Boxes(box2d[image]))
            distance = (labels.anchor[mine][:, None] - uv[image]).norm(dim=2) / self.stride
            index, known = self.object_matcher(torch.maximum(overlap, 1 / (1 + distance)))
            rows.append(torch.where(known == 1, index, -1))
        return torch.stack(rows)
