"""Buses, coaches and trams."""

from __future__ import annotations

import numpy as np

from d2ext.data.synthroad.mesh import Mesh, Model
from d2ext.data.synthroad.shapes import materials as m
from d2ext.data.synthroad.shapes.heavy import Section, advert, mirror_arms, panes, shell, wheels
from d2ext.data.synthroad.shapes.parts import bars, block, by_direction, plate
from d2ext.data.synthroad.skin import FRONT, SIDE, TOP, Chart, Skin


def bus(name: str, rng: np.random.Generator) -> Mesh:
    """city, coach or midibus."""
    height, width, length = {
        "city": (3.12, 2.54, 11.4),
        "coach": (3.45, 2.54, 12.0),
        "midibus": (2.78, 2.15, 7.2),
    }[name]
    skin = Skin(42.0 if name != "midibus" else 56.0)
    model = Model(skin)
    half, wide = length / 2, width / 2 * 0.97
    roof = height - (0.22 if name == "city" else 0.12)
    low = 0.30
    slope = rng.uniform(0.15, 0.35) if name != "coach" else rng.uniform(0.3, 0.6)
    sections = [
        (half, low + 0.12, 0.36 * roof, wide * 0.92),
        (half - 0.05, low, 0.45 * roof, wide * 0.97),
        (half - 0.5 * slope, low, 0.80 * roof, wide),
        (half - slope, low, 0.96 * roof, wide),
        (half - slope - 0.5, low, roof, wide),
        (-half + 0.3, low, roof, wide),
        (-half + 0.06, low, 0.97 * roof, wide * 0.985),
        (-half, low + 0.1, 0.9 * roof, wide * 0.95),
    ]
    quads, inside = shell(sections)
    charts = _draw_bus(skin, name, (length, roof, wide), rng)
    model.add(quads, by_direction(quads, inside, charts), inside, crease=40.0)
    radius = 0.48 if name != "midibus" else 0.38
    axles = [half - 0.235 * length, -half + 0.29 * length]
    if name == "coach" and rng.random() < 0.5:
        axles.append(axles[1] - 1.15)
    wheels(model, axles, wide + 0.012, radius, rng)
    gray = skin.swatch(m.Material((178, 176, 174), gloss=0.2) if rng.random() < 0.5 else m.PAINT)
    units = [(-0.30, -0.12), (0.08, 0.24)] if name == "city" else [(-0.1, 0.12)]
    for a, b in units:
        block(model, (a * length, b * length), (roof - 0.04, height), (-0.36 * width, 0.36 * width), gray)
    hatch = skin.swatch(m.PLASTIC)
    block(model, (0.32 * length, 0.32 * length + 0.7), (roof - 0.04, roof + 0.05), (-0.35, 0.35), hatch)
    mirror_arms(model, half - 0.12, 0.68 * roof, width / 2)
    model.cabin = (-half, half, 0.25 * height, roof, wide * 0.98)
    return model.finish()


def _draw_bus(
    skin: Skin, name: str, size: tuple[float, float, float], rng: np.random.Generator
) -> dict[str, int]:
    length, roof, wide = size
    half = length / 2
    left, right = (skin.chart(SIDE, (-half, 0), (length, roof), m.PAINT) for _ in range(2))
    belt = roof * (0.43 if name != "coach" else 0.52)
    high = roof * 0.86
    stripe = rng.random()
    for chart in (left, right):
        if stripe < 0.35:
            chart.box(-half, 0, half, roof * rng.uniform(0.2, 0.32), m.ACCENT)
        advert(chart, (-half + 0.6, 0.16 * roof, half - 1.2, belt - 0.1), rng)
        count = int(length / 1.45)
        edges = np.linspace(-half + 0.25, half - 0.5, count + 1)
        panes(
            chart,
            [(float(a) + 0.04, float(b) - 0.04) for a, b in zip(edges[:-1], edges[1:], strict=True)],
            belt,
            high,
        )
        radius = 0.48 if name != "midibus" else 0.38
        for x in (half - 0.235 * length, -half + 0.29 * length):
            chart.disc((x, radius), radius * 1.18, m.DARK)
        chart.box(-half, 0, half, 0.36, m.PLASTIC)
        for x in np.arange(-half + 1.2, half, 1.5):
            chart.line([(float(x), 0.3), (float(x), belt)], 0.02, m.SEAM)
        chart.box(half - 0.30, 0.20 * roof, half, 0.27 * roof, m.HEAD)
        chart.box(-half, 0.30 * roof, -half + 0.10, 0.42 * roof, m.TAIL)
    doors = [half - 1.25, -0.1] if name == "city" else [half - 1.15]
    for a in doors:
        right.box(a, 0.30, a + 1.15, high, m.BLACK)
        for k in (0.05, 0.61):
            right.box(a + k, 0.42, a + k + 0.49, high - 0.08, m.GLASS)
    front = skin.chart(FRONT, (-wide, 0), (2 * wide, roof), m.PAINT)
    _draw_bus_front(front, name, roof, wide, rng)
    rear = skin.chart(FRONT, (-wide, 0), (2 * wide, roof), m.PAINT)
    _draw_bus_rear(rear, roof, wide, rng)
    top = skin.chart(TOP, (-half, -wide), (length, 2 * wide), m.PAINT if rng.random() < 0.8 else m.WHITE)
    for x in np.arange(-half + 0.8, half, 1.6):
        top.line([(float(x), -wide), (float(x), wide)], 0.02, m.SEAM)
    top.box(half - 0.9, -0.9 * wide, half, 0.9 * wide, m.PAINT)
    side = skin.place(right)
    return {
        "side": side,
        "front": skin.place(front),
        "rear": skin.place(rear),
        "top": skin.place(top),
        "bottom": skin.swatch(m.CHASSIS),
        "left": skin.place(left),
    }


