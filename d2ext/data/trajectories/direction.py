"""Which lanes are driven towards falling positions."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from .columns import ColumnMap
from .highd import upper_vehicles
from .road import Road

logger = logging.getLogger(__name__)

_MOVING = 1.0  # m/s, on average: slower vehicles have no direction
_VEHICLES = 3  # from so many on, vehicles that move against a lane tell something about the lane


def backward_lanes(
    path: Path,
    columns: ColumnMap,
    road: Road,
    ids: np.ndarray,
    track: np.ndarray,
    lane: np.ndarray,
    rate: np.ndarray,
) -> set[str]:
    """Names of the lanes whose positions fall along the direction of travel.

    They are those that the road and the columns name. Where none is named and the layout has such lanes, they
    come from the metadata of the data set or from how most vehicles of a lane move. In a layout without such
    lanes a lane in which most vehicles fall back is only warned of: that may be an anomaly.

    Args:
        ids, track, lane: of N rows, as in :class:`Tracks`.
        rate: (N,) m/s, change of position.
    """
    named = {*road.backward_lanes, *columns.backward_lanes}
    if columns.directed or named:
        found = _falling(track, lane, rate).items()
        falling = {name for name, (share, count) in found if share > 0.5 and count >= _VEHICLES}
        wrong = sorted(falling - named)
        if wrong:
            logger.warning(
                "%s: most vehicles of lane %s move towards falling positions: name it as a backward lane "
                "if it is driven in that direction", path, ", ".join(wrong)[:100],
            )  # fmt: skip
        return named
    upper = upper_vehicles(path)
    if upper is not None:
        rate = np.where(np.isin(ids, list(upper))[track], -_MOVING, _MOVING)
    return {name for name, (share, _) in _falling(track, lane, rate).items() if share > 0.5}


def _falling(track: np.ndarray, lane: np.ndarray, rate: np.ndarray) -> dict[str, tuple[float, int]]:
    """By lane, of the vehicles that move in it the share that move towards falling positions, and their
    number."""
    names, which = np.unique(lane, return_inverse=True)
    pieces, piece = np.unique(track * len(names) + which.reshape(-1), return_inverse=True)
    mean = np.bincount(piece.reshape(-1), rate) / np.bincount(piece.reshape(-1))
    found = {}
    for number, name in enumerate(names.tolist()):
        moving = mean[(pieces % len(names) == number) & (np.abs(mean) >= _MOVING)]
        if len(moving):
            found[name] = (float((moving < 0).mean()), len(moving))
    return found
