"""A second look at objects: boxes corrected by what a fine map shows from edge to edge of the first ones.

The place where a pedestrian touches the ground says how far away he is, whatever his height; a feature at his
middle knows it to a few pixels only. As in Cascade R-CNN (Cai and Vasconcelos, CVPR 2018) another head reads
the map inside of the first box, at points that lie on its edges too (as in BorderDet, Qiu et al., ECCV 2020).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from d2ext.modeling.box3d.head import Box3DHead
from d2ext.modeling.box3d.images import VIEW_DIM, view_features
from d2ext.modeling.box3d.objects import ObjectViews

#: Predictions that mean the same in every view: the second look only corrects them.
CORRECTED = (
    "classes",
    "size",
    "angle_bin",
    "angle_residual",
    "log_depth",
    "log_told_depth",
    "depth_log_scales",
)


class BoxRefinement(nn.Module):
    """Raw predictions of N objects and their views -> better ones in the views of their 2D boxes.

    Args:
        box_head: with as many classes and bins as the first one, built for :meth:`in_dim` features.
        points: along each side of a box, at least 2, where the map is read.
        cells: fine cells along each side of one cell of the map that holds them as channels.

    Raises:
        ValueError: less than 2 points.
    """

    def __init__(self, box_head: Box3DHead, points: int, cells: int) -> None:
        super().__init__()
        if points < 2:
            raise ValueError(f"MODEL.GROUNDING.REFINE_POINTS is {points}, expected 2 or more, or 0 for none")
        self.box_head = box_head
        self.points = points
        self.cells = cells

    @staticmethod
    def in_dim(first: Box3DHead, points: int, channels: int) -> int:
        """Features per object, given the first head and the channels of a fine cell."""
        return channels * points**2 + VIEW_DIM + sum(first.parts.values())

    def forward(
        self, raw: dict[str, Tensor], views: ObjectViews, detail: Tensor, image: Tensor, stride: int
    ) -> tuple[dict[str, Tensor], ObjectViews]:
        """
        Args:
            raw, views: the first predictions.
            detail: (B, C * cells^2, H, W), of each cell its fine cells as ``F.pixel_unshuffle`` orders them.
            image: (N,) index of each object's image.
            stride: pixels of the network's input in a cell of ``detail``.
        """
        with torch.autocast(detail.device.type, enabled=False):
            boxes = self.box_head.box2d(raw, views).detach()
            box_views = ObjectViews.of_boxes(boxes, views.P, views.plane)
            spread = torch.linspace(-0.5, 0.5, self.points, device=detail.device)
            points = box_views.uv[:, None] + torch.as_tensor(box_views.unit)[:, None] * spread[:, None] + 0.5
            cut = read_fine(detail, self.cells, image, points * (self.cells / stride) - 0.5)
            features = torch.cat([cut.flatten(1), view_features(box_views), *raw.values()], 1)
            better = self.box_head(features)
        return better | {name: raw[name] + better[name] for name in CORRECTED}, box_views


def read_fine(detail: Tensor, cells: int, image: Tensor, at: Tensor) -> Tensor:
    """Bilinear samples of a fine map that is kept as channels of a coarse one.

    As torchvision's ``roi_align``: a point up to one cell outside of the map has the value at its edge, one
    farther outside is 0. Only the cells that are asked for are touched.

    Args:
        detail: (B, C * cells^2, H, W), as ``F.pixel_unshuffle`` orders them.
        image: (N,) index into the batch.
        at: (N, P, 2) columns and rows of P x P points, in fine cells: 0 is the centre of the first.

    Returns:
        (N, C, P, P) of the dtype of ``at``, rows before columns.
    """
    # not new_tensor: a traced graph would keep the size it was traced with
    limit = torch.stack([at.new_full((), detail.shape[axis] * cells - 1) for axis in (3, 2)])
    inside = (at >= -1) & (at <= limit + 1)
    at = at.clamp(min=0).minimum(limit)
    low = at.floor()
    share = (at - low)[..., None, :]
    index = torch.stack([low, (low + 1).minimum(limit)], 2).long()  # (N, P, 2, 2)
    weight = torch.cat([1 - share, share], 2) * inside[..., None, :]
    columns = index[:, None, :, None, :, 0]  # (N, rows of points, columns of points, 2 rows, 2 columns)
    rows = index[:, :, None, :, None, 1]
    split = detail.unflatten(1, (-1, cells, cells))
    places = rows % cells, columns % cells, rows // cells, columns // cells
    values = split[image.view(-1, 1, 1, 1, 1), :, places[0], places[1], places[2], places[3]].to(at.dtype)
    shares = weight[:, :, None, :, None, 1] * weight[:, None, :, None, :, 0]
    return (values * shares[..., None]).sum((3, 4)).permute(0, 3, 1, 2)
