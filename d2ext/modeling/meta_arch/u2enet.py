"""U2ENet: single- and multi-target 3D visual grounding from one RGB image, end to end."""

from __future__ import annotations

from typing import Any

import torch
from detectron2.config import configurable
from detectron2.modeling import META_ARCH_REGISTRY
from torch import Tensor

from d2ext.modeling.grounding_head import Grounded
from d2ext.modeling.grounding_inference import EncodedImages, EncodedSentences
from d2ext.modeling.meta_arch.grounder import Grounder, grounding_targets, sentence_owners
from d2ext.modeling.records import projections
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
    def from_config(cls, cfg) -> dict:
        parts = cls.parts_from_config(cfg, words_in_detector=True)
        return parts | {"detection_prompt": cfg.MODEL.U2ENET.DETECTION_PROMPT}

    def losses(self, batched_inputs: list[dict]) -> dict[str, Tensor]:
        prompt = [self.detection_prompt] if self.detection_prompt else []
        texts = [[*x["sentences"], *prompt] for x in batched_inputs]
        instances = [x["instances"] for x in batched_inputs]
        meant = [
            [*x["sentence_targets"], *(torch.arange(len(x["instances"])) for _ in prompt)]
            for x in batched_inputs
        ]
        of_image = sentence_owners(texts)
        (owner,) = transfer([of_image], self.device)
        images = self.encode_images(batched_inputs)
        levels, vectors, mask = self.encode_sentences([s for t in texts for s in t])
        views = self.views(images, owner)
        read = self.head(self.fusion(images.maps, levels, mask, owner), vectors, views.valid)
        targets = grounding_targets(projections(batched_inputs)[of_image], instances, meant)
        return self.head.losses(read, vectors, views, targets)

    def image_branch(self, pixels: Tensor, P: Tensor, plane: Tensor, sizes: Tensor) -> EncodedImages:
        images = super().image_branch(pixels, P, plane, sizes)
        return images._replace(maps=self.fusion.project(images.maps))

    def ground(self, image: EncodedImages, sentences: EncodedSentences) -> Grounded:
        levels, vectors, mask = sentences
        owner = mask.new_zeros(mask.shape[0], dtype=torch.long)
        views = self.views(image, owner)
        read = self.head(self.fusion(image.maps, levels, mask, owner), vectors, views.valid)
        return self.head.decode(read, vectors, views, self.topk)
