"""What is on a tiny road, as rows of KITTI's tracking labels."""

from __future__ import annotations

import numpy as np

SIZE, FRAMES = (48, 64), 80
#: m above the road, which lies level.
HEIGHT = 6.0


def row(frame: int, track: int, x: float, y: float, heading: float) -> str:
    """A car on the ground, x to the right and y ahead."""
    return f"{frame} {track} Car 0 0 0 10 10 20 20 1.5 1.8 4.5 {x} {HEIGHT} {y} {-heading}\n"


def traffic(frames: int) -> str:
    """Three cars on two lanes that lead away: one drives, one stands, one comes the wrong way after 3 s."""
    rows = []
    for f in range(frames):
        t = f / 10
        rows.append(row(f, 1, 0.0, 10 + 8 * t, np.pi / 2))
        rows.append(row(f, 2, 3.5, 40.0, np.pi / 2))
        if t >= 3:
            rows.append(row(f, 3, 0.0, 90 - 7 * (t - 3), -np.pi / 2))
    return "".join(rows)
