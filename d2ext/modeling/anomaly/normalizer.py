"""What EfficientAD measures on normal images: the teacher's channels, quantiles of maps, a threshold."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from detectron2.utils import comm
from torch import Tensor

#: What the two quantiles of a map are mapped to.
NORMALIZED = (0.0, 0.1)
#: Threshold of weights that have none of their own. Of SynthTraffic's normal graphs one in twenty has a
#: greater score.
THRESHOLD = 0.2
#: What is measured is at least this, so that pictures have a scale; trained networks are far above it.
LEAST_THRESHOLD = 1e-3


def channel_statistics(descriptions: Iterable[Tensor], channels: int) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (channels,) float64 of each channel over all processes.

    Args:
        descriptions: (B, channels, h, w) each, of this process's share of the images.
    """
    total = torch.zeros(3, channels, dtype=torch.float64)
    for x in descriptions:
        x = x.double()
        count = torch.full((channels,), x.numel() / channels, dtype=torch.float64)
        total += torch.stack([count, x.sum((0, 2, 3)).cpu(), x.square().sum((0, 2, 3)).cpu()])
    count, first, second = torch.stack(comm.all_gather(total)).sum(0)
    mean = first / count
    deviation = (second / count - mean.square()).clamp_min(0).sqrt()
    # A channel that is constant on normal images tells nothing by its scale.
    return mean, torch.where(deviation > 1e-6, deviation, 1.0)


def map_quantiles(values: np.ndarray, quantiles: tuple[float, float]) -> Tensor:
    """Two quantiles (2,) of the values of a map over normal images.

    Raises:
        ValueError: they are equal.
    """
    low, high = np.quantile(values.astype(np.float64), quantiles)
    if not np.float32(low) < np.float32(high):
        raise ValueError(
            f"quantiles {quantiles} of a map are {low} and {high} on the held-out images, "
            "expected different ones: hold out more images, or train longer"
        )
    return torch.tensor([low, high])


def normalise(values: Tensor, quantiles: Tensor) -> Tensor:
    """A map with its two quantiles at ``NORMALIZED``."""
    return NORMALIZED[1] * ((values - quantiles[0]) / (quantiles[1] - quantiles[0]))


def threshold_above(scores: Sequence[float], false_alarms: float) -> float:
    """The least float32 above as many scores of normal images as make another one rarely greater.

    That is the one at place ``ceil((n + 1) (1 - false_alarms))`` of n by size: another image of the same kind
    has a greater score with a probability of at most ``false_alarms`` (split conformal prediction, e.g. Bates
    et al., "Testing for outliers with conformal p-values", Annals of Statistics 2023). Where n is too small
    for that, with a twentieth below 19, the greatest; the probability is then 1 / (n + 1).

    Args:
        scores: n > 0.

    Returns:
        at least ``LEAST_THRESHOLD``.
    """
    place = math.ceil(round((len(scores) + 1) * (1 - false_alarms), 6))
    score = np.float32(sorted(scores)[min(max(place, 1), len(scores)) - 1])
    return max(float(np.nextafter(score, np.float32(np.inf))), LEAST_THRESHOLD)
