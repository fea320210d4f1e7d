"""The bodies of cars and vans as cross sections."""

from __future__ import annotations

import numpy as np

from d2ext.data.synthroad.mesh import mirrored
from d2ext.data.synthroad.shapes.car_specs import CarSpec


class Body:
    """A car's sections in metres, with the lines that its drawings follow."""

    def __init__(self, spec: CarSpec, rng: np.random.Generator) -> None:
        height, width, length = spec.size
        table = np.array(spec.sections)
        table[1:-1, 1:4] += rng.normal(0, 0.006, (len(table) - 2, 1))
        self.spec, self.length = spec, length
        self.half = width / 2
        self.x = (0.5 - table[:, 0]) * length
        self.bottom, self.belt, self.top = (table[:, k] * height for k in (1, 2, 3))
        self.wide = table[:, 4] * self.half * 0.985
        self.roof_half = self.half * rng.uniform(*spec.roof_half)
        self.axles = [(0.5 - t) * length for t in spec.axles]
        self.radius = spec.radius * rng.uniform(0.96, 1.05)

    def rings(self) -> np.ndarray:
        """Closed cross sections (S, 16, 3)."""
        rows = []
        for x, bottom, belt, top, wide in zip(
            self.x, self.bottom, self.belt, self.top, self.wide, strict=True
        ):
            cabin = float(np.clip((top - belt) / 0.40, 0, 1))
            rise, body = top - belt, belt - bottom
            z6 = wide * 0.76 * (1 - cabin) + self.roof_half * 1.0 * cabin
            z7 = wide * 0.42 * (1 - cabin) + self.roof_half * 0.80 * cabin
            half = [
                (bottom, 0.0), (bottom, 0.88 * wide), (bottom + 0.16 * body, 0.975 * wide),
                (bottom + 0.62 * body, wide), (belt - 0.10 * body, 0.985 * wide), (belt, 0.935 * wide),
                (belt + (0.55 + 0.29 * cabin) * rise, z6), (belt + (0.90 + 0.055 * cabin) * rise, z7),
                (top, 0.0),
            ]  # fmt: skip
            rows.append([(x, y, z) for y, z in half])
        return mirrored(np.array(rows))

    def at(self, x: float, line: np.ndarray) -> float:
        """A line's height at x."""
        return float(np.interp(-x, -self.x, line))

    def between(self, first: int, second: int, t: float) -> float:
        """x between two sections."""
        return float(self.x[first] + t * (self.x[second] - self.x[first]))

    def glass_top(self, x: float) -> float:
        """The upper edge of the side windows."""
        belt = self.at(x, self.belt)
        return belt + 0.80 * (self.at(x, self.top) - belt)
