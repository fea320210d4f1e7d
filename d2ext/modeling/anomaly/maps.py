"""Maps over the pixels out of values of patches, and the loss of the hardest of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from d2ext.modeling.anomaly.pdn import STRIDE


def enlarge(maps: Tensor, first: int, size: Sequence[int]) -> Tensor:
    """Values of patches on the image, bilinear between their middles; where there are none, the border's.

    The published code lays the map over the image, whatever its patches see, 1.5 pixels off.

    Args:
        maps: (B, C, h, w), a value for each patch, ``STRIDE`` pixels apart.
        first: row and column of the pixel in the middle of the first patch.
        size: height H and width W of the image.

    Returns:
        (B, C, H, W).
    """
    before, height, width = -(-first // STRIDE), *maps.shape[-2:]
    needed = [-(-(n - 1 - first) // STRIDE) + 1 for n in size]
    behind = [max(0, n - m) for n, m in zip(needed, (height, width), strict=True)]
    maps = F.pad(maps, (before, behind[1], before, behind[0]), mode="replicate")
    steps = [STRIDE * (n - 1) + 1 for n in maps.shape[-2:]]
    large = F.interpolate(maps, steps, mode="bilinear", align_corners=True)
    skipped = before * STRIDE - first
    return large[..., skipped : skipped + size[0], skipped : skipped + size[1]]


def hard_feature_loss(difference: Tensor, quantile: float) -> Tensor:
    """Mean of the values that are at least their ``quantile`` (which lies between two of them).

    As ``d[d >= torch.quantile(d, quantile)].mean()``, for any number of values.
    """
    values = difference.flatten()
    count = values.numel() - math.ceil(quantile * (values.numel() - 1))
    return values.topk(count, sorted=False).values.mean()
