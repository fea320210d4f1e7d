"""How tracks move and what they are compared by: the variants of ``TrackerConfig.motion``."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from d2ext.registry import VariantRegistry

from .association import Pairs
from .detections import Detections
from .table import Table


class Motion(Protocol):
    """What a tracker asks of a motion, which keeps columns of its own in the tracker's table, a row a track:
    ``mean`` with the place in its first two values, and what else it needs."""

    def check(self, found: Detections) -> None:
        """Raises ValueError where detections lack what is tracked."""

    def begin(self, found: Detections) -> Table:
        """Columns of new tracks, one a detection."""

    def predict(self, table: Table, kinds: np.ndarray, dt: float) -> None:
        """Move all tracks ``dt`` seconds on, in place; ``kinds`` (N,) are their classes."""

    def pairs(self, table: Table, found: Detections, kinds: np.ndarray, unseen: np.ndarray) -> Pairs:
        """Which detections may belong to which tracks; ``unseen`` (N,) s since the last detection of each."""

    def update(self, table: Table, rows: np.ndarray, found: Detections) -> None:
        """Take detections (one a row) into the tracks of ``rows``, in place."""

    def report(self, table: Table) -> dict[str, Any]:
        """Fields of :class:`~d2ext.tracking.Tracked`."""


#: Classes of motions, called with a ``TrackerConfig``.
MOTION_REGISTRY = VariantRegistry("tracker setting motion")
