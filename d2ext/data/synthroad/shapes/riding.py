"""What is ridden on: bars, smooth bodies, and how a rider sits between saddle, handlebar and pedals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from d2ext.data.synthroad.mesh import Model, loft, mirrored, tube
from d2ext.data.synthroad.shapes.figure import Pose


def rods(model: Model, pairs: Sequence[tuple], radius: float, chart: int) -> None:
    """Thin round bars between points (x, y) in the middle plane, or (x, y, z)."""
    for k, (a, b) in enumerate(pairs):
        start, end = ((*p, 0.0) if len(p) == 2 else p for p in (a, b))
        quads, inside = tube(start, end, (radius, radius), 4)
        model.add(quads, chart, inside, crease=95, join=k > 0)


def hull(
    model: Model, sections: Sequence[tuple[float, float, float, float]], chart: int, crease: float = 50
) -> None:
    """A smooth body through sections (x, bottom, top, half width)."""
    rows = []
    for x, low, high, wide in sections:
        tall = high - low
        rows.append(
            [
                (x, low, 0),
                (x, low, 0.75 * wide),
                (x, low + 0.35 * tall, wide),
                (x, high - 0.2 * tall, 0.85 * wide),
                (x, high, 0.45 * wide),
                (x, high, 0),
            ]
        )
    quads, inside = loft(mirrored(np.array(rows)))
    model.add(quads, chart, inside, crease=crease)


def rider(
    hip: tuple[float, float],
    neck: tuple[float, float],
    grip: tuple[float, float, float],
    feet: Sequence[tuple[float, float]],
    apart: float = 0.09,
) -> Pose:
    """A rider between seat, handlebar and pedals, all (x, y); knees and elbows bend as they must."""
    hips, top = np.array([*hip, 0.0]), np.array([*neck, 0.0])
    knees, ankles, elbows, hands = [], [], [], []
    for k, sign in enumerate((1, -1)):
        ankle = np.array([*feet[k], apart * sign])
        hand = np.array([grip[0], grip[1], grip[2] * sign])
        shoulder = top + [0, -0.065, 0.165 * sign]
        knees.append(_bend(hips + [0, 0, 0.085 * sign], ankle, 0.44, 0.43, 1.0))
        elbows.append(_bend(shoulder, hand, 0.30, 0.27, -1.0) + [0, 0, 0.05 * sign])
        ankles.append(ankle)
        hands.append(hand)
    return Pose(hips, top, knees, ankles, elbows, hands)


def _bend(start: np.ndarray, end: np.ndarray, upper: float, lower: float, way: float) -> np.ndarray:
    """The joint between two bones, bent forward (way 1) or backward and down (-1)."""
    axis = end - start
    length = min(float(np.linalg.norm(axis)), 0.995 * (upper + lower))
    axis = axis / max(float(np.linalg.norm(axis)), 1e-9)
    along = (upper**2 - lower**2 + length**2) / (2 * length)
    off = max(upper**2 - along**2, 0.0) ** 0.5
    across = np.array([-axis[1], axis[0], 0.0])
    across /= max(float(np.linalg.norm(across)), 1e-9)
    if across[0] * way < 0:
        across = -across
    return start + axis * along + across * off
