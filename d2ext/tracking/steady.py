"""Kalman filters of many quantities, each of which changes at a steady rate.

State (N, C, 2): C quantities and their rates, independent of each other; covariance (N, C, 3): of the
quantity, of both, of the rate. Process noise is white acceleration in continuous time.
"""

from __future__ import annotations

import numpy as np


def predict(mean: np.ndarray, cov: np.ndarray, dt: float, walk: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """States ``dt`` seconds later.

    Args:
        mean, cov: (N, C, 2), (N, C, 3).
        walk: (N, C) or (C,), by which a rate drifts in a second.
    """
    value, rate = mean[..., 0], mean[..., 1]
    p, q, r = cov[..., 0], cov[..., 1], cov[..., 2]
    noise = walk**2
    moved = np.stack([value + rate * dt, rate], -1)
    spread = np.stack(
        [
            p + dt * (2 * q + dt * r) + noise * (dt**3 / 3),
            q + dt * r + noise * (dt**2 / 2),
            r + noise * dt,
        ],
        -1,
    )
    return moved, spread


def update(
    mean: np.ndarray, cov: np.ndarray, innovation: np.ndarray, noise: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """States after a measurement of the quantities.

    Args:
        mean, cov: (N, C, 2), (N, C, 3).
        innovation: (N, C) what was measured less what was expected.
        noise: (N, C) its variance.
    """
    p, q, r = cov[..., 0], cov[..., 1], cov[..., 2]
    total = p + noise
    gain, rate_gain = p / total, q / total
    mean = mean + np.stack([gain * innovation, rate_gain * innovation], -1)
    return mean, np.stack([p - gain * p, q - gain * q, r - rate_gain * q], -1)


def settle(
    value: np.ndarray, variance: np.ndarray, measured: np.ndarray, noise: np.ndarray | float
) -> tuple[np.ndarray, np.ndarray]:
    """Values and variances, of any shape, after a measurement: the filter of what hardly changes."""
    gain = variance / (variance + noise)
    return value + gain * (measured - value), variance * (1 - gain)
