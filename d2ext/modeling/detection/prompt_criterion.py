"""The loss of sets of boxes whose classes are prompts: an object answers to several, and to some perhaps."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from detectron2.structures import Instances
from torch import Tensor
from torchvision.ops import sigmoid_focal_loss

from d2ext.modeling.box3d.images import EncodedImages
from d2ext.modeling.box3d.objects import ObjectTargets
from d2ext.modeling.detection.criterion import SetCriterion
from d2ext.structures import transfer

#: A box of which more than this share lies in a region where objects are not labelled teaches nothing.
COVERED = 0.5


def whole_truth(truth: Tensor, generic: int) -> Tensor:
    """Truths (G, K) of an image for its own prompts -> (G, generic + 1): filled up, and for the prompt that
    every object answers to."""
    return F.pad(F.pad(truth, (0, generic - truth.shape[1])), (0, 1), value=1.0)


def told_sizes(labels: Instances, generic: int) -> Instances:
    """Labels whose classes are the prompts that tell their sizes, ``gt_prompts``, and where these are
    negative that of every object."""
    told = Instances(labels.image_size, **labels.get_fields())
    told.gt_classes = torch.where(labels.gt_prompts < 0, generic, labels.gt_prompts)
    return told


class PromptCriterion(SetCriterion):
    """:class:`SetCriterion` for :class:`~d2ext.modeling.detection.prompts.Prompts`.

    Records have ``truth`` (G, C): whether each object answers to each prompt, 1, 0, or NaN in doubt, which
    counts nowhere; and where there are any ``ignored_boxes`` (I, 4) of the network's input, in which objects
    are not labelled. The classes of the objects are the prompts by which their sizes are told.
    """

    def classes(self, objects: ObjectTargets, frames: EncodedImages) -> Tensor:
        """The truths of all objects, (G, C)."""
        return torch.cat([record["truth"] for record in frames.records])

    def class_loss(
        self,
        logits: Tensor,
        boxes: Tensor,
        shape: tuple[int, int, int],
        rows: Tensor,
        classes: Tensor,
        frames: EncodedImages,
    ) -> Tensor:
        """Sum of the focal loss of the logits (R, C) whose truth is known."""
        labels = torch.zeros_like(logits)
        labels[rows] = classes.nan_to_num(0.0)
        counts = self._labelled(boxes.view(*shape, 4), frames).flatten()[:, None].expand_as(logits).clone()
        counts[rows] = (~classes.isnan()).float()
        exists = frames.prompts.exists[None, :, None].expand(*shape, -1).flatten(0, 2)
        return (sigmoid_focal_loss(logits, labels, 0.25, 2.0, "none") * counts * exists).sum()

    @staticmethod
    def _labelled(boxes: Tensor, frames: EncodedImages) -> Tensor:
        """Boxes (H, B, N, 4) -> (H, B, N) 1.0, or 0.0 of a box that lies where objects are not labelled."""
        regions = [record.get("ignored_boxes", torch.zeros(0, 4)) for record in frames.records]
        most = max(map(len, regions))
        if not most:
            return torch.ones_like(boxes[..., 0])
        filled = [torch.cat([r, torch.zeros(most - len(r), 4)]) for r in regions]
        (there,) = transfer([torch.stack(filled)[:, None]], boxes.device)  # (B, 1, I, 4)
        boxes = boxes.detach()[..., None, :]
        low, high = (
            torch.maximum(boxes[..., :2], there[..., :2]),
            torch.minimum(boxes[..., 2:], there[..., 2:]),
        )
        shared = (high - low).clamp(min=0).prod(-1)
        area = (boxes[..., 2:] - boxes[..., :2]).prod(-1)
        return (shared <= COVERED * area).all(-1).float()

    def matched(
        self, raw: dict[str, Tensor], images: Tensor, targets: ObjectTargets, frames: EncodedImages
    ) -> dict[str, Tensor]:
        """With the sizes that the prompts speak of."""
        return raw | frames.prompts.sizes(images, targets.classes)
