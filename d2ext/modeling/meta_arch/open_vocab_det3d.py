"""OpenVocabDet3D: 3D boxes of everything that prompts name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from detectron2.config import CfgNode, configurable
from detectron2.modeling import META_ARCH_REGISTRY
from torch import Tensor, nn

from d2ext.modeling.box3d.images import EncodedImages, relative_boxes
from d2ext.modeling.detection.decoder import HeadOutput
from d2ext.modeling.detection.exemplars import add_exemplars, exemplar_boxes
from d2ext.modeling.detection.inference import Found
from d2ext.modeling.detection.prompt_criterion import told_sizes, whole_truth
from d2ext.modeling.detection.prompt_inference import found_by_prompts
from d2ext.modeling.detection.prompt_parts import prompt_parts
from d2ext.modeling.detection.prompts import PromptEncoder, Prompts, PromptTable
from d2ext.modeling.meta_arch.diffusion_det3d import DiffusionDet3D
from d2ext.structures import transfer


@META_ARCH_REGISTRY.register()
class OpenVocabDet3D(DiffusionDet3D):
    """DiffusionDet3D whose class layer is the likeness of a box and the words of a prompt: the vocabulary is
    an input.

    A mapper dict has beside those of detection ``prompts``, a list of texts, or ``prompt_table``, what
    :meth:`embed` made of a vocabulary. In training it has ``prompts``, ``prompt_truth`` (G, K), whether each
    of the ``instances`` answers to each of them (1, 0, NaN in doubt), in ``instances`` also ``gt_prompts``,
    the prompt by which the size of an object is told (-1: none, that of every object), ``exemplar``, the
    index of an object that the next image of the batch is asked for the like of (-1: none), ``names`` of the
    classes that its dataset knows and ``categories``, that of each object among them, where there are any
    ``ignored_boxes`` (I, 4), where objects are not labelled, and ``all_labelled`` False of an image in which
    only what its prompts name is labelled.

    Args:
        prompt_encoder: of the words.
        boxes_per_prompt: answers to a prompt in an image, at most.
        exemplars: train with them.
        parts: the arguments of :class:`DiffusionDet3D`.
    """

    @configurable
    def __init__(
        self,
        *,
        prompt_encoder: PromptEncoder,
        prompt_dim: int,
        boxes_per_prompt: int,
        exemplars: bool,
        **parts: Any,
    ) -> None:
        super().__init__(**parts)
        self.prompt_encoder = prompt_encoder
        self.boxes_per_prompt = boxes_per_prompt
        self.train_exemplars = exemplars
        self.exemplar = nn.Linear(prompt_dim, prompt_dim)
        nn.init.eye_(self.exemplar.weight)
        nn.init.zeros_(self.exemplar.bias)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict:
        """The arguments out of MODEL.OPEN_VOCAB, MODEL.TEXT and those of DiffusionDet3D."""
        c, dim = cfg.MODEL.OPEN_VOCAB, cfg.MODEL.DETECTION3D.HIDDEN_DIM
        return prompt_parts(cfg, time_dim=4 * dim) | {
            "detection": cls.detection_class.from_config(cfg),
            "dim": dim,
            "prompt_dim": c.PROMPT_DIM,
            "boxes_per_prompt": c.BOXES_PER_PROMPT,
            "exemplars": c.EXEMPLARS,
        }

    def embed(self, texts: Sequence[str]) -> PromptTable:
        """The prompts of a vocabulary, for ``prompt_table``; computed once for every text."""
        return self.prompt_encoder(texts)

    def ask(self, batched_inputs: list[dict]) -> Prompts:
        """The prompts of each image, all texts encoded together, and the one for every object.

        Raises:
            ValueError: an image without a prompt.
        """
        lists = [list(x.get("prompts", ())) for x in batched_inputs]
        generic = self.prompt_encoder.generic
        texts = list(dict.fromkeys([generic, *(text for own in lists for text in own)]))
        table, place = self.prompt_encoder(texts), {text: i for i, text in enumerate(texts)}
        tables = []
        for x, own in zip(batched_inputs, lists, strict=True):
            if "prompt_table" in x:
                tables.append(x["prompt_table"].map(lambda t: t.to(self.device)))
            elif own or self.training:
                (rows,) = transfer([torch.tensor([place[t] for t in own], dtype=torch.long)], self.device)
                tables.append(table.rows(rows))
            else:
                raise ValueError("prompts: expected at least one text for every image")
        whole = [x.get("all_labelled", True) for x in batched_inputs]
        return Prompts.of_images(tables, table.rows(slice(0, 1)), whole)

    def fuse(self, maps: list[Tensor], prompts: Prompts) -> list[Tensor]:
        """The maps, told the prompts where the config says so."""
        fusion = self.prompt_encoder.fusion
        return maps if fusion is None else fusion(maps, prompts.table.states, prompts.exists)

    def start(self, encoded: EncodedImages, *given: Tensor) -> tuple[Tensor, ...]:
        """As in DiffusionDet3D, and the prompts."""
        return (*super().start(encoded, *given), encoded.prompts.table.vectors)

    def step(self, encoded: EncodedImages, *given: Tensor) -> Found:
        """A step whose answers are to each prompt."""
        start = self.start(encoded, *given)
        output = self.decoder(encoded, *start)[-1]
        head = self.decoder.box_head
        return found_by_prompts(head, start[0], output, encoded.prompts, self.boxes_per_prompt)

    def forward(self, batched_inputs: list[dict]) -> dict[str, Tensor] | list[dict]:
        """Mapper dicts -> losses in training, else ``{"instances": Instances}`` of each image, whose classes
        are the places of its prompts."""
        if not self.training:
            return super().forward(batched_inputs)
        frames = self.encode(batched_inputs)
        generic = frames.prompts.exists.shape[1] - 1
        frames.records = [x | {"truth": whole_truth(x["prompt_truth"], generic)} for x in batched_inputs]
        if self.train_exemplars:
            (boxes,) = transfer([exemplar_boxes(frames.records)], self.device)
            alike, _ = self._look_like(frames, boxes)
            frames.prompts, frames.records = add_exemplars(frames.prompts, alike, frames.records)
        instances = [x["instances"] for x in batched_inputs]
        outputs = self.decoder(frames, *self.training_boxes(frames, instances))
        told = [told_sizes(labels, generic) for labels in instances]
        losses = self.criterion(self.decoder.box_head, outputs, frames, told)
        return losses if self.plane_head is None else losses | self.plane_head.losses([frames])

    def _look_like(self, frames: EncodedImages, boxes: Tensor) -> tuple[PromptTable, HeadOutput]:
        """Prompts for what is like the object in the one box (B, 1, 4) of each image, in pixels."""
        signal = self.diffusion.to_signal(relative_boxes(frames.clip(boxes), frames.extent))
        time = torch.zeros(len(boxes), dtype=torch.long, device=boxes.device)
        output = self.decoder(frames, *self.start(frames, signal, time))[-1]
        vectors = F.normalize(self.exemplar(output.raw["embedding"]), dim=-1)
        generic = frames.prompts.table.map(lambda t: t[:, -1])
        return PromptTable(vectors, generic.log_sizes, generic.size_log_scales, generic.shifts), output

    def embed_exemplar(self, record: dict, box: Tensor) -> PromptTable:
        """A prompt for what is like the object in a box (4,), in the pixels of a mapper dict's image. Its
        size is the one that the object seems to have."""
        with torch.no_grad():
            frames = self.encode([record | {"prompts": [self.prompt_encoder.generic]}])
            table, output = self._look_like(frames, box.to(self.device).view(1, 1, 4))
            first = torch.zeros(1, dtype=torch.long, device=self.device)
            raw = output.raw | frames.prompts.sizes(first, first)
            size = self.decoder.box_head.decode_as(raw, output.views, first, first.float()).hwl
        return table._replace(log_sizes=size.log(), size_log_scales=table.size_log_scales.clamp(max=-1.5))
