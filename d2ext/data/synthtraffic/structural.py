"""Structural anomalies: a vehicle drives as none should."""

from __future__ import annotations

import numpy as np

from d2ext.data.synthtraffic.anomaly import Anomaly
from d2ext.data.synthtraffic.driver import Vehicle
from d2ext.data.synthtraffic.world import LANES, SPEED_LIMIT, STEP
from d2ext.data.trajectories import Interval, Tracks


class Stopped(Anomaly):
    """A vehicle breaks down in its lane, away from the signal, and drives on after a while."""

    def setup(self) -> None:
        """From 15 to 75 s on, for 25 to 45 s."""
        self.start = float(self.rng.uniform(15, 75))
        self.hold = float(self.rng.uniform(25, 45))

    def act(self) -> None:
        """Brake a vehicle that is well before the signal, hold it, and let it go."""
        if self.vehicle is None:
            candidates = self.pick(*self.section.breakdown) if self.world.time >= self.start else []
            if candidates:
                self.vehicle, self.begin = candidates[0], self.world.time
            return
        if self.world.time > self.begin + self.hold:
            self.vehicle.forced = None
        else:
            self.vehicle.forced = max(-3.0, -self.vehicle.speed / STEP)

    def intervals(self, tracks: Tracks) -> list[Interval]:
        """While the vehicle stands, if for at least 15 s."""
        during = (tracks.time >= self.begin) & (tracks.time <= self.begin + self.hold)
        return self.own_interval(tracks, during & (tracks.speed < 0.3), 15)


class Reversing(Anomaly):
    """A vehicle stops and drives back against its lane for some car lengths."""

    def setup(self) -> None:
        """From 15 to 90 s on, over some car lengths."""
        self.start = float(self.rng.uniform(15, 90))
        self.distance = float(self.rng.uniform(*self.section.backing))
        self.from_position: float | None = None
        self.turned = False

    def act(self) -> None:
        """Brake to a stop, go back, stop again and drive on."""
        if self.vehicle is None:
            if self.world.time >= self.start:
                self._choose()
            return
        v = self.vehicle
        if self.from_position is None:
            v.forced = max(-3.0, -v.speed / STEP)
            if v.speed <= 0:
                self.from_position = v.position
        elif not self.turned:
            v.forced = max(-1.5, (-4.0 - v.speed) / STEP)
            self.turned = v.position < self.from_position - self.distance
        else:
            v.forced = None if v.speed >= 0 else min(2.5, -v.speed / STEP)

    def _choose(self) -> None:
        for candidate in self.pick(*self.section.turn_back):
            _, follower = self.world.neighbours(candidate, candidate.lane)
            if follower is None or follower.gap_to(candidate) > 70:
                self.vehicle, self.begin = candidate, self.world.time
                return

    def intervals(self, tracks: Tracks) -> list[Interval]:
        """While the vehicle goes back, if for at least 6 s."""
        return self.own_interval(tracks, tracks.speed < -0.3, 6)


class WrongWay(Anomaly):
    """A vehicle drives through the whole section against its lane; the others evade it."""

    hours = (5.0, 6.5)

    def setup(self) -> None:
        """From 5 to 80 s on, at 8 to 13 m/s."""
        self.start = float(self.rng.uniform(5, 80))
        self.speed = float(self.rng.uniform(8, 13))

    def act(self) -> None:
        """Let it in at the far end; whoever meets it leaves the lane or brakes."""
        world = self.world
        if self.vehicle is None:
            if world.time >= self.start:
                lane = int(self.rng.choice(LANES))
                self.vehicle = world.add(lane, self.section.length + 10.0, -self.speed)
                self.vehicle.forced = 0.0
            return
        for other in list(world.lanes[self.vehicle.lane]):
            ahead = self.vehicle.position - other.position
            if other is not self.vehicle and 0 < ahead < 120:
                leader, follower = world.neighbours(other, LANES[0] + LANES[1] - other.lane)
                clear = leader is None or other.gap_to(leader) > 3.0
                if clear and (follower is None or follower.gap_to(other) > 4.0):
                    world.change_lane(other)

    def intervals(self, tracks: Tracks) -> list[Interval]:
        """All its way, if it takes long enough."""
        return self.own_interval(tracks, tracks.speed < -1, self.section.wrong_way)


