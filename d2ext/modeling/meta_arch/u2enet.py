"""U2ENet: single- and multi-target 3D visual grounding from one RGB image, end to end."""

from __future__ import annotations

from typing import Any

import torch
from detectron2.config import CfgNode, configurable
from detectron2.modeling import META_ARCH_REGISTRY
from torch import Tensor

from d2ext.modeling.box3d.images import EncodedImages
from d2ext.modeling.box3d.records import projections
from d2ext.modeling.grounding.grounder import Grounder, grounding_targets, sentence_owners
from d2ext.modeling.grounding.head import Grounded, HeadReading
from d2ext.modeling.grounding.inference import EncodedSentences, GroundingFeatures
from d2ext.structures import transfer


@META_ARCH_REGISTRY.register()
class U2ENet(Grounder):
    """The words steer the maps in which the objects are then found; a sentence costs the fusion and the head.

    Args:
        detection_prompt: in training every image gets this extra sentence that refers to all of its objects;
            empty leaves it out.
        parts: the arguments of :class:`Grounder`.
    """

    @configurable
    def __init__(self, *, detection_prompt: str, **parts: Any) -> None:
        super().__init__(**parts)
        self.detection_prompt = detection_prompt

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict:
        """The arguments out of MODEL.GROUNDING and MODEL.U2ENET."""
        parts = cls.parts_from_config(cfg, words_in_detector=True)
        return parts | {"detection_prompt": cfg.MODEL.U2ENET.DETECTION_PROMPT}

    def losses(self, batched_inputs: list[dict]) -> dict[str, Tensor]:
        """The head's, on maps fused with each sentence, and with the prompt that asks for every object."""
        groups = [[batched_inputs[i] for i in group] for group in self.size_groups(batched_inputs)]
        prompt = [self.detection_prompt] if self.detection_prompt else []
        texts = [[[*x["sentences"], *prompt] for x in group] for group in groups]
        sentences = self.encode_sentences([s for group in texts for t in group for s in t])
        parts, encoded, start = [], [self.encode_images(group) for group in groups], 0
        for images, text in zip(encoded, texts, strict=True):
            owner = sentence_owners(text)
            parts.append(self._read(images, owner, sentences.rows(start, start + len(owner))))
            start += len(owner)
        return self.head.losses(parts) | self.plane_losses(encoded)

    def _read(self, images: EncodedImages, of_image: Tensor, sentences: EncodedSentences) -> HeadReading:
        """What the head reads in images of one size for all of their sentences, and what it should find."""
        group = images.records
        meant = [list(x["sentence_targets"]) for x in group]
        if self.detection_prompt:
            meant = [[*m, torch.arange(len(x["instances"]))] for m, x in zip(meant, group, strict=True)]
        (owner,) = transfer([of_image], self.device)
        levels, vectors, mask = sentences
        views = self.views(images, owner)
        maps = self.head(self.fusion(images.features.maps, levels, mask, owner), vectors, views.valid)
        targets = grounding_targets(projections(group)[of_image], [x["instances"] for x in group], meant)
        return HeadReading(maps, vectors, views, targets)

    def image_branch(self, pixels: Tensor, P: Tensor, plane: Tensor, sizes: Tensor) -> GroundingFeatures:
        """The grounder's maps, projected to the fusion's widths."""
        features = super().image_branch(pixels, P, plane, sizes)
        return features._replace(maps=self.fusion.project(features.maps))

    def ground(self, image: EncodedImages, sentences: EncodedSentences) -> Grounded:
        """Peaks of the heat maps of sentences that are fused with the image."""
        levels, vectors, mask = sentences
        owner = mask.new_zeros(mask.shape[0], dtype=torch.long)
        views = self.views(image, owner)
        maps = self.head(self.fusion(image.features.maps, levels, mask, owner), vectors, views.valid)
        return self.head.decode(maps, vectors, views, self.settings.topk)
