"""Motion on the ground: along the heading with a turn, or in any direction."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from . import steady, turning
from .association import Pairs, contested
from .config import TrackerConfig
from .detections import Detections
from .motion import MOTION_REGISTRY
from .overlap import overlap_3d
from .table import Table

#: rad, standard deviation of the turn rate of an object seen once.
_FIRST_TURN = 0.3
#: Votes for a heading that are remembered.
_FACING = 3.0


class GroundMotion(ABC):
    """What the motions on the ground share: sizes and heights that hardly change, gates in metres, overlap.

    Args:
        config: of the tracker.
    """

    def __init__(self, config: TrackerConfig) -> None:
        self.config = config
        table = {name: np.array(values) for name, values in config.kind_table().items()}
        self.gate, self.gate_growth, self.max_speed = (table[n] for n in ("gate", "gate_growth", "max_speed"))
        self.speed_walk, self.turn_walk = table["speed_walk"], table["turn_walk"]
        deviation = np.array([*[config.size_deviation] * 3, config.elevation_deviation])
        self._slow_noise = deviation**2
        self._slow_walk = np.array([*[config.size_walk] * 3, config.elevation_walk]) ** 2

    @staticmethod
    def check(found: Detections) -> None:
        """Raises ValueError where detections lack what is tracked."""
        if found.position is None or found.heading is None or found.size is None:
            raise ValueError("detections: expected position, heading and size for tracks on the ground")

    def begin(self, found: Detections) -> Table:
        """Columns of new tracks, one a detection."""
        count = len(found)
        return {
            "slow": _slow(found),
            "slow_cov": np.repeat(self._slow_noise[None], count, 0),
        }

    def predict(self, table: Table, kinds: np.ndarray, dt: float) -> None:
        """Move all tracks on, in place."""
        table["slow_cov"] = table["slow_cov"] + self._slow_walk * dt

    @abstractmethod
    def place(self, table: Table) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of all tracks: position (N, 2), heading (N,), and covariance (N, 3) xx, xy, yy."""

    def pairs(self, table: Table, found: Detections, kinds: np.ndarray, unseen: np.ndarray) -> Pairs:
        """What lies in the gates: within a distance by class and time, and within a Mahalanobis distance.

        Args:
            kinds: (N,) classes of the tracks.
            unseen: (N,) s since the last detection.
        """
        assert found.position is not None and found.heading is not None and found.size is not None
        position, heading, cov = self.place(table)
        limit = self.gate[kinds] + self.gate_growth[kinds] * unseen
        once = table["hits"] == 1
        limit = np.where(once, np.maximum(limit, self.max_speed[kinds] * unseen), limit)
        dx = found.position[None, :, 0] - position[:, 0, None]
        dy = found.position[None, :, 1] - position[:, 1, None]
        track, detection = np.nonzero(dx * dx + dy * dy <= (limit * limit)[:, None])
        rx, ry = dx[track, detection], dy[track, detection]
        total = cov[track] + position_noise(self.config, found.position)[detection]
        xx, xy, yy = total.T
        squared = (yy * rx * rx - 2 * xy * rx * ry + xx * ry * ry) / (xx * yy - xy * xy)
        squared /= self.config.mahalanobis**2
        near = squared <= 1
        track, detection, cost = track[near], detection[near], squared[near]
        rivals = np.flatnonzero(contested(track, detection))
        i, j = track[rivals], detection[rivals]
        slow, other = table["slow"], _slow(found)
        iou = overlap_3d(
            position[i], heading[i], slow[i, :3], slow[i, 3],
            found.position[j], found.heading[j], found.size[j], other[j, 3],
        )  # fmt: skip
        cost[rivals] += self.config.overlap_weight * (1 - iou)
        return Pairs(track, detection, cost)

    def update(self, table: Table, rows: np.ndarray, found: Detections) -> None:
        """Take detections (one a row) into the tracks of ``rows``, in place."""
        table["slow"][rows], table["slow_cov"][rows] = steady.settle(
            table["slow"][rows], table["slow_cov"][rows], _slow(found), self._slow_noise
        )

    def report(self, table: Table) -> dict[str, Any]:
        """Fields of ``Tracked``."""
        position, heading, cov = self.place(table)
        xx, xy, yy = cov.T
        largest = (xx + yy) / 2 + np.sqrt(((xx - yy) / 2) ** 2 + xy * xy)
        slow = table["slow"]
        return {
            "position": position.copy(),
            "heading": heading.copy(),
            "size": slow[:, :3].copy(),
            "elevation": slow[:, 3].copy(),
            "deviation": np.sqrt(np.maximum(largest, 0)),
        }


