"""What every anomaly of a recording has."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from d2ext.data.synthtraffic.driver import Vehicle
from d2ext.data.synthtraffic.world import STEP, World
from d2ext.data.trajectories import Interval, Tracks


class Anomaly(ABC):
    """One anomaly in a world.

    Args:
        world: where it happens.
    """

    #: hours of the day at which it is staged
    hours: ClassVar[tuple[float, float]] = (6.0, 22.0)

    def __init__(self, world: World) -> None:
        self.world, self.section = world, world.section
        self.rng = world.rng
        self.vehicle: Vehicle | None = None
        self.begin = 0.0  # s, when it began
        self.setup()

    def setup(self) -> None:  # noqa: B027 (need not be there)
        """Choose times and places."""

    def act(self) -> None:  # noqa: B027
        """Interfere before a step."""

    @abstractmethod
    def intervals(self, tracks: Tracks) -> list[Interval]:
        """The vehicles that show it, the one that is responsible first; none where it did not come about."""

    def own_interval(self, tracks: Tracks, shows: np.ndarray, least: float) -> list[Interval]:
        """From the first to the last of the vehicle's rows (bool over all rows) if it shows it for ``least``
        s."""
        if self.vehicle is None:
            return []
        own = shows & (tracks.ids[tracks.track] == str(self.vehicle.number))
        time = tracks.time[own]
        if len(time) * STEP < least:
            return []
        return [Interval(str(self.vehicle.number), float(time.min()), float(time.max()))]

    def pick(self, low: float, high: float, speed: float = 8.0) -> list[Vehicle]:
        """Vehicles between two positions that drive at least at ``speed``."""
        return [v for v in self.world.vehicles() if low < v.position < high and v.speed >= speed]
