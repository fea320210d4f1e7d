"""From images and sentences to answers: what a grounding model does around its three tensor functions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import torch
from detectron2.config import CfgNode
from detectron2.structures import Instances
from torch import Tensor, nn

from d2ext.modeling.box3d.images import EncodedImages
from d2ext.modeling.box3d.objects import ObjectBoxes
from d2ext.modeling.box3d.plane import standing_records
from d2ext.modeling.box3d.records import predicted_instances, size_groups, stack_images
from d2ext.modeling.box3d.standing import stand_on_ground
from d2ext.modeling.grounding.head import Grounded
from d2ext.modeling.text.tokenizer import SentenceTokenizer
from d2ext.structures import bev_iou, transfer


class GroundingFeatures(NamedTuple):
    """Features of :class:`~d2ext.modeling.box3d.images.EncodedImages`, ready for any sentence.

    Attributes:
        maps: with viewing geometry and colour, coarse to fine, each (B, C_i + CELL_CHANNELS, H_i, W_i), one
            more where planes are read from pictures; or what the model has made of them.
        valid: (B, H, W) bool, cells of the finest map that are image and not padding.
        detail: (B, C, H, W), what the box head reads beside the fused map; C may be 0.
        ground: (B, 4) planes, as given, else as the picture shows them; rows of NaN where there is none.
        tilt: (B, 3) what the picture shows of the plane
            (:class:`~d2ext.modeling.box3d.plane.PlaneHead`), (B, 0) where that is not asked.
    """

    maps: list[Tensor]
    valid: Tensor
    detail: Tensor
    ground: Tensor
    tilt: Tensor

    def image(self, i: int) -> GroundingFeatures:
        """Those of the i-th image alone, as a batch of one."""
        one = slice(i, i + 1)
        return GroundingFeatures([m[one] for m in self.maps], *(t[one] for t in self[1:]))


class EncodedSentences(NamedTuple):
    """S sentences: semantic levels, each (S, L, text_dim), vectors (S, pooling.dim) and mask (S, L), True on
    tokens."""

    levels: list[Tensor]
    vectors: Tensor
    mask: Tensor

    def rows(self, start: int, end: int) -> EncodedSentences:
        """Some of the sentences."""
        levels = [level[start:end] for level in self.levels]
        return EncodedSentences(levels, self.vectors[start:end], self.mask[start:end])


@dataclass
class GroundingSettings:
    """What is an answer; the keys of MODEL.GROUNDING.

    Attributes:
        topk: peaks of a heat map that are looked at.
        score_threshold: least score of an answer when any number of targets is possible.
        existence_threshold: least score of the best answer, or there is none.
        duplicate_iou: of two answers to a sentence whose boxes overlap more than this seen from above, the
            better stays.
        single_target: exactly one answer a sentence, where the input does not say (key ``single_target``).
        sentence_chunk: sentences fused at a time (bounds memory); 0: 4 on a CPU, else 20.
    """

    topk: int
    score_threshold: float
    existence_threshold: float
    duplicate_iou: float
    single_target: bool
    sentence_chunk: int = 0

    @classmethod
    def from_config(cls, cfg: CfgNode) -> GroundingSettings:
        """The keys of MODEL.GROUNDING by the fields' names."""
        return cls(**{f.name: cfg.MODEL.GROUNDING[f.name.upper()] for f in fields(cls)})


