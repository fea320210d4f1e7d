"""Encoded images that boxes are looked for in, and the coordinates of boxes there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from d2ext.modeling.box3d.coder import ground_log_depth
from d2ext.modeling.box3d.objects import ObjectViews
from d2ext.structures.projection import viewing_rays
from d2ext.structures.transfer import constant

#: Width of :func:`view_features`.
VIEW_DIM = 6


@dataclass
class EncodedImages:
    """B images, encoded once for any number of boxes and steps. Boxes (B, N, 4) are x1, y1, x2, y2 in pixels
    of the network's input, whose centres lie at integers.

    Attributes:
        features: what a model reads: :class:`~d2ext.layers.RegionMaps`, the memory of a transformer, or maps
            to be fused with words; with a method ``image(i)`` where single images are asked for.
        P: (B, 3, 4) projections to the pixels of the network's input.
        plane: (B, 4) ground planes, rows of NaN where there is none.
        sizes: (B, 2) height and width of each image without its padding.
        records: the mapper dicts.
        given: (B,) bool, whether the plane was given, or read from the picture; None: all were.
        tilt: (B, 3), what the picture shows of the plane (:class:`~d2ext.modeling.box3d.plane.PlaneHead`).
        prompts: what is asked of each image, where classes are words
            (:class:`~d2ext.modeling.detection.prompts.Prompts`).
    """

    features: Any
    P: Tensor
    plane: Tensor
    sizes: Tensor
    records: list[dict]
    given: Tensor | None = None
    tilt: Tensor | None = None
    prompts: Any = None

    def image(self, i: int) -> EncodedImages:
        """The i-th image alone, as a batch of one."""
        one = slice(i, i + 1)
        names = ("P", "plane", "sizes", "given", "tilt")
        values: dict[str, Any] = {
            name: None if (value := getattr(self, name)) is None else value[one] for name in names
        }
        return EncodedImages(features=self.features.image(i), records=self.records[one], **values)

    @cached_property
    def extent(self) -> Tensor:
        """(B, 1, 4) width, height, width, height."""
        return self.sizes.flip(1).repeat(1, 2)[:, None].float()

    def to_pixels(self, boxes: Tensor) -> Tensor:
        """Boxes (B, N, 4) as centre x, y, width, height in image sizes -> in pixels."""
        half = boxes[..., 2:] / 2
        return torch.cat([boxes[..., :2] - half, boxes[..., :2] + half], -1) * self.extent - 0.5

    def to_relative(self, boxes: Tensor) -> Tensor:
        """The inverse of :meth:`to_pixels`."""
        return relative_boxes(boxes, self.extent)

    def clip(self, boxes: Tensor) -> Tensor:
        """The parts of boxes inside their image."""
        return (boxes + 0.5).clamp(min=0).minimum(self.extent) - 0.5

    def views(self, boxes: Tensor) -> ObjectViews:
        """The views of all B * N boxes."""
        P = self.P[:, None].expand(-1, boxes.shape[1], -1, -1)
        plane = self.plane[:, None].expand(-1, boxes.shape[1], -1)
        views = ObjectViews.of_boxes(boxes.flatten(0, 1), P.flatten(0, 1), plane.flatten(0, 1))
        if self.given is not None:
            # (as repeat_interleave, which torch.onnx gets wrong for more than one image)
            given = self.given.float()[:, None].expand(-1, boxes.shape[1]).flatten()
            views.trust = 0.5 + 0.5 * given
        return views


def relative_boxes(boxes: Tensor, extent: Tensor) -> Tensor:
    """Boxes (..., 4) in pixels of images whose extent (..., 4) is width, height, width, height -> centre x,
    y, width, height in image sizes."""
    low, high = ((boxes + 0.5) / extent).split(2, -1)
    return torch.cat([(low + high) / 2, high - low], -1)


def view_features(views: ObjectViews) -> Tensor:
    """What turns a box's pixels into metres for any camera.

    Returns:
        (N, VIEW_DIM): slope of the viewing ray in x and y, log of the angular width and height, log depth
        of the ground at the middle of the lower edge (0 where there is none), and whether there is one: 1, or
        half where the plane was read from the picture.
    """
    size = torch.as_tensor(views.unit)
    _, ray = viewing_rays(views.P, views.uv)
    focal = torch.stack([views.P[:, 0, 0], views.P[:, 1, 1]], 1)
    foot = views.uv + size * constant((0.0, 0.5), size)
    log_depth, hit = ground_log_depth(views.P, foot, views.plane, torch.zeros_like(foot[:, 0]))
    ground = torch.where(hit, log_depth - 3.0, 0.0)
    known = hit.float() * views.trust
    return torch.cat([ray[:, :2], (size / focal).log() + 3.0, ground[:, None], known[:, None]], 1)


def cell_middles(stride: int, height: int, width: int, device: torch.device) -> Tensor:
    """(height * width, 2) pixels in the middle of the cells of a map, row by row."""
    u = (torch.arange(width, device=device) + 0.5) * stride - 0.5
    v = (torch.arange(height, device=device) + 0.5) * stride - 0.5
    return torch.stack(torch.meshgrid(u, v, indexing="xy"), -1).flatten(0, 1)


def viewing_features(P: Tensor, plane: Tensor, sizes: Tensor, uv: Tensor) -> Tensor:
    """Where pixels look: what a network needs to turn pixels into metres for any camera.

    Args:
        P: (B, 3, 4). plane: (B, 4), NaN rows for none. sizes: (B, 2) height and width of each image in
            pixels. uv: (L, 2) pixels.

    Returns:
        (B, 4, L): slope of the viewing ray in x and y, 10 m over the depth of the ground there (0 above the
        horizon or without a plane), and the column from -1 to 1 across the image.
    """
    uv = uv.to(P.dtype)
    origin, direction = viewing_rays(P[:, None], uv[None])
    inverse = -(direction * plane[:, None, :3]).sum(-1) / (
        (origin * plane[:, None, :3]).sum(-1) + plane[:, None, 3]
    )
    ground = (10 * inverse).clamp(0, 4).nan_to_num(0.0)
    column = (2 * (uv[None, :, 0] + 0.5) / sizes[:, 1:] - 1).expand_as(ground)
    return torch.stack([direction[..., 0], direction[..., 1], ground, column], 1)
