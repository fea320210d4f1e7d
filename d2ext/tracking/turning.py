"""Extended Kalman filter of many objects that move along their heading at a turn rate (CTRV).

State (N, 5): x, y (m), heading (rad), speed (m/s along the heading), yaw rate (rad/s). The chord of a circle
gives the motion without a singular case: an object that turns by 2u on the way v dt moves v dt sin(u)/u in
the direction heading + u. Process noise is white acceleration and white yaw acceleration in continuous time,
so that two steps of half the time are as one (Y. Bar-Shalom, X. Li, T. Kirubarajan, "Estimation with
Applications to Tracking and Navigation", sections 6.2 and 11.7; R. Schubert, E. Richter, G. Wanielik,
"Comparison and Evaluation of Advanced Motion Models for Vehicle Tracking", FUSION 2008).
"""

from __future__ import annotations

import math

import numpy as np

#: s; a longer way is gone in several steps, between which the linearisation is renewed.
LONGEST_STEP = 0.5


def wrap(angle: np.ndarray) -> np.ndarray:
    """Angles in [-pi, pi)."""
    return np.remainder(angle + np.pi, 2 * np.pi) - np.pi


def predict(
    mean: np.ndarray,
    cov: np.ndarray,
    dt: float,
    speed_walk: np.ndarray,
    turn_walk: np.ndarray,
    turn_decay: float = math.inf,
) -> tuple[np.ndarray, np.ndarray]:
    """States and covariances ``dt`` seconds later.

    Args:
        mean, cov: (N, 5), (N, 5, 5).
        speed_walk: (N,) m/s in a second.
        turn_walk: (N,) rad/s in a second.
        turn_decay: s, in which the yaw rate falls to 1/e; inf: it stays.
    """
    steps = max(1, math.ceil(dt / LONGEST_STEP - 1e-9))
    for _ in range(steps):
        mean, cov = _step(mean, cov, dt / steps, speed_walk, turn_walk, turn_decay)
    return mean, cov


def _step(
    mean: np.ndarray,
    cov: np.ndarray,
    dt: float,
    speed_walk: np.ndarray,
    turn_walk: np.ndarray,
    turn_decay: float,
) -> tuple[np.ndarray, np.ndarray]:
    keep, turn_time, turn_noise = _turn(dt, turn_decay)
    x, y, heading, speed, yaw_rate = mean.T
    half = yaw_rate * (turn_time / 2)
    direction = heading + half
    cos, sin = np.cos(direction), np.sin(direction)
    chord = np.sinc(half / np.pi)
    way = speed * dt
    moved = mean.copy()
    moved[:, 0] += way * chord * cos
    moved[:, 1] += way * chord * sin
    moved[:, 2] = wrap(heading + 2 * half)
    moved[:, 4] *= keep

    small = np.abs(half) < 1e-3
    safe = np.where(small, 1.0, half)
    slope = np.where(small, -half / 3, (np.cos(safe) - chord) / safe)  # of sin(u) / u
    jacobian = np.zeros_like(cov)
    jacobian[:, range(5), range(5)] = 1.0
    jacobian[:, 0, 2] = -way * chord * sin
    jacobian[:, 1, 2] = way * chord * cos
    jacobian[:, 0, 3] = dt * chord * cos
    jacobian[:, 1, 3] = dt * chord * sin
    jacobian[:, 0, 4] = way * (turn_time / 2) * (slope * cos - chord * sin)
    jacobian[:, 1, 4] = way * (turn_time / 2) * (slope * sin + chord * cos)
    jacobian[:, 2, 4] = turn_time
    jacobian[:, 4, 4] = keep
    spread = jacobian @ cov @ jacobian.transpose(0, 2, 1)
    _add_noise(spread, np.stack([cos, sin], 1), dt, speed_walk**2, turn_walk**2, turn_noise)
    return moved, spread


def _turn(dt: float, decay: float) -> tuple[float, float, tuple[float, float, float]]:
    """What is left of the yaw rate, the time it acts for, and the variances of a unit walk: of the heading,
    of both, of the yaw rate (integrated Ornstein-Uhlenbeck process)."""
    rate = 1 / decay
    if rate * dt < 1e-4:
        return 1.0, dt, (dt**3 / 3, dt**2 / 2, dt)
    keep = math.exp(-rate * dt)
    gone, twice = 1 - keep, 1 - keep * keep
    heading = (rate * dt - 2 * gone + twice / 2) / rate**3
    return keep, gone / rate, (heading, gone**2 / (2 * rate**2), twice / (2 * rate))


def _add_noise(
    cov: np.ndarray,
    direction: np.ndarray,
    dt: float,
    speed: np.ndarray,
    turn: np.ndarray,
    turn_noise: tuple[float, float, float],
) -> None:
    """Add the process noise; ``speed`` and ``turn`` are variances a second."""
    along = speed * (dt**3 / 3)
    cov[:, :2, :2] += along[:, None, None] * direction[:, :, None] * direction[:, None, :]
    both = (speed * (dt**2 / 2))[:, None] * direction
    cov[:, :2, 3] += both
    cov[:, 3, :2] += both
    cov[:, 3, 3] += speed * dt
    cov[:, 2, 2] += turn * turn_noise[0]
    cov[:, 2, 4] += turn * turn_noise[1]
    cov[:, 4, 2] += turn * turn_noise[1]
    cov[:, 4, 4] += turn * turn_noise[2]


def update(
    mean: np.ndarray, cov: np.ndarray, measured: np.ndarray, noise: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """States and covariances after a measurement of x, y and heading.

    A heading that is more than a quarter turn off counts as the opposite one.

    Args:
        mean, cov: (N, 5), (N, 5, 5).
        measured: (N, 3).
        noise: (N, 3, 3) its covariance.
    """
    innovation = measured - mean[:, :3]
    innovation[:, 2] = np.remainder(innovation[:, 2] + np.pi / 2, np.pi) - np.pi / 2
    crossed = cov[:, :, :3]
    gain = crossed @ np.linalg.inv(cov[:, :3, :3] + noise)
    mean = mean + (gain @ innovation[:, :, None])[:, :, 0]
    mean[:, 2] = wrap(mean[:, 2])
    cov = cov - gain @ crossed.transpose(0, 2, 1)
    return mean, (cov + cov.transpose(0, 2, 1)) / 2


def turn_round(mean: np.ndarray, cov: np.ndarray, rows: np.ndarray) -> None:
    """Let the objects of ``rows`` (a mask) face the other way, in place: they move as before."""
    mean[rows, 2] = wrap(mean[rows, 2] + np.pi)
    mean[rows, 3] *= -1
    cov[rows, 3, :] *= -1
    cov[rows, :, 3] *= -1
