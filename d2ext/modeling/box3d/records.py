"""Between mapper dicts and tensors: images stacked, labels collected, boxes handed back."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from detectron2.structures import Boxes, ImageList, Instances
from detectron2.utils import comm
from torch import Tensor, nn

from d2ext.modeling.box3d.objects import ObjectBoxes, ObjectTargets
from d2ext.structures import Boxes3D, constant, transfer


def size_groups(
    sizes: Sequence[Sequence[int]], divisibility: int, model: nn.Module | None = None
) -> dict[tuple[int, int], list[int]]:
    """The images that go through a network together: those which have one size once padded to multiples of
    ``divisibility``. So an image is padded in a batch as it is alone, and no layer sees the others' size.

    Args:
        sizes: height and width of each image.
        model: in training. If its layers take statistics over several processes (SyncBN), which then all must
            make the same number of passes, there is one group of all images, padded to the largest.

    Returns:
        The indices of the images of each padded (height, width), in order of first appearance.
    """
    step = max(divisibility, 1)
    padded = [(-(-height // step) * step, -(-width // step) * step) for height, width in sizes]
    if model is not None and model.training and comm.get_world_size() > 1:
        if any(isinstance(m, nn.SyncBatchNorm) and m.training for m in model.modules()):
            largest = max(height for height, _ in padded), max(width for _, width in padded)
            return {largest: list(range(len(padded)))}
    return {shape: [i for i, s in enumerate(padded) if s == shape] for shape in dict.fromkeys(padded)}


def stack_images(
    records: Sequence[dict], mean: Tensor, std: Tensor, divisibility: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The images of B mapper dicts, on the device of ``mean``.

    Args:
        records: with ``image``, ``camera`` and, where there is one, ``ground_plane``.
        mean, std: (3, 1, 1) of the pixels.
        divisibility: height and width are padded to multiples of it.

    Returns:
        Normalised pixels (B, 3, H, W), P (B, 3, 4) of the images, plane (B, 4), rows of NaN where there is
        none, and sizes (B, 2) long, height and width of each image without its padding.
    """
    none = torch.full((4,), float("nan"))
    planes = [none if x.get("ground_plane") is None else x["ground_plane"].float() for x in records]
    sizes = torch.tensor([x["image"].shape[-2:] for x in records])
    geometry = transfer([projections(records), torch.stack(planes), sizes], mean.device)
    # As bytes, and each on its own: the loader has pinned them.
    images = [x["image"].to(mean.device, non_blocking=True) for x in records]
    raw = ImageList.from_tensors(images, divisibility).tensor
    pixels = (raw.float() - mean) / std
    if bool((sizes < torch.tensor(raw.shape[-2:])).any()):
        rows, columns = (torch.arange(n, device=raw.device) for n in raw.shape[-2:])
        inside = (rows < geometry[2][:, :1])[:, :, None] & (columns < geometry[2][:, 1:])[:, None]
        pixels = pixels.masked_fill(~inside[:, None], 0.0)
    return pixels, geometry[0], geometry[1], geometry[2]


def projections(records: Sequence[dict]) -> Tensor:
    """P (B, 3, 4) float32 of B mapper dicts, on the host."""
    return torch.stack([x["camera"].P for x in records]).float()


def object_targets(instances: Sequence[Instances]) -> ObjectTargets:
    """The labels of several images' objects, one after the other."""
    boxes3d = Boxes3D.cat([x.gt_boxes3d for x in instances])
    yaw = torch.cat([x.gt_yaw for x in instances])
    return ObjectTargets(
        classes=torch.cat([x.gt_classes for x in instances]),
        box2d=torch.cat([x.gt_boxes.tensor for x in instances]).float(),
        center=boxes3d.center.float(),
        hwl=boxes3d.size.float(),
        alpha=Boxes3D.alpha_from_yaw(yaw, boxes3d.bottom_center()).float(),
        has_3d=torch.cat([x.gt_has_3d for x in instances]),
    )


def predicted_instances(boxes: ObjectBoxes, scores: Tensor, record: dict) -> Instances:
    """N objects found in the image of a mapper dict, standing on its plane.

    Returns:
        Instances of the original size with pred_boxes (original pixels), pred_boxes3d, scores, pred_classes
        and pred_yaw (rad), in the order given.
    """
    plane = record.get("box_plane")
    plane = None if plane is None else plane.to(scores.device, torch.float32)
    down = constant((0.0, 1.0, 0.0), boxes.center) if plane is None else -plane[:3]
    location = boxes.center + down * boxes.hwl[:, :1] / 2
    yaw = Boxes3D.yaw_from_alpha(boxes.alpha, location)
    size = (record["height"], record["width"])
    result = Instances(size)
    result.pred_boxes = original_boxes(boxes.box2d, record["camera"].image_size, size)
    result.pred_boxes3d = Boxes3D.from_kitti(location, boxes.hwl, yaw, plane)
    result.scores = scores
    result.pred_classes = boxes.classes
    result.pred_yaw = yaw
    return result


def original_boxes(boxes: Tensor, size: tuple[int, int], original: tuple[int, int]) -> Boxes:
    """2D boxes (N, 4) of a resized image in the pixels of the original, clipped; centres at integers."""
    scale = boxes.new_tensor([original[1] / size[1], original[0] / size[0]]).repeat(2)
    out = Boxes((boxes + 0.5) * scale - 0.5)
    out.clip(original)
    return out


def resized_boxes(boxes: Tensor, size: tuple[int, int], original: tuple[int, int]) -> Tensor:
    """2D boxes (N, 4) in the pixels of the original image -> of the resized one, not clipped."""
    scale = boxes.new_tensor([original[1] / size[1], original[0] / size[0]]).repeat(2)
    return (boxes + 0.5) / scale - 0.5
