"""From the simulation's lanes and positions to the paths of bodies: where they are, and which way they face.

The simulation changes a vehicle's lane at once, every 0.2 s. Here its way across is a smooth function of the
metres that it has driven, so that it turns as it changes lanes, crosses the line between them at the moment
of the simulation's change, and stands still when it stops.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from d2ext.data.synthtraffic.world import STEP, Row

# A change of lane takes this many seconds, and so many metres at least and at most.
_CHANGE_TIME, _SHORTEST, _LONGEST = 2.4, 12.0, 34.0
_BRAKES = 0.7  # m/s^2, from which on nobody just lets it roll


@dataclass(frozen=True)
class Path:
    """A vehicle's way, along its lane's direction of traffic, every half step of the simulation.

    Args:
        number: of the vehicle.
        tick: (N,) int, the moment in half steps (0.1 s) since the recording began.
        position, speed: (N,) m and m/s along the lane; the speed is negative against it.
        lane: (N,) the simulation's lane.
        across: (N,) m, in the coordinate that ``center_of`` gives.
        slope: (N,) metres across for each metre along.
        braking: (N,) bool, it slows down, or stands.
        backwards: it faces against its lane all the time.
    """

    number: int
    tick: np.ndarray
    position: np.ndarray
    speed: np.ndarray
    lane: np.ndarray
    across: np.ndarray
    slope: np.ndarray
    braking: np.ndarray
    backwards: bool


def make_paths(rows: list[Row], center_of: Callable[[int], float], seed: list[int]) -> list[Path]:
    """The ways of all vehicles of a simulation.

    Args:
        rows: as ``simulate`` records them.
        center_of: m, the place across of a lane's middle.
        seed: of how each keeps its lane.
    """
    by_number: dict[int, list[Row]] = {}
    for row in rows:
        by_number.setdefault(row[0], []).append(row)
    return [_path(own, center_of, seed) for _, own in sorted(by_number.items()) if len(own) > 1]


def _path(rows: list[Row], center_of: Callable[[int], float], seed: list[int]) -> Path:
    number = rows[0][0]
    time, lane, position, speed = (np.array(column) for column in list(zip(*rows, strict=True))[1:])
    tick, position, speed, lane = _doubled(np.rint(time / STEP).astype(int), position, speed, lane)
    driven = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(position)))])
    across = np.full(len(driven), center_of(int(lane[0])))
    turn = np.zeros(len(driven))  # metres across for each metre driven
    for i in np.flatnonzero(np.diff(lane)) + 1:
        step = center_of(int(lane[i])) - center_of(int(lane[i - 1]))
        length = float(np.clip(_CHANGE_TIME * abs(speed[i]), _SHORTEST, _LONGEST))
        share = np.clip((driven - (driven[i - 1] + driven[i]) / 2) / length + 0.5, 0, 1)
        # The quintic that begins and ends without curvature.
        across += step * share**3 * (10 - 15 * share + 6 * share**2)
        turn += step / length * 30 * (share * (1 - share)) ** 2
    rng = np.random.default_rng([*seed, number])
    wave, phase = 2 * np.pi / rng.uniform(60, 140), rng.uniform(0, 2 * np.pi)
    sway, aside = rng.uniform(0.03, 0.15), float(np.clip(rng.normal(0, 0.12), -0.25, 0.25))
    across += aside + sway * np.sin(wave * driven + phase)
    turn += sway * wave * np.cos(wave * driven + phase)
    # Standing, the sign of the last movement holds: a vehicle does not turn on the spot.
    sign = np.sign(speed)
    moved = np.maximum.accumulate(np.where(sign != 0, np.arange(len(sign)), 0))
    sign = np.where(sign[moved] == 0, 1.0, sign[moved])
    backwards = bool(position[-1] < position[0] and (speed < 0).mean() > 0.9)
    slower = np.gradient(np.abs(speed), 0.5 * STEP) < -_BRAKES
    braking = slower | (np.abs(speed) < 0.1)
    return Path(number, tick, position, speed, lane, across, turn * sign, braking, backwards)


def _doubled(tick: np.ndarray, position: np.ndarray, speed: np.ndarray, lane: np.ndarray) -> tuple:
    """Steps and the moments half way between them; the acceleration is constant in each."""
    between = STEP * (3 * speed[:-1] + speed[1:]) / 8
    return (
        _woven(2 * tick, 2 * tick[:-1] + 1),
        _woven(position, position[:-1] + between),
        _woven(speed, (speed[:-1] + speed[1:]) / 2),
        _woven(lane, lane[:-1]),
    )


def _woven(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    out = np.empty(len(a) + len(b), a.dtype)
    out[::2], out[1::2] = a, b
    return out
