"""Which detection belongs to which track."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

#: Of a pair that cannot be: more than any number of pairs that can.
_NEVER = 1e6


@dataclass(frozen=True)
class Pairs:
    """Tracks and detections that may belong together.

    Attributes:
        track, detection: (K,) indices.
        cost: (K,) at least 0.
    """

    track: np.ndarray
    detection: np.ndarray
    cost: np.ndarray

    def of(self, tracks: np.ndarray, detections: np.ndarray) -> Pairs:
        """Those of two masks."""
        kept = tracks[self.track] & detections[self.detection]
        return Pairs(self.track[kept], self.detection[kept], self.cost[kept])


def assign(pairs: Pairs, tracks: int, detections: int) -> tuple[np.ndarray, np.ndarray]:
    """As many pairs as possible of which no two share a track or detection, and of these ways the cheapest.

    Pairs without a rival need no search.

    Args:
        tracks, detections: how many there are of each.

    Returns:
        (L,) tracks and (L,) detections.
    """
    alone = (np.bincount(pairs.track, minlength=tracks)[pairs.track] == 1) & (
        np.bincount(pairs.detection, minlength=detections)[pairs.detection] == 1
    )
    if alone.all():
        return pairs.track, pairs.detection
    contested = ~alone
    rows, row = np.unique(pairs.track[contested], return_inverse=True)
    columns, column = np.unique(pairs.detection[contested], return_inverse=True)
    cost = np.full((len(rows), len(columns)), _NEVER)
    cost[row, column] = pairs.cost[contested]
    chosen, given = linear_sum_assignment(cost)
    possible = cost[chosen, given] < _NEVER
    return (
        np.concatenate([pairs.track[alone], rows[chosen[possible]]]),
        np.concatenate([pairs.detection[alone], columns[given[possible]]]),
    )


def contested(track: np.ndarray, detection: np.ndarray) -> np.ndarray:
    """(K,) bool: pairs whose track or detection is in another pair too, so that their costs matter."""
    if not len(track):
        return np.zeros(0, bool)
    return (np.bincount(track)[track] > 1) | (np.bincount(detection)[detection] > 1)
