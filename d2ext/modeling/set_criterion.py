"""The loss of sets of predicted boxes: every head's boxes are matched with the labels, then compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from detectron2.structures import Instances
from torch import Tensor
from torchvision.ops import sigmoid_focal_loss

from d2ext.modeling.box3d_head import Box3DHead, ObjectTargets, ObjectViews
from d2ext.modeling.box_decoder import HeadOutput
from d2ext.modeling.frames import Frames
from d2ext.modeling.normalizer import loss_normalizer
from d2ext.modeling.records import object_targets
from d2ext.modeling.set_matching import SetMatcher
from d2ext.structures.projection import project_points


class SetCriterion:
    """Losses of all heads' predictions together (deep supervision).

    Args:
        matcher: says which box learns which object.
        loss_weights: weight of each loss by name.
    """

    def __init__(self, matcher: SetMatcher, loss_weights: Mapping[str, float]) -> None:
        self.matcher = matcher
        self.loss_weights = dict(loss_weights)

    def __call__(
        self, box_head: Box3DHead, outputs: Sequence[HeadOutput], frames: Frames, instances: list[Instances]
    ) -> dict[str, Tensor]:
        """Losses by name, means over the matched boxes of all heads and processes.

        Args:
            box_head: which gives their meaning to raw predictions.
            outputs: of every head.
            instances: the labels of each image, on the device of the predictions.
        """
        raw = {name: torch.cat([o.raw[name] for o in outputs]) for name in outputs[0].raw}
        views = ObjectViews.cat([o.views for o in outputs])
        objects = object_targets(instances).to(frames.P.device)
        boxes = box_head.box2d(raw, views)
        owner = torch.arange(len(instances), device=boxes.device)
        owner = owner.repeat_interleave(len(boxes) // len(outputs) // len(owner)).repeat(len(outputs))
        mine = owner.new_tensor([len(x) for x in instances])
        mine = torch.arange(len(mine), device=mine.device).repeat_interleave(mine)
        centers = views.uv + raw["center_offset"] * views.unit
        predicted = (raw["classes"], boxes, centers)
        rows, columns = self._match(predicted, owner, objects, mine, frames, len(outputs))

        positive = loss_normalizer(torch.tensor(float(len(rows)), device=boxes.device))
        labels = torch.zeros_like(raw["classes"])
        labels[rows, objects.classes[columns]] = 1.0
        targets = objects[columns]
        distance = (boxes[rows] - targets.box2d).abs() / frames.extent[owner[rows], 0]
        losses = {
            "loss_class": sigmoid_focal_loss(raw["classes"], labels, 0.25, 2.0, "sum") / positive,
            "loss_l1": distance.sum() / positive,
        }
        matched = {name: value[rows] for name, value in raw.items()}
        seen = views[rows]
        # A box far larger than its object cannot say to the pixel where the object's centre is.
        size = (targets.box2d[:, 2:] - targets.box2d[:, :2]).maximum(torch.as_tensor(seen.unit))
        losses |= box_head.losses(matched, seen, targets, torch.ones_like(size[:, 0]), size)
        return {name: value * self.loss_weights[name] for name, value in losses.items()}

    @torch.no_grad()
    def _match(
        self,
        predicted: tuple[Tensor, Tensor, Tensor],
        owner: Tensor,
        objects: ObjectTargets,
        mine: Tensor,
        frames: Frames,
        num_heads: int,
    ) -> tuple[Tensor, Tensor]:
        """Rows of the predictions, those of the images ``owner`` (R,), and for each the row that it is to be
        of the objects, those of the images ``mine`` (G,)."""
        uv, _ = project_points(frames.P[mine], objects.center)
        labelled = (objects.classes, objects.box2d, uv.masked_fill(~objects.has_3d[:, None], torch.nan))
        rows, columns = [owner[:0]], [owner[:0]]
        for image, extent in enumerate(frames.extent[:, 0]):
            boxes, goals = (owner == image).nonzero()[:, 0], (mine == image).nonzero()[:, 0]
            if len(goals):
                found, given = [x[boxes] for x in predicted], [x[goals] for x in labelled]
                row, column = self.matcher(found, given, extent, num_heads)
                rows.append(boxes[row])
                columns.append(goals[column])
        return torch.cat(rows), torch.cat(columns)
