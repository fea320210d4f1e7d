"""Textures of SynthRoad's shapes: drawn in metres, packed in one atlas, and sampled while shading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

Color = tuple[float, float, float]
Points = Sequence[tuple[float, float] | np.ndarray] | np.ndarray

# Charts keep this distance in the atlas, so that the coarsest level does not mix them.
_MARGIN = 8
_LEVELS = 4
_WIDTHS = (256, 384, 448, 512, 576, 640, 768, 1024)
_SHIFT = 4


class Material(NamedTuple):
    """What a spot of a surface is made of.

    color: BGR of its own; paint, accent: shares of the object's first and second colour; gloss: how much it
    mirrors; glass: how much is seen through it; glow: how much of its own colour it sends out when lit.
    """

    color: Color = (0.0, 0.0, 0.0)
    paint: float = 0.0
    accent: float = 0.0
    gloss: float = 0.0
    glass: float = 0.0
    glow: float = 0.0

    @property
    def first(self) -> tuple[float, float, float, float]:
        """Blue, green, red, paint in [0, 255]."""
        return (*self.color, 255 * self.paint)

    @property
    def second(self) -> tuple[float, float, float, float]:
        """Accent, gloss, glass, glow in [0, 255]."""
        return (255 * self.accent, 255 * self.gloss, 255 * self.glass, 255 * self.glow)


class Chart:
    """A drawing of (width, height) metres whose lower left corner is at `origin`.

    axes: (2, 3), what of a point (x, y, z) runs to the right and upwards in the drawing.
    """

    def __init__(
        self,
        axes: np.ndarray,
        origin: tuple[float, float],
        extent: tuple[float, float],
        density: float,
        base: Material,
    ) -> None:
        self.axes, self.origin, self.density = axes, np.array(origin), density
        self.size = np.maximum(np.ceil(np.array(extent) * density), 4).astype(int)
        shape = (int(self.size[1]), int(self.size[0]), 4)
        self.first = np.full(shape, base.first, np.float64).round().astype(np.uint8)
        self.second = np.full(shape, base.second, np.float64).round().astype(np.uint8)
        self.corner = np.zeros(2)

    def _pixels(self, points: Points) -> np.ndarray:
        flat = (np.asarray(points, dtype=float) - self.origin) * self.density - 0.5
        flat[:, 1] = self.size[1] - 1 - flat[:, 1]
        return np.rint(flat * (1 << _SHIFT)).astype(np.int32)

    def fill(self, points: Points, material: Material) -> None:
        """A polygon (K, 2) in metres."""
        pixels = [self._pixels(points)]
        cv2.fillPoly(self.first, pixels, material.first, cv2.LINE_AA, _SHIFT)
        cv2.fillPoly(self.second, pixels, material.second, cv2.LINE_AA, _SHIFT)

    def box(self, a0: float, b0: float, a1: float, b1: float, material: Material) -> None:
        """A rectangle."""
        self.fill([(a0, b0), (a1, b0), (a1, b1), (a0, b1)], material)

    def pair(self, points: Points, material: Material) -> None:
        """A polygon and its mirror image left of zero."""
        array = np.asarray(points, dtype=float)
        self.fill(array, material)
        self.fill(array * [-1, 1], material)

    def boxes(self, a0: float, b0: float, a1: float, b1: float, material: Material) -> None:
        """A rectangle and its mirror image left of zero."""
        self.pair([(a0, b0), (a1, b0), (a1, b1), (a0, b1)], material)

    def disc(
        self, center: tuple[float, float], radius: float | tuple[float, float], material: Material
    ) -> None:
        """An ellipse."""
        angles = np.arange(28) * 2 * np.pi / 28
        ring = np.stack([np.cos(angles), np.sin(angles)], axis=1) * np.asarray(radius)
        self.fill(np.asarray(center) + ring, material)

    def line(self, points: Points, width: float, material: Material) -> None:
        """An open line; never thinner than a pixel."""
        pixels = [self._pixels(points)]
        thickness = max(round(width * self.density), 1)
        cv2.polylines(self.first, pixels, False, material.first, thickness, cv2.LINE_AA, _SHIFT)
        cv2.polylines(self.second, pixels, False, material.second, thickness, cv2.LINE_AA, _SHIFT)

    def to_pixels(self, shift: np.ndarray | None = None) -> np.ndarray:
        """(2, 4), from a point (x, y, z, 1), `shift` (3,) metres away, to pixels of the atlas."""
        matrix = np.zeros((2, 4))
        matrix[:, :3] = self.axes
        matrix[:, 3] = -self.origin - (self.axes @ shift if shift is not None else 0.0)
        matrix *= self.density
        matrix[:, 3] -= 0.5
        matrix[1] *= -1
        matrix[1, 3] += self.size[1] - 1
        matrix[:, 3] += self.corner
        return matrix


SIDE = np.array([[1.0, 0, 0], [0, 1.0, 0]])
FRONT = np.array([[0, 0, 1.0], [0, 1.0, 0]])
TOP = np.array([[1.0, 0, 0], [0, 0, 1.0]])
_POINT = np.zeros((2, 3))


@dataclass(frozen=True)
class Atlas:
    """levels: pairs of (H, W, 4) images, each half the size of the one before; density: pixels a metre of
    the first; maps: (C, 2, 4) from points to its pixels, one for each placement of a chart."""

    levels: list[tuple[np.ndarray, np.ndarray]]
    density: float
    maps: np.ndarray


class Skin:
    """The charts of one shape. density: pixels a metre."""

    def __init__(self, density: float) -> None:
        self.density = density
        self._charts: list[Chart] = []
        self._placed: list[tuple[Chart, np.ndarray | None]] = []
        self._swatches: dict[Material, int] = {}

    def chart(
        self, axes: np.ndarray, origin: tuple[float, float], extent: tuple[float, float], base: Material
    ) -> Chart:
        """A new drawing, filled with `base`."""
        chart = Chart(axes, origin, extent, self.density, base)
        self._charts.append(chart)
        return chart

    def place(self, chart: Chart, shift: Sequence[float] | None = None) -> int:
        """A number for a chart (moved by `shift` metres) that faces refer to."""
        self._placed.append((chart, None if shift is None else np.asarray(shift, dtype=float)))
        return len(self._placed) - 1

    def swatch(self, material: Material) -> int:
        """The number of a surface that is of one material all over."""
        if material not in self._swatches:
            side = 12 / self.density
            chart = self.chart(_POINT, (-side / 2, -side / 2), (side, side), material)
            self._swatches[material] = self.place(chart)
        return self._swatches[material]

    def _rows(self, width: int) -> tuple[list[tuple[Chart, int, int]], tuple[int, int]]:
        """All charts, highest first, in rows of at most a width: their corners, and the size taken."""
        x = y = row = columns = 0
        spots = []
        for chart in sorted(self._charts, key=lambda c: -int(c.size[1])):
            wide, tall = (chart.size + 2 * _MARGIN).tolist()
            if x and x + wide > width:
                x, y, row = 0, y + row, 0
            spots.append((chart, x, y))
            x, row = x + wide, max(row, tall)
            columns = max(columns, x)
        step = 1 << _LEVELS
        return spots, (-(-(y + row) // step) * step, -(-columns // step) * step)

    def finish(self) -> Atlas:
        """Pack all charts as tightly as one of a few widths lets them."""
        spots, size = min(map(self._rows, _WIDTHS), key=lambda packed: packed[1][0] * packed[1][1])
        shape = (*size, 4)
        first, second = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
        for chart, left, top in spots:
            chart.corner = np.array([left + _MARGIN, top + _MARGIN])
            for target, source in ((first, chart.first), (second, chart.second)):
                framed = cv2.copyMakeBorder(source, *(_MARGIN,) * 4, cv2.BORDER_REPLICATE)
                target[top : top + framed.shape[0], left : left + framed.shape[1]] = framed
        levels: list[tuple[np.ndarray, np.ndarray]] = [(first, second)]
        for _ in range(_LEVELS):
            half = (levels[-1][0].shape[1] // 2, levels[-1][0].shape[0] // 2)
            one, two = (cv2.resize(image, half, interpolation=cv2.INTER_AREA) for image in levels[-1])
            levels.append((one, two))
        maps = np.stack([chart.to_pixels(shift) for chart, shift in self._placed])
        return Atlas(levels, self.density, maps)
