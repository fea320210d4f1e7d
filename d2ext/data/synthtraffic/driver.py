"""How vehicles accelerate and change lanes.

Car following: the Intelligent Driver Model (Treiber, Hennecke, Helbing, "Congested traffic states in
empirical observations and microscopic simulations", Physical Review E 62, 2000, equations 2 and 3). Lane
changes: MOBIL (Kesting, Treiber, Helbing, "General lane-changing model MOBIL for car-following models",
Transportation Research Record 1999, 2007, equations 2 and 3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

MAX_BRAKING = 9.0  # m/s^2, what tyres hold
SAFE_BRAKING = 2.0  # m/s^2, that a lane change may ask of the new follower
CHANGE_GAIN = 0.4  # m/s^2, the least advantage worth a lane change
POLITENESS = 0.3
LENGTH = 5.0  # m, of a vehicle


@dataclass(slots=True, eq=False)
class Vehicle:
    """A vehicle and its driver. ``position`` (m) is its middle.

    Args:
        desired_speed: m/s, on a free road.
        headway: s to the vehicle in front.
        acceleration: m/s^2, the greatest.
        braking: m/s^2, comfortable.
        min_gap: m, standing.
        forced: m/s^2, the acceleration of a vehicle that does not follow the model; None for all others.
        eager: changes lanes at any advantage.
        length: m.
    """

    number: int
    lane: int
    position: float
    speed: float
    desired_speed: float
    headway: float = 1.2
    acceleration: float = 1.6
    braking: float = 2.0
    min_gap: float = 2.0
    last_change: float = -math.inf
    forced: float | None = None
    eager: bool = False
    length: float = LENGTH

    def gap_to(self, leader: Vehicle) -> float:
        """Metres between this vehicle's front and the leader's rear."""
        return leader.position - self.position - (self.length + leader.length) / 2

    def follow(self, gap: float, leader_speed: float) -> float:
        """m/s^2 behind something ``gap`` metres ahead that moves at ``leader_speed``; math.inf is a free
        road."""
        free = 1 - (self.speed / self.desired_speed) ** 4
        closing = self.speed * (self.speed - leader_speed) / (2 * math.sqrt(self.acceleration * self.braking))
        desired_gap = self.min_gap + max(0.0, self.speed * self.headway + closing)
        return max(-MAX_BRAKING, self.acceleration * (free - (desired_gap / max(gap, 0.1)) ** 2))

    def behind(self, leader: Vehicle | None) -> float:
        """m/s^2 behind a vehicle, or on a free road."""
        return (
            self.follow(math.inf, 0.0) if leader is None else self.follow(self.gap_to(leader), leader.speed)
        )


def wants_to_change(
    me: Vehicle,
    leader: Vehicle | None,
    follower: Vehicle | None,
    new_leader: Vehicle | None,
    new_follower: Vehicle | None,
) -> bool:
    """MOBIL: safe for the new follower, and better for all three drivers by more than ``CHANGE_GAIN``."""
    if new_leader is not None and me.gap_to(new_leader) < me.min_gap:
        return False
    gain = me.behind(new_leader) - me.behind(leader)
    others = 0.0
    if new_follower is not None:
        after = new_follower.behind(me)
        if new_follower.gap_to(me) < me.min_gap or after < -SAFE_BRAKING:
            return False
        others += after - new_follower.behind(new_leader)
    if follower is not None:
        others += follower.behind(leader) - follower.behind(me)
    if me.eager:
        return gain > 0.1
    return gain + POLITENESS * others > CHANGE_GAIN