def _draw_bus_front(chart: Chart, name: str, roof: float, wide: float, rng: np.random.Generator) -> None:
    low = roof * (0.34 if name != "coach" else 0.42)
    chart.pair([(0, low), (0.95 * wide, low + 0.05), (0.95 * wide, 0.83 * roof), (0, 0.83 * roof)], m.BLACK)
    chart.pair(
        [(0.015, low + 0.06), (0.91 * wide, low + 0.1), (0.90 * wide, 0.81 * roof), (0.015, 0.81 * roof)],
        m.GLASS,
    )
    chart.box(-0.85 * wide, 0.845 * roof, 0.85 * wide, 0.94 * roof, m.BLACK)
    glow = m.Material((40, 150, 245), glow=1.0)
    for a in np.arange(-0.55, 0.5, 0.14) * wide:
        if rng.random() < 0.85:
            chart.box(float(a), 0.86 * roof, float(a) + 0.10 * wide, 0.925 * roof, glow)
    chart.box(-wide, 0, wide, 0.15 * roof, m.PLASTIC if rng.random() < 0.5 else m.SEAM)
    chart.pair(
        [
            (0.50 * wide, 0.19 * roof),
            (0.92 * wide, 0.20 * roof),
            (0.94 * wide, 0.28 * roof),
            (0.55 * wide, 0.26 * roof),
        ],
        m.BLACK,
    )
    for a in (0.64, 0.82):
        for sign in (-1, 1):
            chart.disc((sign * a * wide, 0.233 * roof), 0.085, m.HEAD)
    bars(chart, (-0.4 * wide, 0.18 * roof, 0.4 * wide, 0.27 * roof), 3, m.PLASTIC)
    chart.disc((0, 0.30 * roof), 0.09, m.CHROME)
    plate(chart, (0.0, 0.14 * roof), rng)
    for a in (-0.4, 0.25):
        chart.line([(a * wide, low + 0.05), ((a + 0.3) * wide, low + 0.55)], 0.03, m.RUBBER)


def _draw_bus_rear(chart: Chart, roof: float, wide: float, rng: np.random.Generator) -> None:
    if rng.random() < 0.7:
        chart.pair(
            [(0, 0.60 * roof), (0.82 * wide, 0.60 * roof), (0.80 * wide, 0.87 * roof), (0, 0.87 * roof)],
            m.BLACK,
        )
        chart.pair(
            [(0, 0.62 * roof), (0.78 * wide, 0.62 * roof), (0.76 * wide, 0.85 * roof), (0, 0.85 * roof)],
            m.GLASS,
        )
    chart.box(-0.75 * wide, 0.20 * roof, 0.75 * wide, 0.48 * roof, m.SEAM)
    bars(chart, (-0.72 * wide, 0.21 * roof, 0.72 * wide, 0.47 * roof), 9, m.PLASTIC)
    chart.boxes(0.82 * wide, 0.24 * roof, 0.96 * wide, 0.50 * roof, m.BLACK)
    for b in (0.28, 0.36, 0.44):
        for sign in (-1, 1):
            chart.disc((sign * 0.89 * wide, b * roof), 0.075, m.TAIL if b != 0.36 else m.AMBER)
    chart.box(-wide, 0, wide, 0.14 * roof, m.PLASTIC)
    plate(chart, (0.0, 0.17 * roof), rng)


