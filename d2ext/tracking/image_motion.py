"""Motion in the image, where there is no calibration."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import steady
from .association import Pairs
from .config import TrackerConfig
from .detections import Detections
from .motion import MOTION_REGISTRY
from .overlap import overlap_2d
from .table import Table


@MOTION_REGISTRY.named("image")
class ImageMotion:
    """2D boxes whose middle and sides change at steady rates, in shares of the box; matched by IoU.

    Args:
        config: of the tracker.
    """

    #: Shares of a box's width and height: deviation of a detection, of the rate of an object seen once (in a
    #: second), and drift of the rate in a second.
    NOISE, FIRST_RATE, WALK = 0.05, 1.5, 0.6

    def __init__(self, config: TrackerConfig) -> None:
        self.config = config

    @staticmethod
    def check(found: Detections) -> None:
        """Raises ValueError where detections lack what is tracked."""
        if found.boxes is None:
            raise ValueError("detections: expected boxes for tracks in the image")

    def begin(self, found: Detections) -> Table:
        """Columns of new tracks."""
        assert found.boxes is not None
        values = _middle_and_sides(found.boxes)
        sides = _sides(values)
        mean, cov = np.zeros((*values.shape, 2)), np.zeros((*values.shape, 3))
        mean[..., 0] = values
        cov[..., 0], cov[..., 2] = (self.NOISE * sides) ** 2, (self.FIRST_RATE * sides) ** 2
        return {"mean": mean, "cov": cov}

    def predict(self, table: Table, kinds: np.ndarray, dt: float) -> None:
        """Move all tracks on."""
        walk = self.WALK * _sides(table["mean"][..., 0])
        table["mean"], table["cov"] = steady.predict(table["mean"], table["cov"], dt, walk)
        table["mean"][:, 2:, 0] = np.maximum(table["mean"][:, 2:, 0], 1.0)

    def pairs(self, table: Table, found: Detections, kinds: np.ndarray, unseen: np.ndarray) -> Pairs:
        """Boxes that overlap enough."""
        assert found.boxes is not None
        iou = overlap_2d(_corners(table["mean"][..., 0])[:, None], found.boxes)
        track, detection = np.nonzero(iou >= max(self.config.least_overlap, 1e-9))
        return Pairs(track, detection, self.config.overlap_weight * (1 - iou[track, detection]))

    def update(self, table: Table, rows: np.ndarray, found: Detections) -> None:
        """Take detections in."""
        assert found.boxes is not None
        mean, cov = table["mean"][rows], table["cov"][rows]
        values = _middle_and_sides(found.boxes)
        noise = (self.NOISE * _sides(values)) ** 2
        table["mean"][rows], table["cov"][rows] = steady.update(mean, cov, values - mean[..., 0], noise)

    def report(self, table: Table) -> dict[str, Any]:
        """Fields of ``Tracked``."""
        mean, cov = table["mean"], table["cov"]
        velocity = mean[:, :2, 1].copy()
        return {
            "boxes": _corners(mean[..., 0]),
            "velocity": velocity,
            "speed": np.hypot(*velocity.T),
            "yaw_rate": np.zeros(len(mean)),
            "deviation": np.sqrt(cov[:, :2, 0].max(1)) if len(cov) else np.zeros(0),
        }


def _middle_and_sides(boxes: np.ndarray) -> np.ndarray:
    low, high = boxes[:, :2], boxes[:, 2:]
    return np.concatenate([(low + high) / 2, np.maximum(high - low, 1.0)], 1)


def _corners(values: np.ndarray) -> np.ndarray:
    middle, half = values[:, :2], values[:, 2:] / 2
    return np.concatenate([middle - half, middle + half], 1)


def _sides(values: np.ndarray) -> np.ndarray:
    """(N, 4) the side by which each quantity is measured."""
    return values[:, [2, 3, 2, 3]]
