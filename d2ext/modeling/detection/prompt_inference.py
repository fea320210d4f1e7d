"""What a box is to each of several prompts."""

from __future__ import annotations

import torch
from torch import Tensor

from d2ext.modeling.box3d.head import Box3DHead
from d2ext.modeling.detection.decoder import HeadOutput
from d2ext.modeling.detection.inference import Found
from d2ext.modeling.detection.prompts import Prompts


def found_by_prompts(
    box_head: Box3DHead, boxes: Tensor, output: HeadOutput, prompts: Prompts, most: int
) -> Found:
    """A step's result: boxes by how much they are an object of any kind, and answers to every prompt.

    A box may answer to many prompts or to none, and a prompt does not see the others: its score is its own.
    How boxes are denoised further depends on the prompt for every object only.

    Args:
        boxes: (B, N, 4) that the step started from.
        output: of the decoder's last head.
        prompts: K of each image.
        most: answers to a prompt in an image, the best; there are B * K * min(most, N) of them, whose classes
            are the places of the prompts. Those to prompts that do not exist have the score -1.
    """
    raw, views = output
    images, count = boxes.shape[0], boxes.shape[1]
    logits = raw["classes"].unflatten(0, (images, count)) + prompts.table.shifts[:, None]
    scores = logits.sigmoid().masked_fill(~prompts.exists[:, None], -1.0)
    kinds = scores.shape[2] - 1  # the last is every object
    image = torch.arange(images, device=boxes.device)
    owner = image[:, None].expand(-1, count).flatten()
    every = torch.full_like(owner, kinds)
    objects = box_head.decode_as(raw | prompts.sizes(owner, every), views, every, scores[..., -1].flatten())

    if torch.compiler.is_compiling():  # a traced graph takes any number of boxes, and gives all of them
        best, place = scores[..., :-1].sort(dim=1, descending=True)
    else:
        best, place = scores[..., :-1].topk(min(most, count), dim=1)  # (B, T, K)
    rows = (place + image[:, None, None] * count).flatten()
    owner = image[:, None, None].expand_as(place).flatten()
    kind = torch.arange(kinds, device=boxes.device).expand_as(place).flatten()
    needed = {name: value[rows] for name, value in raw.items() if name not in ("classes", "embedding")}
    answers = box_head.decode_as(needed | prompts.sizes(owner, kind), views[rows], kind, best.flatten())
    return Found(boxes, objects, answers)
