"""The loss of sets of predicted boxes: every head's boxes are matched with the labels, then compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from detectron2.structures import Instances
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torchvision.ops import sigmoid_focal_loss

from d2ext.modeling.box3d.head import Box3DHead
from d2ext.modeling.box3d.images import EncodedImages
from d2ext.modeling.box3d.objects import ObjectTargets, ObjectViews
from d2ext.modeling.box3d.records import object_targets, projections
from d2ext.modeling.detection.decoder import HeadOutput
from d2ext.modeling.detection.matching import SetMatcher
from d2ext.modeling.losses import loss_normalizer
from d2ext.structures import transfer
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
        self,
        box_head: Box3DHead,
        outputs: Sequence[HeadOutput],
        frames: EncodedImages,
        instances: list[Instances],
        pairs: tuple[Tensor, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Losses by name, means over the matched boxes of all heads and processes.

        Args:
            box_head: which gives their meaning to raw predictions.
            outputs: of every head.
            instances: the labels of each image, on the host.
            pairs: where that is known, rows of the H * B * N boxes and for each that of the object that it is
                to be among all images' objects, on the host; None: they are matched.
        """
        raw = {name: torch.cat([o.raw[name] for o in outputs]) for name in outputs[0].raw}
        views = ObjectViews.cat([o.views for o in outputs])
        objects = object_targets(instances)
        boxes = box_head.box2d(raw, views)
        predicted = (raw["classes"], boxes, views.uv + raw["center_offset"] * views.unit)
        counts = [len(x) for x in instances]
        classes = self.classes(objects, frames)
        if pairs is None:
            pairs = self._match(predicted, objects, classes, counts, frames, len(outputs))
        rows, columns = pairs

        targets = objects[columns].to(boxes.device)
        count = len(boxes) // len(outputs) // len(counts)  # of boxes in an image
        images = rows // count % len(counts)
        rows, images, total = transfer([rows, images, torch.tensor(float(len(rows)))], boxes.device)
        positive = loss_normalizer(total)
        distance = (boxes[rows] - targets.box2d).abs() / frames.extent[images, 0]
        (of_pairs,) = transfer([classes[columns]], boxes.device)
        shape = (len(outputs), len(counts), count)
        of_class = self.class_loss(raw["classes"], boxes, shape, rows, of_pairs, frames)
        losses = {"loss_class": of_class / positive, "loss_l1": distance.sum() / positive}
        matched = self.matched({name: value[rows] for name, value in raw.items()}, images, targets, frames)
        matched_views = views[rows]
        # A box far larger than its object cannot say to the pixel where the object's centre is.
        size = (targets.box2d[:, 2:] - targets.box2d[:, :2]).maximum(torch.as_tensor(matched_views.unit))
        losses |= box_head.losses(matched, matched_views, targets, torch.ones_like(size[:, 0]), size)
        return {name: value * self.loss_weights[name] for name, value in losses.items()}

    def classes(self, objects: ObjectTargets, frames: EncodedImages) -> Tensor:
        """What the objects of all images are, as :func:`~d2ext.modeling.detection.matching.focal_cost` takes
        it: rows of (G,) or (G, C), on the host."""
        return objects.classes

    def class_loss(
        self,
        logits: Tensor,
        boxes: Tensor,
        shape: tuple[int, int, int],
        rows: Tensor,
        classes: Tensor,
        frames: EncodedImages,
    ) -> Tensor:
        """Sum of the focal loss of all logits (R, C) of boxes (R, 4), those of so many heads, images and
        boxes, of which ``rows`` are objects of ``classes``."""
        labels = torch.zeros_like(logits)
        labels[rows, classes] = 1.0
        return sigmoid_focal_loss(logits, labels, 0.25, 2.0, "sum")

    def matched(
        self, raw: dict[str, Tensor], images: Tensor, targets: ObjectTargets, frames: EncodedImages
    ) -> dict[str, Tensor]:
        """The raw predictions that are to be ``targets`` in ``images`` (M,), as the box head's losses want
        them."""
        return raw

    @torch.no_grad()
    def _match(
        self,
        predicted: tuple[Tensor, Tensor, Tensor],
        objects: ObjectTargets,
        classes: Tensor,
        counts: list[int],
        frames: EncodedImages,
        num_heads: int,
    ) -> tuple[Tensor, Tensor]:
        """Rows of the predictions and for each the row of the objects, ``counts`` of them in each image, that
        it is to be. The objects are on the host, and so is the result."""
        P = projections(frames.records).repeat_interleave(torch.tensor(counts), 0)
        uv, _ = project_points(P, objects.center)
        uv = uv.masked_fill(~objects.has_3d[:, None], torch.nan)
        labelled = [pad_sequence(x.split(counts), True) for x in (classes, objects.box2d, uv)]
        found = [x.view(num_heads, len(counts), -1, x.shape[-1]) for x in predicted]
        return self.matcher(found, transfer(labelled, frames.P.device), counts, frames.extent[:, 0])