class Speeding(Anomaly):
    """A vehicle drives at about twice the speed limit."""

    hours = (5.0, 6.5)

    def setup(self) -> None:
        """From up to 100 s on."""
        self.start = float(self.rng.uniform(0, 100))

    def act(self) -> None:
        """Let it in at about twice the limit, as soon as a lane is free behind the road's begin."""
        world = self.world
        if self.vehicle is not None or world.time < self.start:
            return
        for lane in LANES:
            rear = world.lanes[lane][0] if world.lanes[lane] else None
            if rear is None or rear.position > 0:
                speed = float(self.rng.uniform(1.8, 2.1)) * SPEED_LIMIT
                self.vehicle = world.add(
                    lane, -60.0, speed, desired_speed=speed, headway=0.6, acceleration=2.5, eager=True
                )
                return

    def intervals(self, tracks: Tracks) -> list[Interval]:
        """While it is faster than one and a half times the limit, if for long enough."""
        return self.own_interval(tracks, tracks.speed > 1.5 * SPEED_LIMIT, self.section.speeding)


class Weaving(Anomaly):
    """A vehicle changes lanes again and again."""

    def setup(self) -> None:
        """From 5 to 90 s on."""
        self.start = float(self.rng.uniform(5, 90))
        self.changes: list[float] = []

    def act(self) -> None:
        """Change lanes every few seconds where there is room, as far as the section lets it."""
        world = self.world
        if self.vehicle is None:
            candidates = self.pick(*self.section.weave) if world.time >= self.start else []
            if candidates:
                self.vehicle = candidates[0]
            return
        v = self.vehicle
        due = not self.changes or world.time - self.changes[-1] >= self.section.weave_period
        if due and v.position < self.section.weave_end and v.speed > 3:
            leader, follower = world.neighbours(v, LANES[0] + LANES[1] - v.lane)
            clear = leader is None or v.gap_to(leader) > 3.0
            if clear and (follower is None or follower.gap_to(v) > 3.0):
                world.change_lane(v)
                self.changes.append(world.time)

    def intervals(self, tracks: Tracks) -> list[Interval]:
        """Around its changes of lane, if enough of them come soon enough."""
        last = self.section.weave_changes - 1
        if len(self.changes) <= last or self.changes[last] - self.changes[0] > self.section.weave_time:
            return []
        during = (tracks.time >= self.changes[0] - 2) & (tracks.time <= self.changes[-1] + 2)
        return self.own_interval(tracks, during, self.section.weave_least)


class CutIn(Anomaly):
    """A vehicle changes right in front of another and brakes, which makes that one brake hard."""

    def setup(self) -> None:
        """From 10 to 60 s on."""
        self.start = float(self.rng.uniform(10, 60))
        self.victim: Vehicle | None = None

    def act(self) -> None:
        """Choose who cuts in before whom, and let it brake for 3 s."""
        world = self.world
        if self.vehicle is None:
            if world.time >= self.start:
                self._choose()
        elif self.vehicle.forced is not None:
            if world.time - self.begin > 3.0 or self.vehicle.speed < 3.0:
                self.vehicle.forced = None

    def _choose(self) -> None:
        for candidate in self.pick(*self.section.cut_in, speed=9.0):
            leader, follower = self.world.neighbours(candidate, LANES[0] + LANES[1] - candidate.lane)
            if follower is None or not 2.0 < follower.gap_to(candidate) < 7.0 or follower.speed < 9.0:
                continue
            if leader is None or candidate.gap_to(leader) > 15.0:
                self.vehicle, self.victim, self.begin = candidate, follower, self.world.time
                self.world.change_lane(candidate)
                candidate.forced = -4.0
                follower.last_change = self.begin  # it has no time to evade
                return

    def intervals(self, tracks: Tracks) -> list[Interval]:
        """Who cuts in, and who has to brake harder than 4.5 m/s² for it; none where nobody has to."""
        if self.vehicle is None or self.victim is None:
            return []
        during = (tracks.time >= self.begin - 1) & (tracks.time <= self.begin + 6)
        victim = tracks.of(str(self.victim.number))
        soon = (victim.time >= self.begin) & (victim.time <= self.begin + 3)
        if soon.sum() * STEP < 3 or np.diff(victim.speed[soon]).min() / STEP > -4.5:
            return []
        if np.ptp(victim.speed[soon]) < 5:
            return []
        own = self.own_interval(tracks, during, 5)
        end = float(min(self.begin + 6, victim.time.max()))
        return own and [*own, Interval(str(self.victim.number), self.begin, end)]
