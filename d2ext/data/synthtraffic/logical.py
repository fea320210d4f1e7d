"""Logical anomalies: every vehicle drives as it may, and the pattern is wrong."""

from __future__ import annotations

import numpy as np

from d2ext.data.synthtraffic.anomaly import Anomaly
from d2ext.data.synthtraffic.world import CYCLE, DURATION, RED, STEP, Gate
from d2ext.data.trajectories import Interval, Tracks

STANDING = 2.0  # m/s, the speed below which a vehicle counts as queuing


class Queue(Anomaly):
    """Vehicles that queue where or when none should."""

    def queued(
        self, tracks: Tracks, low: float, high: float, start: float, end: float, least: int = 5
    ) -> list[Interval]:
        """The vehicles that stand between two positions in some time, the first to stand first; none where
        they are fewer than ``least``."""
        shows = (tracks.speed < STANDING) & (tracks.position > low) & (tracks.position < high)
        shows &= (tracks.time >= start) & (tracks.time <= end)
        found = []
        for index in np.unique(tracks.track[shows]):
            time = tracks.time[shows & (tracks.track == index)]
            if len(time) * STEP >= 3:
                found.append(Interval(str(tracks.ids[index]), float(time.min()), float(time.max())))
        return sorted(found, key=lambda i: i.start) if len(found) >= least else []


class SpillBack(Queue):
    """The road after the section is blocked, and the queue grows back through the junction."""

    hours = (16.0, 19.0)

    def setup(self) -> None:
        """Close the road behind the junction for 75 to 95 s."""
        start = float(self.rng.uniform(5, 30))
        self.gate = Gate(self.section.length + 8.0, closed=(start, start + float(self.rng.uniform(75, 95))))
        self.world.gates.append(self.gate)

    def intervals(self, tracks: Tracks) -> list[Interval]:
        """The vehicles that queue from the closed place back into the junction."""
        low, (start, end) = self.section.stop_line + 3, self.gate.closed
        return self.queued(tracks, low, self.section.length, start, end + 20, least=self.section.spill_back)


class PhantomQueue(Queue):
    """Vehicles queue in both lanes where there is no signal."""

    hours = (7.0, 19.0)

    def setup(self) -> None:
        """Close an empty place of the road for 25 to 38 s."""
        start = float(self.rng.uniform(10, 80))
        place = float(self.rng.uniform(*self.section.phantom))
        self.gate = Gate(place, closed=(start, start + float(self.rng.uniform(25, 38))))
        self.world.gates.append(self.gate)

    def intervals(self, tracks: Tracks) -> list[Interval]:
        """The vehicles that queue before that place."""
        return self.queued(tracks, 0, self.gate.position, self.gate.closed[0], self.gate.closed[1] + 8)


class SkippedGreen(Queue):
    """The signal stays red for a cycle too long."""

    hours = (7.0, 19.0)

    def setup(self) -> None:
        """Keep the signal red through the first green that leaves time to see the whole."""
        signal = self.world.signal
        assert signal.offset is not None
        # the first end of red after the start of the recording that leaves time to see the whole
        end_of_red = (RED - signal.offset) % CYCLE
        self.closed = (end_of_red, end_of_red + CYCLE - RED)
        signal.closed = (self.closed[0] - 1.0, self.closed[1])

    def intervals(self, tracks: Tracks) -> list[Interval]:
        """The vehicles that queue at the signal while it should be green; none where the recording ends
        before."""
        if self.closed[1] > DURATION - 10:
            return []
        return self.queued(tracks, 0, self.section.stop_line, self.closed[0] + 4, self.closed[1] + 4)
