"""A road section with two lanes and a signal, simulated in steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from d2ext.data.synthtraffic.driver import LENGTH, Vehicle, wants_to_change
from d2ext.data.synthtraffic.section import ARTERIAL, Section
from d2ext.data.trajectories import Tracks

LANES = (1, 2)
SECTION = ARTERIAL.length  # m that are recorded, from 0
STOP_LINE = ARTERIAL.stop_line  # m
ENTRY = -160.0  # m, where vehicles appear
SPEED_LIMIT = 13.9  # m/s
CYCLE, RED = 60.0, 28.0  # s, of the signal; amber is part of red
STEP = 0.2  # s, of the simulation and between the rows of a vehicle
DURATION = 128.0  # s that are recorded
WARM_UP = 80.0  # s before
COMMITTED = 2.0  # m/s^2: who would have to brake harder drives on when a gate closes
CHANGE_PERIOD = 5  # steps between two thoughts of changing lanes
CHANGE_REST = 6.0  # s between two changes
CHANGE_SPEED = 2.0  # m/s, the least


def demand(hour: float) -> float:
    """Vehicles a second and lane at a time of day: two rush hours over a low base."""
    morning = math.exp(-(((hour - 8.0) / 1.3) ** 2))
    evening = math.exp(-(((hour - 17.5) / 1.8) ** 2))
    day = 1 / (1 + math.exp(-(hour - 6.5) * 2)) / (1 + math.exp((hour - 21.5) * 2))
    return 0.03 + 0.05 * day + 0.08 * morning + 0.09 * evening


#: Number, time, lane, position and speed of a vehicle at a moment.
Row = tuple[int, float, int, float, float]


@dataclass
class Gate:
    """A line at which vehicles stop while it is closed: a signal, or an obstacle that none can see in the
    graph.

    Args:
        position: m.
        offset: s into its cycle at time 0; None for a gate without a cycle.
        closed: [start, end) s at which it is closed besides.
    """

    position: float
    offset: float | None = None
    closed: tuple[float, float] = (math.inf, math.inf)
    passing: set[int] = field(default_factory=set)
    was_closed: bool = False

    def cycle_closed(self, time: float) -> bool:
        """Whether the cycle alone closes it."""
        return self.offset is not None and (time + self.offset) % CYCLE < RED

    def is_closed(self, time: float) -> bool:
        """Whether vehicles must stop."""
        return self.cycle_closed(time) or self.closed[0] <= time < self.closed[1]

    def update(self, time: float, vehicles: list[Vehicle]) -> None:
        """When it closes, remember who can no longer stop."""
        closed = self.is_closed(time)
        if closed and not self.was_closed:
            self.passing = {v.number for v in vehicles if self._too_close(v)}
        self.was_closed = closed

    def distance(self, vehicle: Vehicle) -> float:
        """m from the vehicle's front."""
        return self.position - vehicle.position - vehicle.length / 2

    def stops(self, vehicle: Vehicle) -> bool:
        """Whether this vehicle stops at it now."""
        return self.was_closed and self.distance(vehicle) > -0.5 and vehicle.number not in self.passing

    def _too_close(self, vehicle: Vehicle) -> bool:
        distance = self.distance(vehicle)
        return distance <= 0 or vehicle.speed**2 / (2 * distance) > COMMITTED


