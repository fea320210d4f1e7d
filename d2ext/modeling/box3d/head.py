"""Multi-task 3D box regression from one feature per object: shared by the methods of this collection.

Per object it predicts class logits, 2D box, projected 3D centre and base, size, observation angle, and
depth four ways, each with a Laplace scale: directly, for a reference focal length; from height over pixel
height; from where the base meets the ground plane; in metres whatever the camera, which is what a sentence
may tell. The four are fused by uncertainty in log depth. What the class logits mean is the method's: it
turns them into probabilities and adds the loss of the class.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from d2ext.modeling.box3d.coder import decode_angle, encode_angle, fuse_log_depths, ground_log_depth
from d2ext.modeling.box3d.objects import ObjectBoxes, ObjectTargets, ObjectViews
from d2ext.modeling.losses import generalized_iou_loss, laplace_nll, loss_normalizer
from d2ext.structures.projection import project_points, unproject_points
from d2ext.structures.transfer import constant
from d2ext.structures.vocabulary import Vocabulary

DEPTH_ESTIMATES = ("direct", "height", "ground", "told")
REFERENCE_FOCAL = 700.0  # pixels; direct depth is predicted for this focal length and scaled to the camera's


def size_priors(vocabulary: Vocabulary) -> Tensor:
    """(N, 3) mean height, width and length in metres of the classes."""
    return torch.tensor([vocabulary.sizes[name] for name in vocabulary.names])


class Box3DHead(nn.Module):
    """MLP from object features to boxes.

    Args:
        in_dim: features per object.
        hidden_dim: width of the two hidden layers.
        mean_sizes: (num_classes, 3) mean h, w, l in metres; one row holds for all classes, however many
            another layer tells apart.
        num_bins: bins of the observation angle over the full turn.
        depth_estimates: which of ``DEPTH_ESTIMATES`` are fused. An object for which none of them is possible
            (``ground`` alone, and no plane) takes ``direct``.
        class_bias: class logits start from here.

    Raises:
        ValueError: an unknown depth estimate, or none at all.
    """

    mean_sizes: Tensor
    #: Width of what a subclass predicts beside the parts of every head.
    more_parts: Mapping[str, int] = {}

    def __init__(
        self,
        in_dim: int,
        hidden_dim: int,
        mean_sizes: Tensor,
        num_bins: int = 12,
        depth_estimates: Sequence[str] = DEPTH_ESTIMATES,
        class_bias: float = 0.0,
    ) -> None:
        super().__init__()
        if not depth_estimates or not set(depth_estimates) <= set(DEPTH_ESTIMATES):
            known = ", ".join(DEPTH_ESTIMATES)
            raise ValueError(f"DEPTH_ESTIMATES {list(depth_estimates)}: expected some of {known}")
        self.left_out = [i for i, name in enumerate(DEPTH_ESTIMATES) if name not in depth_estimates]
        self.register_buffer("mean_sizes", mean_sizes.clone(), persistent=False)
        self.num_bins = num_bins
        self.parts = {
            "classes": len(mean_sizes),
            "box_offset": 2,
            "box_log_size": 2,
            "center_offset": 2,
            "base_offset": 2,
            "size": 3,
            "angle_bin": num_bins,
            "angle_residual": num_bins,
            "log_depth": 1,
            "log_pixel_height": 1,
            "log_told_depth": 1,
            "depth_log_scales": 4,
            **self.more_parts,
        }
        self.mlp = nn.Sequential(
            nn.Linear(in_dim, hidden_dim), nn.GELU(), nn.Linear(hidden_dim, hidden_dim), nn.GELU()
        )
        self.out = nn.Linear(hidden_dim, sum(self.parts.values()))
        nn.init.normal_(self.out.weight, std=0.01)
        nn.init.zeros_(self.out.bias)
        nn.init.constant_(self.out.bias[: len(mean_sizes)], class_bias)

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        """features (N, in_dim) -> raw predictions by part, float32 (N, part); never under autocast."""
        with torch.autocast(features.device.type, enabled=False):
            raw = self.out(self.mlp(features.float()))
        return dict(zip(self.parts, raw.split(list(self.parts.values()), dim=1), strict=True))

    def _prior(self, classes: Tensor) -> Tensor:
        """Mean sizes (N, 3) of classes (N,)."""
        return self.mean_sizes[classes if len(self.mean_sizes) > 1 else torch.zeros_like(classes)]

    def _sizes(self, raw: dict[str, Tensor], classes: Tensor) -> Tensor:
        return self._prior(classes) * raw["size"].clamp(-2, 2).exp()

    def _log_depths(
        self, raw: dict[str, Tensor], views: ObjectViews, box2d: Tensor, hwl: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Log depth of the box centre four ways and their Laplace log scales, both (N, 4); a way that is left
        out or impossible (no plane, or a ray that misses it) has infinite scale."""
        height = hwl[:, 0].detach()
        focal = views.P[:, 1, 1]
        direct = raw["log_depth"][:, 0] + 3.0 + (focal / REFERENCE_FOCAL).log()
        by_height = (focal * height).log() - raw["log_pixel_height"][:, 0] - views.log_pixel_height
        ground, hit = ground_log_depth(views.P, self._bases(raw, views, box2d), views.plane, height)
        told = raw["log_told_depth"][:, 0] + 3.0
        scales = raw["depth_log_scales"].clamp(-6, 3) - 1.0
        used = torch.ones_like(scales, dtype=torch.bool)
        for way in self.left_out:  # a list of them would be copied to the device
            used[:, way] = False
        used[:, 2] &= hit
        used[:, 0] |= ~used.any(1)
        scales = scales.masked_fill(~used, float("inf"))
        return torch.stack([direct, by_height, ground, told], 1), scales

    def decode(self, raw: dict[str, Tensor], views: ObjectViews, probabilities: Tensor) -> ObjectBoxes:
        """Raw predictions and the probabilities (N, num_classes) of each class -> boxes in the pixels of
        ``views`` and metres of the camera frame."""
        class_scores, classes = probabilities.max(1)
        return self.decode_as(raw, views, classes, class_scores)

    def decode_as(
        self, raw: dict[str, Tensor], views: ObjectViews, classes: Tensor, class_scores: Tensor
    ) -> ObjectBoxes:
        """The same for boxes of given classes (N,), with the scores (N,) of these."""
        hwl = self._sizes(raw, classes)
        box2d = self.box2d(raw, views)
        log_depth, log_scale = fuse_log_depths(*self._log_depths(raw, views, box2d, hwl))
        depth = log_depth.exp()
        center = unproject_points(views.P, views.uv + raw["center_offset"] * views.unit, depth)
        return ObjectBoxes(
            classes=classes,
            class_scores=class_scores,
            box2d=box2d,
            center=center,
            hwl=hwl,
            alpha=decode_angle(raw["angle_bin"], raw["angle_residual"]),
            depth=depth,
            log_scale=log_scale,
        )

    def box2d(self, raw: dict[str, Tensor], views: ObjectViews) -> Tensor:
        """2D boxes (N, 4) in the pixels of ``views``."""
        mid = views.uv + raw["box_offset"] * views.unit
        half = 0.5 * views.unit * (raw["box_log_size"].clamp(-6, 6) + views.log_size).exp()
        return torch.cat([mid - half, mid + half], 1)

    def _bases(self, raw: dict[str, Tensor], views: ObjectViews, box2d: Tensor) -> Tensor:
        """Projected centres of the lower faces (N, 2), counted from the middle of the 2D box's lower edge."""
        box = box2d.detach()
        foot = torch.stack([(box[:, 0] + box[:, 2]) / 2, box[:, 3]], 1)
        return foot + raw["base_offset"] * views.unit

    def losses(
        self,
        raw: dict[str, Tensor],
        views: ObjectViews,
        targets: ObjectTargets,
        weight: Tensor,
        center_unit: float | Tensor,
    ) -> dict[str, Tensor]:
        """Weighted means of the losses of the boxes over the predictions of all processes, N of them in this
        one.

        Args:
            raw: predictions of :meth:`forward`.
            views: anchor points, cameras and planes.
            targets: what each prediction should be.
            weight: (N,) weight of each prediction; 3D terms leave out objects without a 3D label.
            center_unit: pixels that errors of the projected centre and base are counted in, a number or
                (N, 2).

        Returns:
            loss_box, loss_center (with the base where there is a plane), loss_size, loss_angle, loss_depth:
            scalars.
        """
        w3d = weight * targets.has_3d
        norm, norm3d = loss_normalizer(torch.stack([weight.sum(), w3d.sum()]), least=1e-6)
        weight, w3d = weight / norm, w3d / norm3d
        log_wh = (targets.box2d[:, 2:] - targets.box2d[:, :2]).clamp(min=1.0).log()
        predicted = self.box2d(raw, views)
        predicted_log_wh = (predicted[:, 2:] - predicted[:, :2]).log()
        box = generalized_iou_loss(predicted, targets.box2d) + (predicted_log_wh - log_wh).abs().mean(1)

        uv, _ = project_points(views.P, targets.center)
        error = (raw["center_offset"] - (uv - views.uv) / views.unit) * (views.unit / center_unit)
        center = F.smooth_l1_loss(error, torch.zeros_like(error), reduction="none", beta=0.1).sum(1)

        standing = ~views.plane.isnan().any(1)
        level = constant((0.0, -1.0, 0.0), views.plane)
        up = torch.where(standing[:, None], views.plane[:, :3], level)
        uv, depth = project_points(views.P, targets.center - up * targets.hwl[:, :1] / 2)
        visible = standing & (depth > 0.5)
        error = (self._bases(raw, views, predicted) - uv.where(visible[:, None], 0.0)) / center_unit
        base = F.smooth_l1_loss(error, torch.zeros_like(error), reduction="none", beta=0.1).sum(1)
        center = center + torch.where(visible, base, 0.0)

        bins, residual = encode_angle(targets.alpha, self.num_bins)
        picked = raw["angle_residual"].gather(1, bins[:, None])[:, 0]
        angle = F.cross_entropy(raw["angle_bin"], bins, reduction="none") + (picked - residual).abs()
        return {
            "loss_box": (box * weight).sum(),
            "loss_center": (center * w3d).sum(),
            "loss_size": (self._size_loss(raw, targets) * w3d).sum(),
            "loss_angle": (angle * w3d).sum(),
            "loss_depth": (self._depth_loss(raw, views, predicted, targets) * w3d).sum(),
        }

    def _size_loss(self, raw: dict[str, Tensor], targets: ObjectTargets) -> Tensor:
        log_size = (targets.hwl.clamp(min=1e-2) / self._prior(targets.classes)).log()
        return (raw["size"] - log_size).abs().mean(1)

    def _depth_loss(
        self, raw: dict[str, Tensor], views: ObjectViews, box2d: Tensor, targets: ObjectTargets
    ) -> Tensor:
        log_depths, scales = self._log_depths(raw, views, box2d, targets.hwl)
        target = targets.center[:, 2].clamp(min=0.1).log()
        possible = scales.isfinite()
        each = laplace_nll(log_depths - target[:, None], scales.masked_fill(~possible, 0.0))
        fused, _ = fuse_log_depths(log_depths, scales)
        return torch.where(possible, each, 0.0).mean(1) + 2.0 * (fused - target).abs()
