"""A second look at objects: boxes corrected by what a fine map shows from edge to edge of the first ones.

The place where a pedestrian touches the ground says how far away he is, whatever his height; a feature at his
middle knows it to a few pixels only. As in Cascade R-CNN (Cai and Vasconcelos, CVPR 2018) another head reads
the map inside of the first box, at points that lie on its edges too (as in BorderDet, Qiu et al., ECCV 2020).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import roi_align

from d2ext.modeling.box3d_head import Box3DHead, ObjectViews
from d2ext.modeling.frames import VIEW_DIM, view_features

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
            raise ValueError(f"MODEL.U2ENET.REFINE_POINTS is {points}, expected 2 or more, or 0 for none")
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
            seen = ObjectViews.of_boxes(boxes, views.P, views.plane)
            half = seen.unit / 2 * self.points / (self.points - 1)  # the outer points lie on the edges
            corners = torch.cat([seen.uv - half, seen.uv + half], 1) + 0.5
            fine = F.pixel_shuffle(detail.float(), self.cells)
            rois = torch.cat([image[:, None].to(corners.dtype), corners], 1)
            cut = roi_align(fine, rois, self.points, self.cells / stride, sampling_ratio=1, aligned=True)
            features = torch.cat([cut.flatten(1), view_features(seen), *raw.values()], 1)
            better = self.box_head(features)
        return better | {name: raw[name] + better[name] for name in CORRECTED}, seen
