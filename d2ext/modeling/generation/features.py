"""What pictures look like to a frozen backbone of this collection: perceptual distance and descriptions.

Sources: perceptual distance: Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual
Metric", CVPR 2018, here with all channels of equal weight. Descriptions of pictures, compared by the Frechet
distance of their Gaussians: Heusel et al., "GANs Trained by a Two Time-Scale Update Rule", NeurIPS 2017, who
take another network, so figures compare among themselves only.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from d2ext.modeling.backbone.timm_ida import TimmBackbone
from d2ext.modeling.generation.parts import Unsaved

EPSILON = 1e-8


class FrozenFeatures(nn.Module):
    """Maps of a frozen backbone for images from -1 to 1.

    Args:
        network: name in timm.
        weights: name or file; empty for random ones.
        image_format: channels of the images, "BGR" or "RGB"; the network sees RGB.
    """

    def __init__(self, network: str, weights: str, image_format: str = "RGB") -> None:
        super().__init__()
        self.backbone = Unsaved(TimmBackbone(network, weights=weights, norm="FrozenBN"))
        self.flips = image_format == "BGR"

    def maps(self, images: Tensor) -> dict[str, Tensor]:
        """images (B, 3, H, W) -> maps "p2" to "p5" (B, C, h, w); sizes are enlarged to multiples of 32."""
        images = images.flip(1) if self.flips else images
        height, width = (-(-n // 32) * 32 for n in images.shape[-2:])
        if (height, width) != images.shape[-2:]:
            images = F.interpolate(images, (height, width), mode="bilinear", align_corners=False)
        return self.backbone(images)

    def distance(self, images: Tensor, others: Tensor) -> Tensor:
        """Mean over maps of the squared distance of features of length 1; images (B, 3, H, W) -> (B,). The
        gradient goes to ``images``."""
        with torch.no_grad():
            goal = self.maps(others)
        found = self.maps(images)
        parts = [(_unit(found[n]) - _unit(goal[n])).square().sum(1).mean((1, 2)) for n in goal]
        return torch.stack(parts).mean(0)

    @torch.no_grad()
    def describe(self, images: Tensor, maps: Sequence[str] = ("p3", "p4"), cells: int = 1) -> Tensor:
        """Means of maps over ``cells`` x ``cells`` parts of each picture, (B, D) float32."""
        found = self.maps(images)
        return torch.cat([F.adaptive_avg_pool2d(found[name].float(), cells).flatten(1) for name in maps], 1)


def _unit(features: Tensor) -> Tensor:
    return features / (features.norm(dim=1, keepdim=True) + EPSILON)