class World:
    """The simulated section. Time 0 is the start of the recording, after the warm-up.

    Args:
        rng: source of all chance.
        hour: time of day, for the demand.
        section: what is recorded.
        length_of: m, the length of a vehicle by its number; None: all are of one length.
        offset: s, of the signal, as in :class:`Gate`; None: any.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        hour: float,
        section: Section = ARTERIAL,
        length_of: Callable[[int], float] | None = None,
        offset: float | None = None,
    ) -> None:
        self.rng, self.hour, self.section = rng, hour, section
        self.length_of = length_of or (lambda number: LENGTH)
        self.time = -WARM_UP
        self.signal = Gate(section.stop_line, offset=float(rng.uniform(0, CYCLE)))
        if offset is not None:
            self.signal.offset = offset
        self.gates = [self.signal]
        self.lanes: dict[int, list[Vehicle]] = {lane: [] for lane in LANES}
        self.collided = False
        self.rows: list[Row] = []
        self._count = 0
        self._next_arrival = {lane: self.time + self._pause() for lane in LANES}

    def vehicles(self) -> Iterator[Vehicle]:
        """All vehicles, lane by lane from the rear to the front."""
        for lane in LANES:
            yield from self.lanes[lane]

    def add(self, lane: int, position: float, speed: float, **driver: float | bool) -> Vehicle:
        """A new vehicle with a driver of its own, or with the given properties of :class:`Vehicle`."""
        rng = self.rng
        desired = SPEED_LIMIT * float(rng.uniform(0.88, 1.06))
        headway, acceleration = float(rng.uniform(1.0, 1.5)), float(rng.uniform(1.3, 1.9))
        vehicle = Vehicle(self._count, lane, position, speed, desired, headway, acceleration)
        vehicle.length = self.length_of(self._count)
        for name, value in driver.items():
            setattr(vehicle, name, value)
        self._count += 1
        self.lanes[lane].append(vehicle)
        self.sort()
        return vehicle

    def sort(self) -> None:
        """Put every vehicle into the list of its lane, from the rear to the front."""
        everyone = sorted(self.vehicles(), key=lambda v: v.position)
        for lane in LANES:
            self.lanes[lane] = [v for v in everyone if v.lane == lane]

    def neighbours(self, vehicle: Vehicle, lane: int) -> tuple[Vehicle | None, Vehicle | None]:
        """The next vehicles before and behind a vehicle's place in a lane."""
        leader = follower = None
        for other in self.lanes[lane]:
            if other is vehicle:
                continue
            if other.position >= vehicle.position:
                leader = other
                break
            follower = other
        return leader, follower

    def change_lane(self, vehicle: Vehicle) -> None:
        """Move a vehicle to the other lane at once."""
        vehicle.lane = LANES[0] + LANES[1] - vehicle.lane
        vehicle.last_change = self.time
        self.sort()

    def step(self) -> None:
        """One step of arrivals, lane changes and driving; records the rows of all vehicles."""
        self._arrive()
        for gate in self.gates:
            gate.update(self.time, list(self.vehicles()))
        for vehicle in list(self.vehicles()):
            if vehicle.forced is None and (round(self.time / STEP) + vehicle.number) % CHANGE_PERIOD == 0:
                self._consider_change(vehicle)
        accelerations = [(v, self._acceleration(v, leader)) for v, leader in self._pairs()]
        for vehicle, acceleration in accelerations:
            speed = vehicle.speed + acceleration * STEP
            if vehicle.forced is None:
                speed = max(0.0, speed)
            vehicle.position += 0.5 * (vehicle.speed + speed) * STEP
            vehicle.speed = speed
        self.time = round(self.time + STEP, 3)
        for lane in LANES:
            self.lanes[lane] = [v for v in self.lanes[lane] if ENTRY - 40 < v.position < self.section.exit]
        self.sort()
        self.collided |= any(leader is not None and v.gap_to(leader) < 0 for v, leader in self._pairs())
        if 0 <= self.time < DURATION:
            self.rows += [(v.number, self.time, v.lane, v.position, v.speed) for v in self.vehicles()]

    def tracks(self) -> Tracks:
        """What was recorded in the section, to 1 cm, without vehicles of a single row."""
        inside = [row for row in self.rows if 0 <= row[3] <= self.section.length]
        rows = sorted((n, time, lane, round(p, 2), round(v, 2)) for n, time, lane, p, v in inside)
        track = np.array([row[0] for row in rows], np.int64)
        rows = [row for row, n in zip(rows, np.bincount(track)[track], strict=True) if n > 1]
        number, time, lane, position, speed = (np.array(column) for column in zip(*rows, strict=True))
        numbers, track = np.unique(number, return_inverse=True)
        return Tracks(numbers.astype(str), track, time, lane, position, speed)

    def _pairs(self) -> Iterator[tuple[Vehicle, Vehicle | None]]:
        for lane in LANES:
            vehicles = self.lanes[lane]
            yield from zip(vehicles, [*vehicles[1:], None], strict=False)

    def _acceleration(self, vehicle: Vehicle, leader: Vehicle | None) -> float:
        if vehicle.forced is not None:
            return vehicle.forced
        acceleration = vehicle.behind(leader)
        for gate in self.gates:
            if gate.stops(vehicle):
                acceleration = min(acceleration, vehicle.follow(gate.distance(vehicle) + 1.0, 0.0))
        return acceleration

    def _consider_change(self, vehicle: Vehicle) -> None:
        rest = 2.0 if vehicle.eager else CHANGE_REST
        if vehicle.speed < CHANGE_SPEED or self.time - vehicle.last_change < rest:
            return
        low, high = self.section.solid_line
        if not vehicle.eager and low < vehicle.position < high:
            return
        other = LANES[0] + LANES[1] - vehicle.lane
        if wants_to_change(
            vehicle, *self.neighbours(vehicle, vehicle.lane), *self.neighbours(vehicle, other)
        ):
            self.change_lane(vehicle)

    def _pause(self) -> float:
        return 1.6 + float(self.rng.exponential(max(1 / demand(self.hour) - 1.6, 0.5)))

    def _arrive(self) -> None:
        for lane in LANES:
            if self.time < self._next_arrival[lane]:
                continue
            last = self.lanes[lane][0] if self.lanes[lane] else None
            speed = SPEED_LIMIT * 0.9 if last is None else min(SPEED_LIMIT * 0.9, last.speed + 2.0)
            length = 0.0 if last is None else (last.length + self.length_of(self._count)) / 2
            if last is not None and last.position - ENTRY - length < 3.0 + 1.5 * speed:
                continue  # the road is full: the vehicle waits outside
            self.add(lane, ENTRY, speed)
            self._next_arrival[lane] = self.time + self._pause()
