"""Numbers in sentences as features: tokenisers cut "34.5 meters" into pieces whose value is nowhere.

Descriptions of 3D objects are full of metres. Every token that is part of a number carries, beside the
encoder's features, the value of the whole number: its logarithm, and a smooth one-hot code of it over
logarithmic bins that linear layers can compare with a depth or a size.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_LEAST, _GREATEST = 0.3, 150.0  # the bins' range in metres; values outside fall into the outermost bins
_BINS = 24
NUMBER_DIM = 2 + _BINS


def number_values(text: str, offsets: Sequence[tuple[int, int]]) -> np.ndarray:
    """The value of the number that each token is part of.

    Args:
        text: a sentence.
        offsets: (L, 2) first and last-plus-one character of each token; empty spans for special tokens.

    Returns:
        (L,) float32, NaN for tokens that hold no part of a number; the last of several numbers in a token.
    """
    at = np.full(len(text) + 1, np.nan, dtype=np.float32)
    for match in _NUMBER.finditer(text):
        at[match.start() : match.end()] = float(match.group())
    # A token may hold more than the number, as "m3" or "5米": look back from its end for a character of one.
    last = np.maximum.accumulate(np.where(np.isnan(at), -1, np.arange(len(at))))
    start, end = np.asarray(offsets, dtype=np.int64).reshape(-1, 2).T
    found = last[end - 1]
    return np.where((end > start) & (found >= start), at[found], np.float32("nan"))


def number_features(values: Tensor) -> Tensor:
    """Values (...,), NaN for none -> (..., NUMBER_DIM): is a number, natural logarithm, bins; zeros for none.

    A bin's feature is a Gaussian of the distance to its centre in log value, as wide as the bins are apart.
    """
    log = values.clamp(1e-2, 1e3).log()
    least, greatest = math.log(_LEAST), math.log(_GREATEST)
    centers = torch.linspace(least, greatest, _BINS, device=values.device)
    distance = (log.clamp(least, greatest)[..., None] - centers) * ((_BINS - 1) / (greatest - least))
    features = torch.cat([torch.ones_like(log)[..., None], log[..., None], torch.exp(-0.5 * distance**2)], -1)
    return torch.where(values.isnan()[..., None], 0.0, features)