@MOTION_REGISTRY.named("turn")
class TurnMotion(GroundMotion):
    """Along the heading, at a speed and a turn rate: :mod:`.turning`."""

    def begin(self, found: Detections) -> Table:
        """Columns of new tracks."""
        assert found.position is not None and found.heading is not None
        count, config = len(found), self.config
        mean, cov = np.zeros((count, 5)), np.zeros((count, 5, 5))
        mean[:, :2], mean[:, 2] = found.position, turning.wrap(found.heading)
        cov[:, :3, :3] = self._noise(found)
        cov[:, 3, 3], cov[:, 4, 4] = config.first_speed**2, _FIRST_TURN**2
        facing = np.minimum(found.scores, _FACING)
        return {"mean": mean, "cov": cov, "facing": facing, **super().begin(found)}

    def _noise(self, found: Detections) -> np.ndarray:
        assert found.position is not None
        xx, xy, yy = position_noise(self.config, found.position).T
        noise = np.zeros((len(found), 3, 3))
        noise[:, 0, 0], noise[:, 0, 1], noise[:, 1, 0], noise[:, 1, 1] = xx, xy, xy, yy
        noise[:, 2, 2] = self.config.heading_deviation**2
        return noise

    def predict(self, table: Table, kinds: np.ndarray, dt: float) -> None:
        """Move all tracks on."""
        super().predict(table, kinds, dt)
        walks = self.speed_walk[kinds], self.turn_walk[kinds]
        table["mean"], table["cov"] = turning.predict(
            table["mean"], table["cov"], dt, *walks, self.config.turn_decay
        )

    def place(self, table: Table) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """As :meth:`GroundMotion.place`."""
        mean, cov = table["mean"], table["cov"]
        return mean[:, :2], mean[:, 2], np.stack([cov[:, 0, 0], cov[:, 0, 1], cov[:, 1, 1]], 1)

    def update(self, table: Table, rows: np.ndarray, found: Detections) -> None:
        """Take detections in. A track faces as most of its detections do, by their scores."""
        assert found.position is not None and found.heading is not None
        super().update(table, rows, found)
        mean, cov = table["mean"][rows], table["cov"][rows]
        along = np.cos(found.heading - mean[:, 2]) >= 0
        facing = table["facing"][rows] + np.where(along, found.scores, -found.scores)
        opposite = facing < 0
        measured = np.concatenate([found.position, found.heading[:, None]], 1)
        mean, cov = turning.update(mean, cov, measured, self._noise(found))
        if opposite.any():
            turning.turn_round(mean, cov, opposite)
        table["mean"][rows], table["cov"][rows] = mean, cov
        table["facing"][rows] = np.minimum(np.abs(facing), _FACING)

    def report(self, table: Table) -> dict[str, Any]:
        """Fields of ``Tracked``."""
        _, _, heading, speed, yaw_rate = table["mean"].T
        velocity = np.stack([speed * np.cos(heading), speed * np.sin(heading)], 1)
        own = {"velocity": velocity, "speed": speed.copy(), "yaw_rate": yaw_rate.copy()}
        return super().report(table) | own


@MOTION_REGISTRY.named("velocity")
class VelocityMotion(GroundMotion):
    """In any direction at a steady velocity, turning at a steady rate: what a moving camera sees."""

    def _noise(self, found: Detections) -> np.ndarray:
        assert found.position is not None
        cov = position_noise(self.config, found.position)
        turn = np.full(len(found), self.config.heading_deviation**2)
        return np.stack([cov[:, 0], cov[:, 2], turn], 1)

    def begin(self, found: Detections) -> Table:
        """Columns of new tracks."""
        assert found.position is not None and found.heading is not None
        mean, cov = np.zeros((len(found), 3, 2)), np.zeros((len(found), 3, 3))
        mean[:, :2, 0], mean[:, 2, 0] = found.position, turning.wrap(found.heading)
        cov[:, :, 0] = self._noise(found)
        cov[:, :, 2] = np.array([self.config.first_speed, self.config.first_speed, _FIRST_TURN]) ** 2
        return {"mean": mean, "cov": cov, **super().begin(found)}

    def predict(self, table: Table, kinds: np.ndarray, dt: float) -> None:
        """Move all tracks on."""
        super().predict(table, kinds, dt)
        speed, turn = self.speed_walk[kinds], self.turn_walk[kinds]
        # A camera that turns moves what it sees across the line of sight, by the distance.
        swing = self.config.camera_turn_walk * table["mean"][:, 1::-1, 0]
        walk = np.stack([np.hypot(speed, swing[:, 0]), np.hypot(speed, swing[:, 1]), turn], 1)
        table["mean"], table["cov"] = steady.predict(table["mean"], table["cov"], dt, walk)

    def place(self, table: Table) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """As :meth:`GroundMotion.place`."""
        mean, cov = table["mean"], table["cov"]
        across = np.zeros(len(cov))
        return mean[:, :2, 0], turning.wrap(mean[:, 2, 0]), np.stack([cov[:, 0, 0], across, cov[:, 1, 0]], 1)

    def update(self, table: Table, rows: np.ndarray, found: Detections) -> None:
        """Take detections in."""
        assert found.position is not None and found.heading is not None
        super().update(table, rows, found)
        mean, cov = table["mean"][rows], table["cov"][rows]
        innovation = np.concatenate([found.position, found.heading[:, None]], 1) - mean[..., 0]
        innovation[:, 2] = np.remainder(innovation[:, 2] + np.pi / 2, np.pi) - np.pi / 2
        table["mean"][rows], table["cov"][rows] = steady.update(mean, cov, innovation, self._noise(found))

    def report(self, table: Table) -> dict[str, Any]:
        """Fields of ``Tracked``."""
        mean = table["mean"]
        velocity, heading = mean[:, :2, 1].copy(), mean[:, 2, 0]
        speed = velocity[:, 0] * np.cos(heading) + velocity[:, 1] * np.sin(heading)
        return super().report(table) | {
            "velocity": velocity, "speed": speed, "yaw_rate": mean[:, 2, 1].copy(),
        }  # fmt: skip


def position_noise(config: TrackerConfig, position: np.ndarray) -> np.ndarray:
    """(M, 3) covariance xx, xy, yy of places (M, 2) seen from x = y = 0: long along the line of sight."""
    distance = np.hypot(*position.T)
    along = (config.along + config.along_share * distance) ** 2
    across = (config.across + config.across_share * distance) ** 2
    x, y = position.T / np.maximum(distance, 1e-9)
    more = along - across
    return np.stack([across + more * x * x, more * x * y, across + more * y * y], 1)


def _slow(found: Detections) -> np.ndarray:
    """(M, 4) sizes and elevation."""
    assert found.size is not None
    z = np.zeros(len(found)) if found.elevation is None else found.elevation
    return np.concatenate([found.size, z[:, None]], 1)
