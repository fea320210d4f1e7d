"""U2ENet: single- and multi-target 3D visual grounding from one RGB image, end to end."""

from __future__ import annotations

from typing import Any

import torch
from detectron2.config import configurable
from detectron2.modeling import META_ARCH_REGISTRY
from detectron2.structures import Instances
from torch import Tensor

from d2ext.modeling.grounding_head import SentenceViews
from d2ext.modeling.meta_arch.grounder import Grounder, grounding_targets, sentence_owners


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
        owner = sentence_owners(texts).to(self.device)
        maps, views = self.encode_images(batched_inputs)
        levels, vectors, mask = self.encode_sentences([s for t in texts for s in t])
        views = views.of(owner)
        read = self.head(self.fusion(maps, levels, mask, owner), vectors, views.valid)
        return self.head.losses(read, vectors, views, grounding_targets(views.P, instances, meant))

    def answer(self, maps: list[Tensor], views: SentenceViews, record: dict) -> list[Instances]:
        out: list[Instances] = []
        for sentences in self.chunks(record["sentences"]):
            levels, vectors, mask = self.encode_sentences(sentences)
            owner = torch.zeros(len(sentences), dtype=torch.long, device=self.device)
            each = views.of(owner)
            read = self.head(self.fusion(maps, levels, mask, owner), vectors, each.valid)
            grounded = self.head.decode(read, vectors, each, self.topk)
            out += [self.select(grounded, grounded.owner == s, record) for s in range(len(sentences))]
        return out
