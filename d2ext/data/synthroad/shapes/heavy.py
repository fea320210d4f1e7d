"""What buses, trams and trucks are made of: shells, wheels, mirrors, adverts, rows of windows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from d2ext.data.synthroad.mesh import Model, face_normals, loft, mirrored, wheel
from d2ext.data.synthroad.shapes import materials as m
from d2ext.data.synthroad.shapes.parts import block, rim
from d2ext.data.synthroad.skin import Chart

Section = tuple[float, float, float, float]


def shell(
    sections: Sequence[Section], edge: float = 0.12, taper: float = 0.97
) -> tuple[np.ndarray, np.ndarray]:
    """A long rounded box through sections (x, bottom, top, half width); taper: width of the roof."""
    rows = []
    for x, bottom, top, wide in sections:
        tall = top - bottom
        half = [
            (bottom, 0.0),
            (bottom, wide * 0.96),
            (bottom + 0.06 * tall, wide),
            (bottom + 0.45 * tall, wide),
            (top - edge * 1.6, wide * (0.5 + taper / 2)),
            (top - edge * 0.35, wide * taper - 0.3 * edge),
            (top, wide * taper - edge),
            (top, 0.0),
        ]
        rows.append([(x, y, z) for y, z in half])
    return loft(mirrored(np.array(rows)))


def wheels(
    model: Model, axles: Sequence[float], half: float, radius: float, rng: np.random.Generator
) -> None:
    """Pairs of wheels at x of every axle whose outer faces are `half` metres from the middle."""
    chart = rim(model.skin, radius, rng, tyre=0.62)
    tread = model.skin.swatch(m.TYRE)
    for k, x in enumerate(axles):
        for sign in (-1, 1):
            width = 0.30
            quads, inside = wheel((x, radius, sign * (half - width / 2)), radius, width)
            disc = model.skin.place(chart, (x, radius, 0.0))
            charts = np.where(np.abs(face_normals(quads)[:, 2]) > 0.9, disc, tread)
            model.add(quads, charts, inside, crease=40.0, join=k > 0 or sign > 0)


def mirror_arms(model: Model, x: float, y: float, half: float) -> None:
    """Large mirrors before the front corners, within `half`."""
    black = model.skin.swatch(m.BLACK)
    for sign in (-1, 1):
        z = sorted((sign * half, sign * (half - 0.16)))
        block(model, (x - 0.06, x + 0.06), (y - 0.22, y + 0.22), z, black, join=sign > 0)


def advert(chart: Chart, area: tuple[float, float, float, float], rng: np.random.Generator) -> None:
    """Stripes, a field with something like writing, or a second colour, over an area a0, b0, a1, b1."""
    a0, b0, a1, b1 = area
    kind = rng.random()
    color = m.some(rng, 20, 240, muted=0.2, gloss=0.7)
    if kind < 0.30:
        chart.box(a0, b0, a1, b0 + rng.uniform(0.12, 0.3) * (b1 - b0), m.ACCENT)
    elif kind < 0.55:
        lean = rng.uniform(-0.6, 0.6)
        start = rng.uniform(a0, (a0 + a1) / 2)
        for k in range(int(rng.integers(1, 4))):
            a = start + 0.7 * k
            chart.fill([(a, b0), (a + 0.35, b0), (a + 0.35 + lean, b1), (a + lean, b1)], m.ACCENT)
    elif kind < 0.85:
        wide = rng.uniform(0.2, 0.4) * (a1 - a0)
        a = rng.uniform(a0, a1 - wide)
        chart.box(a, b0 + 0.1 * (b1 - b0), a + wide, b1 - 0.1 * (b1 - b0), color)
        lines(chart, (a + 0.1 * wide, b0 + 0.2 * (b1 - b0), a + 0.9 * wide, b1 - 0.2 * (b1 - b0)), rng)


def lines(chart: Chart, area: tuple[float, float, float, float], rng: np.random.Generator) -> None:
    """Rows of something like writing."""
    a0, b0, a1, b1 = area
    rows = int(rng.integers(1, 4))
    ink = m.WHITE if rng.random() < 0.6 else m.INK
    for k in range(rows):
        low, high = (b0 + (b1 - b0) * (k + t) / rows for t in (0.2, 0.8))
        a, step = a0, (high - low) * 0.8
        while a < a1 - step:
            if rng.random() < 0.85:
                chart.box(a, low, a + step * rng.uniform(0.4, 0.75), high, ink)
            a += step


def panes(chart: Chart, spans: Sequence[tuple[float, float]], low: float, high: float) -> None:
    """Windows side by side in one black band."""
    chart.box(spans[0][0] - 0.08, low - 0.05, spans[-1][1] + 0.08, high + 0.05, m.BLACK)
    for a, b in spans:
        chart.box(a, low, b, high, m.GLASS)
        chart.line([(a, high - 0.25 * (high - low)), (b, high - 0.25 * (high - low))], 0.03, m.BLACK)
