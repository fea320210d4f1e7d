"""The grounding head: which places of a fused map a sentence refers to, and the 3D box at each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from d2ext.modeling.backbone.timm_ida import ConvNormAct
from d2ext.modeling.box3d.head import Box3DHead
from d2ext.modeling.box3d.objects import ObjectBoxes, ObjectTargets, ObjectViews
from d2ext.modeling.box3d.refinement import BoxRefinement
from d2ext.modeling.losses import gaussian_heatmaps, heatmap_focal_loss, loss_normalizer, selection_loss
from d2ext.structures import transfer


@dataclass
class SentenceViews:
    """What S sentences look at: P (S, 3, 4) of the network's input, plane (S, 4) NaN for none, valid
    (S, H, W) bool cells of the fused map that are image and not padding, stride in pixels; image (S,) index
    into detail (B, C, H, W), maps of the B images that the box head reads beside the fused one (C may be 0).
    """

    P: Tensor
    plane: Tensor
    valid: Tensor
    stride: int
    image: Tensor
    detail: Tensor

    def at(self, owner: Tensor, cells: Tensor) -> ObjectViews:
        """The view of objects at (N, 2) cells (column, row) of the maps ``owner`` (N,)."""
        uv = (cells.float() + 0.5) * self.stride - 0.5
        return ObjectViews(uv, self.stride, self.P[owner], self.plane[owner])


@dataclass
class GroundingTargets:
    """T referred objects over S sentences: owner (T,) sentence index, anchor (T, 2) projected centre in input
    pixels (2D box centre without a 3D label), objects (T,), exists (S,) whether a sentence has targets; and
    the D pairs of a sentence and an object of its image that it does not mean: other_owner (D,),
    other_anchor (D, 2). All on the host: what is known of them must not be asked of a GPU."""

    owner: Tensor
    anchor: Tensor
    objects: ObjectTargets
    exists: Tensor
    other_owner: Tensor
    other_anchor: Tensor


@dataclass
class Grounded:
    """Peaks of S sentences, best first: owner (N,) sentence index, scores (N,), boxes of the N objects."""

    owner: Tensor
    scores: Tensor
    boxes: ObjectBoxes


class HeadMaps(NamedTuple):
    """Features (S, C, H, W), heat-map logits (S, H, W) and existence logits (S,), None without sentences."""

    features: Tensor
    logits: Tensor
    existence: Tensor | None


class HeadReading(NamedTuple):
    """What the losses of S sentences about images of one size are made of; ``sentence`` (S, text_dim)."""

    maps: HeadMaps
    sentence: Tensor
    views: SentenceViews
    targets: GroundingTargets


class _Terms(NamedTuple):
    """The terms of one :class:`HeadReading`: counts (3,) of targets, sentences and weighted cells, sums of
    losses by name; and for N cells raw boxes and their views, first and refined, what they should be, and
    weight (N,)."""

    counts: Tensor
    sums: dict[str, Tensor]
    stages: list[tuple[dict[str, Tensor], ObjectViews]]
    objects: ObjectTargets
    weight: Tensor


class GroundingHead(nn.Module):
    """Heat map and existence per sentence, and a :class:`Box3DHead` at the peaks (training: at the targets).

    Without sentences (``text_dim`` 0, vectors of width 0) it is a detector: every image counts as one
    sentence that means all of its objects, and there is neither existence nor selection to learn.

    Args:
        in_dim: channels of the fused map.
        text_dim: width of the sentence vector; 0 for a detector.
        box_head: built for ``in_dim + text_dim`` features and the channels of ``SentenceViews.detail``.
        refinement: of the boxes; None leaves them as ``box_head`` predicts them.
        norm: ``BN``, ``SyncBN`` or ``GN``.
        loss_weights: weight of each loss by name; those not named weigh 1.
    """

    def __init__(
        self,
        in_dim: int,
        text_dim: int,
        box_head: Box3DHead,
        refinement: BoxRefinement | None = None,
        norm: str = "BN",
        loss_weights: dict[str, float] | None = None,
    ) -> None:
        super().__init__()
        self.tower = ConvNormAct(in_dim, in_dim, 3, norm)
        self.heatmap = nn.Conv2d(in_dim, 1, 1)
        with torch.no_grad():
            self.heatmap.bias.fill_(-4.0)  # type: ignore[union-attr]
        self.existence = (
            nn.Sequential(nn.Linear(2 * in_dim + text_dim + 1, in_dim), nn.GELU(), nn.Linear(in_dim, 1))
            if text_dim
            else None
        )
        self.box_head = box_head
        self.refinement = refinement
        self.loss_weights = loss_weights or {}

    def forward(self, fused: Tensor, sentence: Tensor, valid: Tensor) -> HeadMaps:
        """fused (S, C, H, W), sentence (S, text_dim), valid (S, H, W) -> what the losses and the boxes of
        the S sentences are read from."""
        features = self.tower(fused)
        logits = self.heatmap(features)[:, 0].float().masked_fill(~valid, -15.0)
        if self.existence is None:
            return HeadMaps(features, logits, None)
        attention = logits.detach().flatten(1).softmax(1).to(features.dtype)
        peak = torch.bmm(attention[:, None], features.flatten(2).transpose(1, 2))[:, 0]
        mean = features.mean((2, 3))
        best = logits.detach().flatten(1).amax(1, keepdim=True)
        summary = torch.cat([peak, mean, sentence.to(peak.dtype), best.to(peak.dtype)], 1)
        return HeadMaps(features, logits, self.existence(summary)[:, 0].float())

    def _boxes(
        self, features: Tensor, sentence: Tensor, views: SentenceViews, owner: Tensor, cells: Tensor
    ) -> list[tuple[dict[str, Tensor], ObjectViews]]:
        """Raw boxes at N cells (column, row) of the maps ``owner`` and their views, the best ones last."""
        image = views.image[owner]
        points = features[owner, :, cells[:, 1], cells[:, 0]].float()
        detail = views.detail[image, :, cells[:, 1], cells[:, 0]].float()
        raw = self.box_head(torch.cat([points, detail, sentence[owner]], 1))
        stages = [(raw, views.at(owner, cells))]
        if self.refinement is not None:
            stages.append(self.refinement(*stages[0], views.detail, image, views.stride))
        return stages

    def losses(self, parts: Sequence[HeadReading]) -> dict[str, Tensor]:
        """All losses of a batch of sentences, in parts by the size of their image: means over the batches of
        all processes together; box terms count each target's cell and its four neighbours, before and after
        refinement."""
        terms = [self._terms(*part) for part in parts]
        num_targets, num_sentences, num_cells = loss_normalizer(torch.stack([t.counts for t in terms]).sum(0))
        counts = {"loss_heatmap": num_targets, "loss_select": num_targets, "loss_exist": num_sentences}
        losses = {k: torch.stack([t.sums[k] for t in terms]).sum() / counts[k] for k in terms[0].sums}
        objects = ObjectTargets.cat([t.objects for t in terms])
        weight = torch.cat([t.weight for t in terms])
        for stage in zip(*(t.stages for t in terms), strict=True):
            raw = {k: torch.cat([one[k] for one, _ in stage]) for k in stage[0][0]}
            stage_views = ObjectViews.cat([view for _, view in stage])
            kind = F.cross_entropy(raw["classes"], objects.classes, reduction="none")
            of_boxes = self.box_head.losses(raw, stage_views, objects, weight, parts[0].views.stride)
            of_boxes["loss_class"] = (kind * weight).sum() / num_cells
            losses |= {k: losses.get(k, 0.0) + v for k, v in of_boxes.items()}
        return {k: v * self.loss_weights.get(k, 1.0) for k, v in losses.items()}

    def _terms(
        self, maps: HeadMaps, sentence: Tensor, views: SentenceViews, targets: GroundingTargets
    ) -> _Terms:
        features, logits, existence = maps
        height, width = logits.shape[-2:]
        cells = _cells(targets.anchor, views.stride, width, height)
        others = _cells(targets.other_anchor, views.stride, width, height)
        index, near, weight = _with_neighbours(cells, width, height)
        counts = weight.new_tensor([len(targets.owner), len(logits)])
        totals = torch.cat([counts, weight.sum()[None]])
        objects = targets.objects[index].to(logits.device)
        known = [cells, targets.objects.box2d, targets.owner, others, targets.other_owner, targets.exists]
        known = transfer([*known, near, targets.owner[index], weight, totals], logits.device)
        cells, box, of_target, others, of_other, exists, near, owner, weight, totals = known
        heat = gaussian_heatmaps(
            cells, (box[:, 2:] - box[:, :2]) / views.stride, of_target, len(logits), height, width
        )
        sums = {"loss_heatmap": heatmap_focal_loss(logits, heat, views.valid).sum()}
        if existence is not None:
            selection = selection_loss(
                logits[of_target, cells[:, 1], cells[:, 0]],
                of_target,
                logits[of_other, others[:, 1], others[:, 0]],
                of_other,
                len(logits),
            )
            existing = F.binary_cross_entropy_with_logits(existence, exists.float(), reduction="none")
            sums["loss_select"] = selection.sum()
            sums["loss_exist"] = existing.sum()
        stages = self._boxes(features, sentence, views, owner, near)
        return _Terms(totals, sums, stages, objects, weight)

    def decode(self, maps: HeadMaps, sentence: Tensor, views: SentenceViews, topk: int) -> Grounded:
        """At most ``topk`` peaks of every sentence with their boxes, best first inside a sentence.

        A score is the heat-map value times the existence probability; 0 where there are fewer peaks.
        """
        features, logits, existence = maps
        heat = logits.sigmoid() * views.valid
        peaks = heat * (F.max_pool2d(heat[:, None], 3, 1, 1)[:, 0] == heat)
        scores, flat = peaks.flatten(1).topk(min(topk, peaks[0].numel()))
        if existence is not None:
            scores = scores * existence.sigmoid()[:, None]
        owner = torch.arange(scores.shape[0], device=scores.device)[:, None].expand_as(scores).flatten()
        flat, width = flat.flatten(), logits.shape[-1]
        row = flat // width
        cells = torch.stack([flat - row * width, row], 1)
        raw, box_views = self._boxes(features, sentence, views, owner, cells)[-1]
        boxes = self.box_head.decode(raw, box_views, raw["classes"].softmax(1))
        return Grounded(owner, scores.flatten(), boxes)


def _cells(points: Tensor, stride: int, width: int, height: int) -> Tensor:
    """Points (N, 2) in pixels -> their cells (column, row), the nearest inside the map."""
    limit = points.new_tensor([width - 1, height - 1])
    return ((points + 0.5) / stride).floor().clamp(min=0).minimum(limit).long()


def _with_neighbours(cells: Tensor, width: int, height: int) -> tuple[Tensor, Tensor, Tensor]:
    """Cells (T, 2) and their four neighbours inside the map: target index (N,), cells (N, 2), weight (N,)."""
    steps = cells.new_tensor([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]])
    weights = torch.tensor([1.0, 0.4, 0.4, 0.4, 0.4], device=cells.device)
    near = (cells[:, None] + steps).flatten(0, 1)
    index = torch.arange(len(cells), device=cells.device).repeat_interleave(len(steps))
    inside = (near >= 0).all(1) & (near[:, 0] < width) & (near[:, 1] < height)
    return index[inside], near[inside], weights.repeat(len(cells))[inside]
