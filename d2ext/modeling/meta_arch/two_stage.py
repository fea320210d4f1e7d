"""Two-stage grounding: a detector that knows no words, then matching of its boxes with the sentence."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from detectron2.config import CfgNode, configurable
from detectron2.modeling import META_ARCH_REGISTRY
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from d2ext.modeling.box3d.config import vocabulary_of
from d2ext.modeling.box3d.images import EncodedImages
from d2ext.modeling.box3d.objects import ObjectBoxes
from d2ext.modeling.box3d.overlap import pairwise_overlaps
from d2ext.modeling.box3d.records import projections
from d2ext.modeling.grounding.fusion import cell_channels
from d2ext.modeling.grounding.grounder import Grounder, detail_channels, grounding_targets, sentence_owners
from d2ext.modeling.grounding.head import (
    Grounded,
    GroundingTargets,
    HeadMaps,
    HeadReading,
    SentenceViews,
)
from d2ext.modeling.grounding.inference import EncodedSentences
from d2ext.modeling.grounding.matcher import BoxTextMatcher
from d2ext.modeling.losses import loss_normalizer
from d2ext.structures import transfer
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
        self.match_quality = match_quality

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict:
        """The arguments out of MODEL.GROUNDING and MODEL.TWO_STAGE."""
        c, t = cfg.MODEL.GROUNDING, cfg.MODEL.TWO_STAGE
        parts = cls.parts_from_config(cfg, words_in_detector=False)
        finest = parts["backbone"].output_shape()[c.IN_FEATURES[-1]]
        matcher = BoxTextMatcher(
            finest.channels + cell_channels(cfg) + detail_channels(cfg, parts["backbone"]),
            c.TEXT_DIM,
            parts["pooling"].dim,
            len(vocabulary_of(cfg)),
            t.DIM,
            len(c.FUSION_DIMS),
            t.ATTENTION_HEADS,
            t.POOL_SIZE,
        )
        return parts | {"matcher": matcher, "match_quality": t.MATCH_QUALITY}

    def losses(self, batched_inputs: list[dict]) -> dict[str, Tensor]:
        """Those of a detector that reads no words, and of the matching of its boxes with the sentences."""
        parts: list[HeadReading] = []
        matching, encoded = [], []
        for index in self.size_groups(batched_inputs):
            group = [batched_inputs[i] for i in index]
            instances = [x["instances"] for x in group]
            images = self.encode_images(group)
            encoded.append(images)
            maps, no_words, views = self._detect(images)
            all_objects = [[torch.arange(len(x))] for x in instances]
            targets = grounding_targets(projections(group), instances, all_objects)
            parts.append(HeadReading(maps, no_words, views, targets))
            with torch.no_grad():
                found = self.head.decode(maps, no_words, views, self.settings.topk)
            matching.append(self._match_loss(group, images, found, targets))
        sentences = sum(len(x["sentences"]) for x in batched_inputs)
        (total,) = transfer([torch.tensor(float(sentences))], self.device)
        match = torch.stack(matching).sum() / loss_normalizer(total)
        return self.head.losses(parts) | self.plane_losses(encoded) | {"loss_match": match}

    def prepare(self, image: EncodedImages) -> tuple[Grounded, Tensor, Tensor]:
        """The detector's boxes, their features for the matcher, and which of them are boxes."""
        maps, no_words, views = self._detect(image)
        found = self.head.decode(maps, no_words, views, self.settings.topk)
        return found, *self._encode_boxes(image, found)

    def ground(self, image: tuple[Grounded, Tensor, Tensor], sentences: EncodedSentences) -> Grounded:
        """The detector's boxes once for each of the sentences, with the scores of their match."""
        found, boxes, valid = image
        count = len(sentences.mask)
        logits = self._match(boxes.expand(count, -1, -1), valid.expand(count, -1), sentences)
        # A place without a box is no sentence's.
        owner = torch.arange(count, device=self.device)[:, None].where(valid, -1)
        each = [v.repeat(count, *[1] * (v.ndim - 1)) for v in vars(found.boxes).values()]
        return Grounded(owner.flatten(), logits.sigmoid().flatten(), ObjectBoxes(*each))

    def _detect(self, images: EncodedImages) -> tuple[HeadMaps, Tensor, SentenceViews]:
        """What the detector reads in B images, the B vectors of no words that its head wants, and views."""
        views = self.views(images, torch.arange(len(images.P), device=self.device))
        no_words = views.P.new_zeros(len(views.P), 0)
        return (
            self.head(self.fusion(self.fusion.project(images.features.maps)), no_words, views.valid),
            no_words,
            views,
        )

    def _encode_boxes(self, images: EncodedImages, found: Grounded) -> tuple[Tensor, Tensor]:
        """The boxes found in B images, (B, N, dim), and (B, N) whether there is one."""
        scores = found.scores.view(len(images.P), -1)
        visual = torch.cat([images.features.maps[-1], images.features.detail], 1)
        return self.matcher.encode_boxes(visual, self.stride, found.boxes, scores), scores > 0

    def _match(self, boxes: Tensor, valid: Tensor, sentences: EncodedSentences) -> Tensor:
        return self.matcher(boxes, valid, sentences.levels, sentences.mask, sentences.vectors)

    def _match_loss(
        self, batched_inputs: list[dict], images: EncodedImages, found: Grounded, labels: GroundingTargets
    ) -> Tensor:
        """Binary cross-entropy of every box with every sentence of its image, summed; 0 without sentences."""
        texts = [x["sentences"] for x in batched_inputs]
        sentences = [s for t in texts for s in t]
        targets = [t for x in batched_inputs for t in x["sentence_targets"]] + [
            torch.zeros(0, dtype=torch.long)
        ]
        owner, padded = transfer([sentence_owners(texts), pad_sequence(targets, True, -2)], self.device)
        if not sentences:
            return images.P.new_zeros(())
        boxes, valid = self._encode_boxes(images, found)
        objects = self._objects(found.boxes, images.P, labels)[owner]
        is_target = (objects[:, :, None] == padded[:-1, None]).any(2)
        logits = self._match(boxes[owner], valid[owner], self.encode_sentences(sentences))
        loss = F.binary_cross_entropy_with_logits(logits, is_target.float(), reduction="none")
        return (loss * valid[owner]).sum()

    def _objects(self, boxes: ObjectBoxes, P: Tensor, labels: GroundingTargets) -> Tensor:
        """The labelled object, by its number in the image, that each of the boxes (B * N,) stands for, or -1:
        (B, N). ``labels`` holds all objects of the B images, P (B, 3, 4) their projections."""
        counts = labels.owner.bincount(minlength=len(P))
        rows = torch.cat([labels.objects.box2d, labels.anchor], 1).split(counts.tolist())
        objects, counts = transfer([pad_sequence(list(rows), True), counts], P.device)
        box2d = boxes.box2d.view(len(P), -1, 4)
        if not objects.shape[1]:
            return torch.full(box2d.shape[:2], -1, device=P.device)
        uv, _ = project_points(P[:, None], boxes.center.view(len(P), -1, 3))
        overlap, _ = pairwise_overlaps(box2d, objects[..., :4])
        distance = (uv[:, :, None] - objects[:, None, :, 4:]).norm(dim=3) / self.stride
        quality = torch.maximum(overlap.nan_to_num(0.0), 1 / (1 + distance))
        known = torch.arange(objects.shape[1], device=P.device) < counts[:, None]
        best, index = quality.masked_fill(~known[:, None], -1.0).max(2)
        return torch.where(best >= self.match_quality, index, -1)
