"""The decoder of the 3D detectors: heads that refine boxes one after the other.

A head lets the boxes look at each other (self-attention) and at the image (dynamic instance interaction of
Sparse R-CNN, Sun et al., CVPR 2021, Sec. 3.1, or cross-attention of DETR), and predicts 2D and 3D boxes
relative to the ones it got.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from d2ext.modeling.box3d.head import Box3DHead
from d2ext.modeling.box3d.images import VIEW_DIM, EncodedImages, view_features
from d2ext.modeling.box3d.objects import ObjectBoxes, ObjectViews
from d2ext.registry import VariantRegistry

#: Class logit of a box that cannot hold an object.
NEVER = -1e4


def sine_embedding(values: Tensor, dim: int, shortest: float, longest: float) -> Tensor:
    """Sines and cosines (..., dim) of values (...), with periods spaced evenly in their logarithm."""
    steps = torch.linspace(math.log(shortest), math.log(longest), dim // 2, device=values.device)
    phase = values[..., None].float() * (2 * math.pi / steps.exp())
    return torch.cat([phase.sin(), phase.cos()], -1)


class HeadOutput(NamedTuple):
    """What a head says of all B * N boxes: raw predictions of a :class:`Box3DHead` and their views."""

    raw: dict[str, Tensor]
    views: ObjectViews

    def rows(self, index: Tensor) -> HeadOutput:
        """Of some boxes only."""
        return HeadOutput({name: value[index] for name, value in self.raw.items()}, self.views[index])

    def without(self, nothing: Tensor) -> HeadOutput:
        """The same, but that the boxes of ``nothing`` (B * N,) are sure to hold no object: they are matched
        last and learn nothing."""
        classes = self.raw["classes"].masked_fill(nothing[:, None], NEVER)
        return HeadOutput(self.raw | {"classes": classes}, self.views)


class DynamicInteraction(nn.Module):
    """Each box's own feature makes the weights of two layers on what the image shows inside of it.

    Args:
        dim: width of objects and maps.
        dynamic_dim: width between the two layers.
        pool_size: cells a side in which a box is read from :class:`~d2ext.layers.RegionMaps`.
    """

    def __init__(self, dim: int, dynamic_dim: int, pool_size: int) -> None:
        super().__init__()
        self.shape = (dim, dynamic_dim)
        self.pool_size = pool_size
        self.weights = nn.Linear(dim, 2 * dim * dynamic_dim)
        self.norm1, self.norm2 = nn.LayerNorm(dynamic_dim), nn.LayerNorm(dim)
        self.out = nn.Sequential(nn.Linear(dim * pool_size**2, dim), nn.LayerNorm(dim), nn.ReLU())

    def forward(self, frames: EncodedImages, boxes: Tensor, objects: Tensor, position: Tensor) -> Tensor:
        """boxes (B, N, 4), objects (B, N, dim) -> what the objects read (B, N, dim)."""
        dim, inner = self.shape
        cells = frames.features.read(boxes, self.pool_size)
        first, second = self.weights(objects).flatten(0, 1).split(dim * inner, 1)
        cells = F.relu(self.norm1(torch.bmm(cells, first.reshape(-1, dim, inner))))
        cells = F.relu(self.norm2(torch.bmm(cells, second.reshape(-1, inner, dim))))
        return self.out(cells.flatten(1)).view_as(objects)


#: Class logits of prompts: (width of objects, width of prompts, bias) -> a :class:`PromptClassifier`, or a
#: module with its methods.
PROMPT_CLASSIFIER_REGISTRY = VariantRegistry("MODEL.OPEN_VOCAB.CLASSIFIER")


@PROMPT_CLASSIFIER_REGISTRY.named("cosine")
class PromptClassifier(nn.Module):
    """Class logits by words: how alike an object and the embedding of a prompt are (GLIP, Li et al., CVPR
    2022, Eq. 3, with the scaled cosine of CLIP, Radford et al., ICML 2021).

    Args:
        dim: width of objects.
        prompt_dim: width of the prompts' embeddings.
        bias: logits start from here.
    """

    def __init__(self, dim: int, prompt_dim: int, bias: float = 0.0) -> None:
        super().__init__()
        self.project = nn.Linear(dim, prompt_dim)
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
        self.bias = nn.Parameter(torch.tensor(bias))

    def forward(self, objects: Tensor, prompts: Tensor) -> Tensor:
        """objects (B, N, dim), prompts (B, K, prompt_dim) -> (B, N, K), float32."""
        return self.compare(self.embed(objects), prompts)

    def embed(self, objects: Tensor) -> Tensor:
        """objects (..., dim) -> their embeddings (..., prompt_dim), of length 1, float32."""
        with torch.autocast(objects.device.type, enabled=False):
            return F.normalize(self.project(objects.float()), dim=-1)

    def compare(self, embeddings: Tensor, prompts: Tensor) -> Tensor:
        """embeddings (B, N, prompt_dim), prompts (B, K, prompt_dim) -> (B, N, K), float32."""
        with torch.autocast(embeddings.device.type, enabled=False):
            prompts = F.normalize(prompts.float(), dim=-1)
            return torch.bmm(embeddings, prompts.transpose(1, 2)) * self.log_scale.exp() + self.bias


class DecoderHead(nn.Module):
    """One refinement of N boxes.

    Args:
        interaction: reads the image for each object: :class:`DynamicInteraction`, or
            :class:`~d2ext.modeling.detection.memory.MemoryAttention`.
        box_head: built for ``dim + VIEW_DIM`` features.
        dim: width of objects, a multiple of 8.
        num_heads: of the attention among boxes.
        ffn_dim: width of the feed-forward layer.
        time_dim: width of the time embedding that scales and shifts the objects; 0 for none.
        classifier: gives the class logits in the place of the box head's, one for each prompt, and the
            objects' ``embedding``; None: the classes are the box head's.
    """

    def __init__(
        self,
        interaction: nn.Module,
        box_head: Box3DHead,
        dim: int,
        num_heads: int,
        ffn_dim: int,
        time_dim: int = 0,
        classifier: PromptClassifier | None = None,
    ) -> None:
        super().__init__()
        self.classifier = classifier
        self.position = nn.Linear(2 * dim + VIEW_DIM, dim)
        self.attention = nn.MultiheadAttention(dim, num_heads, batch_first=True)
        self.interaction = interaction
        self.ffn = nn.Sequential(nn.Linear(dim, ffn_dim), nn.ReLU(), nn.Linear(ffn_dim, dim))
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(dim) for _ in range(3))
        self.modulation = nn.Sequential(nn.SiLU(), nn.Linear(time_dim, 2 * dim)) if time_dim else None
        self.box_head = box_head

    def forward(
        self,
        frames: EncodedImages,
        boxes: Tensor,
        objects: Tensor,
        time: Tensor | None = None,
        prompts: Tensor | None = None,
        groups: Tensor | None = None,
    ) -> tuple[Tensor, HeadOutput]:
        """boxes (B, N, 4) inside their images, objects (B, N, dim), time (B, time_dim), or (B, N, time_dim)
        where boxes have times of their own, prompts (B, K, prompt_dim), groups (B, N) outside of which no
        object looks -> the objects for the next head and the predictions."""
        views = frames.views(boxes)
        geometry = view_features(views).unflatten(0, boxes.shape[:2])
        place = sine_embedding(frames.to_relative(boxes), objects.shape[-1] // 2, 0.02, 4.0).flatten(2)
        position = self.position(torch.cat([place, geometry], -1))
        query = objects + position
        apart = None
        if groups is not None:
            apart = groups[:, :, None] != groups[:, None]
            apart = apart.repeat_interleave(self.attention.num_heads, 0)
        seen = self.attention(query, query, objects, need_weights=False, attn_mask=apart)[0]
        x = self.norm1(objects + seen)
        x = self.norm2(x + self.interaction(frames, boxes, x, position))
        objects = x = self.norm3(x + self.ffn(x))
        if self.modulation is not None and time is not None:
            changed = self.modulation(time)
            scale, shift = (changed if time.dim() == 3 else changed[:, None]).chunk(2, -1)
            x = x * (1 + scale) + shift
        raw = self.box_head(torch.cat([x, geometry], -1).flatten(0, 1))
        if self.classifier is not None and prompts is not None:
            embedding = self.classifier.embed(x)
            raw["embedding"] = embedding.flatten(0, 1)
            raw["classes"] = self.classifier.compare(embedding, prompts).flatten(0, 1)
        return objects, HeadOutput(raw, views)


class BoxDecoder(nn.Module):
    """Heads that pass on objects with their gradient, and boxes without."""

    def __init__(self, heads: Sequence[DecoderHead]) -> None:
        super().__init__()
        self.heads = nn.ModuleList(heads)

    @property
    def box_head(self) -> Box3DHead:
        """The last head's; all of them give the same meaning to raw predictions."""
        return self.heads[-1].box_head  # type: ignore[return-value]

    def forward(
        self,
        frames: EncodedImages,
        boxes: Tensor,
        objects: Tensor,
        time: Tensor | None = None,
        prompts: Tensor | None = None,
        groups: Tensor | None = None,
    ) -> list[HeadOutput]:
        """boxes (B, N, 4), objects (B, N, dim), and where heads want them time (B, time_dim) and prompts
        (B, K, prompt_dim), and groups (B, N) of objects that do not see each other -> an output a head."""
        outputs = []
        for head in self.heads:
            objects, output = head(frames, frames.clip(boxes), objects, time, prompts, groups)
            outputs.append(output)
            boxes = self.box_head.box2d(*output).detach().view_as(boxes)
        return outputs

    def decode(self, output: HeadOutput) -> ObjectBoxes:
        """The B * N boxes of a head, each with its most probable class."""
        return self.box_head.decode(*output, output.raw["classes"].sigmoid())
