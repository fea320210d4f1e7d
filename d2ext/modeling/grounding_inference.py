"""From images and sentences to answers: what a grounding model does around its three tensor functions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from detectron2.structures import Boxes, ImageList, Instances
from torch import Tensor

from d2ext.modeling.grounding_head import Grounded
from d2ext.structures import Boxes3D, bev_iou


class EncodedImages(NamedTuple):
    """B images, ready for any sentence.

    Attributes:
        maps: features with viewing geometry, coarse to fine, each (B, C_i + 4, H_i, W_i).
        valid: (B, H, W) bool, cells of the finest map that are image and not padding.
        detail: (B, C, H, W), what the box head reads beside the fused map; C may be 0.
        P: (B, 3, 4) projections to the pixels of the network's input.
        plane: (B, 4) ground planes, rows of NaN where there is none.
    """

    maps: list[Tensor]
    valid: Tensor
    detail: Tensor
    P: Tensor
    plane: Tensor

    def image(self, i: int) -> EncodedImages:
        """The i-th image alone, as a batch of one."""
        maps = [m[i : i + 1] for m in self.maps]
        return EncodedImages(maps, *(t[i : i + 1] for t in self[1:]))


class EncodedSentences(NamedTuple):
    """S sentences: semantic levels, each (S, L, text_dim), vectors (S, pooling.dim) and mask (S, L), True on
    tokens."""

    levels: list[Tensor]
    vectors: Tensor
    mask: Tensor


class GroundingInference(ABC):
    """Answers to sentences, given what encodes images, encodes sentences and brings both together.

    Attributes:
        device: where the tensor functions run.
        pixel_mean, pixel_std: (3, 1, 1), in the order of the images' channels.
        size_divisibility: heights and widths of batches are padded to multiples of it.
        score_threshold: least score of an answer when any number of targets is possible.
        duplicate_iou: of two answers to a sentence whose boxes overlap more than this seen from above, the
            better stays.
        single_target: exactly one answer a sentence, where the input does not say (key ``single_target``).
        sentence_chunk: sentences fused at a time (bounds memory).
    """

    device: torch.device
    pixel_mean: Tensor
    pixel_std: Tensor
    size_divisibility: int
    score_threshold: float
    duplicate_iou: float
    single_target: bool
    sentence_chunk: int

    @abstractmethod
    def image_branch(self, pixels: Tensor, P: Tensor, plane: Tensor, sizes: Tensor) -> EncodedImages:
        """Normalised pixels (B, 3, H, W), P (B, 3, 4), plane (B, 4) and sizes (B, 2) long, height and width
        of each image without its padding -> the encoded images."""

    @abstractmethod
    def encode_sentences(self, sentences: Sequence[str]) -> EncodedSentences:
        """At least one sentence -> the encoded sentences."""

    def ground(self, image: EncodedImages, sentences: EncodedSentences) -> Grounded:
        """Peaks of every sentence in one image (batch of one); only :meth:`answer` asks for them."""
        raise NotImplementedError

    @torch.no_grad()
    def inference(self, batched_inputs: list[dict]) -> list[dict]:
        """Mapper dicts -> per image ``{"grounding": [Instances per sentence]}`` with pred_boxes (original
        pixels), pred_boxes3d, scores, pred_classes, pred_yaw (rad), best first; every image is encoded once.
        """
        images = self.encode_images(batched_inputs)
        return [{"grounding": self.answer(images.image(i), x)} for i, x in enumerate(batched_inputs)]

    def encode_images(self, batched_inputs: list[dict]) -> EncodedImages:
        """Mapper dicts -> the encoded images."""
        images = [
            (x["image"].to(self.device).float() - self.pixel_mean) / self.pixel_std for x in batched_inputs
        ]
        batch = ImageList.from_tensors(images, self.size_divisibility)
        P = torch.stack([x["camera"].P for x in batched_inputs]).to(self.device, torch.float32)
        none = torch.full((4,), float("nan"))
        planes = [
            none if x.get("ground_plane") is None else x["ground_plane"].float() for x in batched_inputs
        ]
        sizes = torch.tensor(batch.image_sizes, device=self.device)
        return self.image_branch(batch.tensor, P, torch.stack(planes).to(self.device), sizes)

    def answer(self, image: EncodedImages, record: dict) -> list[Instances]:
        """Answers to the sentences of one encoded image (batch of one)."""
        out: list[Instances] = []
        for sentences in self.chunks(record):
            grounded = self.ground(image, sentences)
            out += [self.select(grounded, grounded.owner == s, record) for s in range(len(sentences.mask))]
        return out

    def chunks(self, record: dict) -> Iterator[EncodedSentences]:
        """The sentences, encoded together, ``sentence_chunk`` at a time."""
        if not record["sentences"]:
            return
        levels, vectors, mask = self.encode_sentences(record["sentences"])
        for start in range(0, len(mask), self.sentence_chunk):
            part = slice(start, start + self.sentence_chunk)
            yield EncodedSentences([level[part] for level in levels], vectors[part], mask[part])

    def select(self, grounded: Grounded, mine: Tensor, record: dict) -> Instances:
        """The answers to one sentence among the ``mine`` (N,) bool of what was found: the best one, or all
        above the threshold without duplicates."""
        boxes, scores = grounded.boxes, grounded.scores[mine]
        order = scores.argsort(descending=True)
        if record.get("single_target", self.single_target):
            order = order[:1]
        else:
            order = order[scores[order] >= self.score_threshold]
        pick = mine.nonzero()[:, 0][order]
        plane = record.get("box_plane")
        plane = None if plane is None else plane.to(self.device, torch.float32)
        center, hwl = boxes.center[pick], boxes.hwl[pick]
        down = center.new_tensor([0.0, 1.0, 0.0]) if plane is None else -plane[:3]
        location = center + down * hwl[:, :1] / 2
        yaw = Boxes3D.yaw_from_alpha(boxes.alpha[pick], location)
        boxes3d = Boxes3D.from_kitti(location, hwl, yaw, plane)
        height, width = record["height"], record["width"]
        result = Instances((height, width))
        result.pred_boxes = original_boxes(boxes.box2d[pick], record["camera"].image_size, (height, width))
        result.pred_boxes3d = boxes3d
        result.scores = scores[order]
        result.pred_classes = boxes.classes[pick]
        result.pred_yaw = yaw
        if len(pick) > 1:
            overlap = bev_iou(boxes3d, boxes3d).triu(diagonal=1)
            result = result[(overlap <= self.duplicate_iou).all(0)]
        return result


def original_boxes(boxes: Tensor, size: tuple[int, int], original: tuple[int, int]) -> Boxes:
    """2D boxes (N, 4) of a resized image in the pixels of the original, clipped; centres at integers."""
    scale = boxes.new_tensor([original[1] / size[1], original[0] / size[0]]).repeat(2)
    out = Boxes((boxes + 0.5) * scale - 0.5)
    out.clip(original)
    return out