class GroundingInference(ABC):
    """Answers to sentences, given what encodes images, encodes sentences and brings both together.

    Attributes:
        device: where the tensor functions run.
        pixel_mean, pixel_std: (3, 1, 1), in the order of the images' channels.
        size_divisibility: heights and widths of batches are padded to multiples of it.
        settings: what is an answer.
        keep_sentences: sentences that were just asked of another image are not encoded again, as for a camera
            that always looks for the same; not for use while the weights change.
        kept: the last sentences and what they were encoded to.
        tokenizer: of the sentences.
    """

    device: torch.device
    pixel_mean: Tensor
    pixel_std: Tensor
    size_divisibility: int
    settings: GroundingSettings
    keep_sentences: bool = False
    kept: tuple[tuple[str, ...], EncodedSentences] | None = None
    tokenizer: SentenceTokenizer

    @property
    def chunk_size(self) -> int:
        """Sentences fused at a time."""
        return self.settings.sentence_chunk or (4 if self.device.type == "cpu" else 20)

    @abstractmethod
    def image_branch(self, pixels: Tensor, P: Tensor, plane: Tensor, sizes: Tensor) -> GroundingFeatures:
        """Normalised pixels (B, 3, H, W), P (B, 3, 4), plane (B, 4) and sizes (B, 2) long, height and width
        of each image without its padding -> their features."""

    @abstractmethod
    def encode_sentences(self, sentences: Sequence[str]) -> EncodedSentences:
        """At least one sentence -> the encoded sentences."""

    def prepare(self, image: EncodedImages) -> Any:
        """What :meth:`ground` reads of one image (batch of one), whatever is asked."""
        return image

    @abstractmethod
    def ground(self, image: Any, sentences: EncodedSentences) -> Grounded:
        """Places in one image, as :meth:`prepare` gives it, that each of the sentences may mean."""

    @torch.no_grad()
    def inference(self, batched_inputs: list[dict]) -> list[dict]:
        """Mapper dicts -> per image ``{"grounding": [Instances per sentence]}`` with pred_boxes (original
        pixels), pred_boxes3d, scores, pred_classes, pred_yaw (rad), best first, on the host; every image is
        encoded once.
        """
        found: dict[int, list[Grounded]] = {}
        records: dict[int, dict] = {}
        for group in self.size_groups(batched_inputs):
            images = self.encode_images([batched_inputs[i] for i in group])
            records |= zip(group, images.records, strict=True)
            found |= {i: self.found(images.image(n), records[i]) for n, i in enumerate(group)}
        # The device is given all of its work before the host waits for the first answer.
        ordered = [found[i] for i in range(len(batched_inputs))]
        chunks = iter(on_host([chunk for of_image in ordered for chunk in of_image]))
        pairs = ((f, records[i]) for i, f in enumerate(ordered))
        return [{"grounding": self.answers([next(chunks) for _ in f], x)} for f, x in pairs]

    def size_groups(self, batched_inputs: list[dict]) -> list[list[int]]:
        """The mapper dicts, by index, that are encoded together (see
        :func:`d2ext.modeling.box3d.records.size_groups`): norms and pooling count the padding of a map."""
        model = self if isinstance(self, nn.Module) else None
        sizes = [x["image"].shape[-2:] for x in batched_inputs]
        return list(size_groups(sizes, self.size_divisibility, model).values())

    def encode_images(self, batched_inputs: list[dict]) -> EncodedImages:
        """Mapper dicts of one of :meth:`size_groups` -> the encoded images."""
        size = self.size_divisibility
        pixels, P, plane, sizes = stack_images(batched_inputs, self.pixel_mean, self.pixel_std, size)
        features = self.image_branch(pixels, P, plane, sizes)
        tilt = features.tilt if features.tilt.shape[1] else None
        if tilt is not None and not torch.is_grad_enabled():
            batched_inputs = standing_records(batched_inputs, features.ground)
        return EncodedImages(features, P, features.ground, sizes, batched_inputs, tilt=tilt)

    def found(self, image: EncodedImages, record: dict) -> list[Grounded]:
        """What is found for the sentences of one encoded image (batch of one), for each chunk of them."""
        prepared = self.prepare(image)
        return [self.ground(prepared, sentences) for sentences in self.chunks(record)]

    def answers(self, found: Sequence[Grounded], record: dict) -> list[Instances]:
        """Answers to the sentences of an image, from what is found for each chunk of them: the best one, or
        all above the thresholds without duplicates."""
        out: list[Instances] = []
        for chunk in found:
            count = min(self.chunk_size, len(record["sentences"]) - len(out))
            picks = [self.select(chunk, chunk.owner == s, record) for s in range(count)]
            boxes = stand_on_ground(chunk.boxes[torch.cat(picks)], record)
            scores = chunk.scores[torch.cat(picks)]
            for rows in torch.arange(len(scores)).split([len(x) for x in picks]):
                out.append(self._distinct(predicted_instances(boxes[rows], scores[rows], record)))
        return out

    def chunks(self, record: dict) -> Iterator[EncodedSentences]:
        """The sentences, encoded together, :attr:`chunk_size` at a time."""
        if not record["sentences"]:
            return
        encoded = self._encoded(tuple(record["sentences"]))
        for start in range(0, len(encoded.mask), self.chunk_size):
            yield encoded.rows(start, start + self.chunk_size)

    def _encoded(self, sentences: tuple[str, ...]) -> EncodedSentences:
        if self.kept is not None and self.kept[0] == sentences:
            return self.kept[1]
        encoded = self.encode_sentences(sentences)
        self.kept = (sentences, encoded) if self.keep_sentences else None
        return encoded

    def select(self, grounded: Grounded, peaks: Tensor, record: dict) -> Tensor:
        """Indices of the answers to one sentence, best first, among the ``peaks`` (N,) bool of what was
        found."""
        scores = grounded.scores[peaks]
        order = scores.argsort(descending=True)
        if record.get("single_target", self.settings.single_target):
            order = order[:1]
        else:
            exists = scores[order[:1]] >= self.settings.existence_threshold
            order = order[(scores[order] >= self.settings.score_threshold) & exists]
        return peaks.nonzero()[:, 0][order]

    def _distinct(self, answers: Instances) -> Instances:
        """Of those that overlap each other the first."""
        if len(answers) < 2:
            return answers
        overlap = bev_iou(answers.pred_boxes3d, answers.pred_boxes3d).triu(diagonal=1)
        return answers[(overlap <= self.settings.duplicate_iou).all(0)]


def on_host(found: Sequence[Grounded]) -> list[Grounded]:
    """The same on the host, all in one copy."""
    values = [v for g in found for v in (g.owner, g.scores, *vars(g.boxes).values())]
    moved = transfer(values, torch.device("cpu"))
    width = len(values) // max(len(found), 1)
    rows = [moved[i * width : (i + 1) * width] for i in range(len(found))]
    return [Grounded(owner, scores, ObjectBoxes(*boxes)) for owner, scores, *boxes in rows]