def tram(rng: np.random.Generator) -> Mesh:
    """A tram of three segments with a bent front and a pantograph."""
    height, width, length = 3.5, 2.48, 16.0
    skin = Skin(38.0)
    model = Model(skin)
    half, wide, roof = length / 2, width / 2, 3.12
    nose = rng.uniform(0.5, 1.0)
    front: list[Section] = [
        (half, 0.5, 0.95, wide * 0.70),
        (half - 0.12, 0.30, 1.25, wide * 0.86),
        (half - 0.6 * nose, 0.25, 2.5, wide * 0.97),
        (half - nose, 0.25, 2.95, wide),
        (half - nose - 0.6, 0.25, roof, wide),
    ]
    sections = [*front, *[(-x, a, b, c) for x, a, b, c in reversed(front)]]
    quads, inside = shell(sections)
    charts = _draw_tram(skin, (length, roof, wide), nose, rng)
    model.add(quads, by_direction(quads, inside, charts), inside, crease=40.0)
    gray = skin.swatch(m.Material((150, 148, 146), gloss=0.2))
    for a, b in ((-0.36, -0.2), (-0.08, 0.1), (0.22, 0.36)):
        block(
            model, (a * length, b * length), (roof - 0.05, roof + 0.22), (-0.38 * width, 0.38 * width), gray
        )
    rod = skin.swatch(m.STEEL)
    block(model, (0.4, 0.5), (roof + 0.2, height), (-0.04, 0.04), rod)
    block(model, (0.2, 0.7), (height - 0.06, height), (-0.75, 0.75), rod)
    dark = skin.swatch(m.CHASSIS)
    for x in (-0.33, 0.0, 0.33):
        block(model, (x * length - 1.2, x * length + 1.2), (0.0, 0.5), (-0.9 * wide, 0.9 * wide), dark)
    model.cabin = (-half, half, 0.7, roof, wide * 0.98)
    return model.finish()


def _draw_tram(
    skin: Skin, size: tuple[float, float, float], nose: float, rng: np.random.Generator
) -> dict[str, int]:
    length, roof, wide = size
    half = length / 2
    chart = skin.chart(SIDE, (-half, 0), (length, roof), m.PAINT)
    if rng.random() < 0.6:
        chart.box(-half, 0, half, rng.uniform(0.6, 1.1), m.ACCENT)
    chart.box(-half, 0, half, 0.38, m.PLASTIC)
    edges = np.linspace(-half + nose + 0.3, half - nose - 0.3, 13)
    spans = [(float(a) + 0.05, float(b) - 0.05) for a, b in zip(edges[:-1], edges[1:], strict=True)]
    panes(chart, spans, 1.25, 2.55)
    for k in (2, 5, 9):
        a, b = spans[k]
        chart.box(a, 0.4, b, 2.6, m.BLACK)
        for start, end in ((a + 0.05, (a + b) / 2 - 0.02), ((a + b) / 2 + 0.02, b - 0.05)):
            chart.box(start, 0.55, end, 2.5, m.GLASS)
    for x in (-0.17 * length, 0.17 * length):
        chart.box(x - 0.22, 0.3, x + 0.22, roof, m.DARK)
        bars(chart, (x - 0.22, 0.3, x + 0.22, roof), 14, m.PLASTIC)
    ends = []
    for lamp in (m.HEAD, m.TAIL):
        face = skin.chart(FRONT, (-wide, 0), (2 * wide, roof), m.PAINT)
        face.pair([(0, 1.2), (0.86 * wide, 1.3), (0.86 * wide, 2.6), (0, 2.65)], m.BLACK)
        face.pair([(0, 1.28), (0.80 * wide, 1.36), (0.80 * wide, 2.52), (0, 2.56)], m.GLASS)
        face.box(-0.5 * wide, 2.68, 0.5 * wide, 2.9, m.Material((40, 150, 245), glow=1.0))
        face.pair([(0.42 * wide, 0.82), (0.70 * wide, 0.84), (0.70 * wide, 1.0), (0.42 * wide, 0.98)], lamp)
        face.box(-wide, 0, wide, 0.5, m.PLASTIC)
        ends.append(skin.place(face))
    top = skin.swatch(m.Material((168, 166, 164), gloss=0.2))
    return {
        "side": skin.place(chart),
        "front": ends[0],
        "rear": ends[1],
        "top": top,
        "bottom": skin.swatch(m.CHASSIS),
    }
