"""Overlaps of boxes against torchvision's functions, with their gradients."""

from __future__ import annotations

import pytest
import torch
from torchvision.ops import box_iou, generalized_box_iou, generalized_box_iou_loss

from d2ext.modeling.box3d.overlap import pairwise_overlaps
from d2ext.modeling.losses import generalized_iou_loss


def random_boxes(*shape: int, seed: int) -> torch.Tensor:
    g = torch.Generator().manual_seed(seed)
    low = torch.rand(*shape, 2, generator=g, dtype=torch.float64) * 20
    return torch.cat([low, low + 1 + torch.rand(*shape, 2, generator=g, dtype=torch.float64) * 15], -1)


def test_every_set_of_boxes_has_torchvisions_overlaps() -> None:
    boxes, targets = random_boxes(3, 2, 7, seed=0), random_boxes(2, 5, seed=1)
    iou, giou = pairwise_overlaps(boxes, targets)
    assert iou.shape == giou.shape == (3, 2, 7, 5)
    assert (iou == 0).any() and (iou > 0).any()
    for head in range(3):
        for image in range(2):
            pair = boxes[head, image], targets[image]
            torch.testing.assert_close(iou[head, image], box_iou(*pair), rtol=1e-12, atol=1e-12)
            torch.testing.assert_close(giou[head, image], generalized_box_iou(*pair), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("apart", [0.0, 100.0])
def test_the_loss_and_its_gradient_are_torchvisions(apart: float) -> None:
    boxes, targets = random_boxes(40, seed=2) + apart, random_boxes(40, seed=3)
    boxes[0] = targets[0]
    boxes[1] = targets[1] + 40  # no overlap along either axis
    boxes.requires_grad_(True)
    gradients = []
    for function in (generalized_iou_loss, generalized_box_iou_loss):
        loss = function(boxes, targets)
        gradients.append(torch.autograd.grad(loss.sum(), boxes)[0])
    torch.testing.assert_close(
        generalized_iou_loss(boxes, targets), generalized_box_iou_loss(boxes, targets), rtol=1e-12, atol=1e-12
    )
    torch.testing.assert_close(*gradients, rtol=1e-12, atol=1e-12)
