"""Areas under curves of what is found against the false positive rate, summed value by value."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def areas(greater: np.ndarray, at_least: np.ndarray, limit: float) -> np.ndarray:
    """The area that each value adds to the curve, from a false positive rate of 0 to ``limit``.

    Args:
        greater, at_least: (N,) shares of the values that should not be found that are greater than each, and
            at least as great.
    """
    # Over the rates from `greater` to `at_least` a value is found by and by, from then on it counts in full.
    rising = (np.minimum(at_least, limit) - greater).clip(0)
    part = rising**2 / (2 * np.maximum(at_least - greater, np.finfo(float).tiny))
    return part + (limit - at_least).clip(0)


def area(normal: np.ndarray, regions: Sequence[np.ndarray], limit: float = 1.0) -> float:
    """Area under the share of values found, averaged over regions, against the false positive rate from 0 to
    ``limit``, divided by the limit.

    Args:
        normal: (N,) values that should not be found, sorted, N > 0.
        regions: (M_i,) values that should be found, M_i > 0, region by region.
    """
    values = np.concatenate(regions)
    greater = 1 - np.searchsorted(normal, values, "right") / len(normal)
    at_least = 1 - np.searchsorted(normal, values, "left") / len(normal)
    starts = np.cumsum([0, *map(len, regions[:-1])])
    means = np.add.reduceat(areas(greater, at_least, limit), starts) / [len(region) for region in regions]
    return float(means.mean() / limit)
