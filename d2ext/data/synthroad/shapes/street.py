"""Carts, cones, and things on the street that move or do not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from d2ext.data.synthroad.mesh import Mesh, Model, ball, box, loft, tube, wheel
from d2ext.data.synthroad.shapes import materials as m
from d2ext.data.synthroad.shapes.parts import bars, block, plate, rim
from d2ext.data.synthroad.skin import FRONT, SIDE, Material, Skin

MATT = m.PAINT._replace(gloss=0.15)
WHITE = Material((230, 232, 232))
RUBBER = Material((38, 38, 38))


def _small_wheels(
    model: Model, centers: Sequence[tuple[float, float]], radius: float, width: float = 0.05
) -> None:
    tread = model.skin.swatch(m.TYRE)
    for k, (x, z) in enumerate(centers):
        quads, inside = wheel((x, radius, z), radius, width, 10)
        model.add(quads, tread, inside, crease=40, join=k > 0)


def _round(
    model: Model,
    rows: Sequence[tuple[float, float]],
    charts: Sequence[int],
    sides: int = 12,
    flat: float = 1.0,
) -> None:
    """A body of revolution through (radius, y); charts: one for each ring of faces."""
    angles = np.arange(sides) * 2 * np.pi / sides + np.pi / sides
    ring = np.stack([np.cos(angles) * flat, np.zeros(sides), np.sin(angles)], axis=1)
    rings = np.array([r * ring + [0, y, 0] for r, y in rows])
    quads, inside = loft(rings)
    numbers = np.repeat(np.asarray(charts), sides)
    ends = np.full(len(quads) - len(numbers), charts[-1])
    model.add(quads, np.concatenate([numbers, ends]), inside, crease=40)


def cone(rng: np.random.Generator) -> Mesh:
    """A traffic cone with white bands on a square foot."""
    model = Model(Skin(120.0))
    skin = model.skin
    body, band = skin.swatch(MATT), skin.swatch(WHITE)
    foot = skin.swatch(RUBBER if rng.random() < 0.5 else MATT)
    block(model, (-0.19, 0.19), (0.0, 0.05), (-0.19, 0.19), foot)
    rows = [(0.14, 0.05), (0.115, 0.22), (0.085, 0.36), (0.072, 0.44), (0.05, 0.56), (0.025, 0.72)]
    second = rng.random() < 0.6
    _round(model, rows, [body, band, body, band if second else body, body])
    return model.finish()


def post(rng: np.random.Generator) -> Mesh:
    """A striped warning post on a flat foot."""
    model = Model(Skin(120.0))
    skin = model.skin
    body, band = skin.swatch(MATT), skin.swatch(WHITE)
    block(
        model, (-0.10, 0.10), (0.0, 0.05), (-0.17, 0.17), skin.swatch(RUBBER if rng.random() < 0.6 else MATT)
    )
    count = int(rng.integers(2, 4))
    ys = np.linspace(0.05, 0.72, 2 * count + 2)
    _round(
        model,
        [(0.058, float(y)) for y in ys],
        [body if k % 2 == 0 else band for k in range(len(ys) - 1)],
        flat=0.9,
    )
    return model.finish()


def cart(rng: np.random.Generator) -> Mesh:
    """A hand cart: a loaded bed on two wheels with a handle."""
    model = Model(Skin(100.0))
    skin = model.skin
    wood, paint, steel = skin.swatch(m.WOOD), skin.swatch(MATT), skin.swatch(m.STEEL)
    chart = rim(skin, 0.28, rng, 0.75)
    for z in (-0.34, 0.34):
        quads, inside = wheel((0.1, 0.28, z), 0.28, 0.06, 14)
        disc = skin.place(chart, (0.1, 0.28, 0.0))
        charts = np.where(np.abs(quads.mean(axis=1)[:, 2] - z) > 0.02, disc, skin.swatch(m.TYRE))
        model.add(quads, charts, inside, crease=40)
    block(model, (-0.45, 0.75), (0.40, 0.46), (-0.30, 0.30), wood)
    for across in ((-0.31, -0.27), (0.27, 0.31)):
        block(model, (-0.45, 0.75), (0.46, 0.70), across, paint)
    for span in ((-0.45, -0.41), (0.71, 0.75)):
        block(model, span, (0.46, 0.70), (-0.30, 0.30), paint)
    for z in (-0.25, 0.25):
        quads, inside = tube((-0.45, 0.55, z), (-0.80, 0.85, z), (0.018, 0.018), 4)
        model.add(quads, steel, inside, join=z > 0)
    quads, inside = tube((-0.80, 0.85, -0.28), (-0.80, 0.85, 0.28), (0.02, 0.02), 4)
    model.add(quads, steel, inside)
    x = -0.40
    while x < 0.5:
        size = rng.uniform(0.25, 0.5)
        block(
            model,
            (x, min(x + size, 0.7)),
            (0.46, rng.uniform(0.75, 1.15)),
            (-rng.uniform(0.15, 0.27), rng.uniform(0.15, 0.27)),
            paint if rng.random() < 0.5 else skin.swatch(m.some(rng)),
        )
        x += size
    return model.finish()


def wheelbarrow(rng: np.random.Generator) -> Mesh:
    """A tub on one wheel with two handles."""
    model = Model(Skin(120.0))
    skin = model.skin
    _small_wheels(model, [(0.55, 0.0)], 0.19, 0.09)
    steel = skin.swatch(m.STEEL)
    rows = []
    for y, x0, x1, z in ((0.30, -0.15, 0.35, 0.18), (0.62, -0.30, 0.62, 0.33)):
        rows.append([(x0, y, -z), (x1, y, -z), (x1, y, z), (x0, y, z)])
    quads, inside = loft(np.array(rows, dtype=float))
    model.add(quads, skin.swatch(MATT), inside, crease=0)
    quads, inside = ball((0.15, 0.60, 0), (0.38, 0.10, 0.28), 10, 4)
    model.add(quads, skin.swatch(m.some(rng, 60, 150)), inside, crease=75)
    for z in (-0.24, 0.24):
        for a, b in (
            ((0.55, 0.19, z * 0.3), (-0.10, 0.34, z)),
            ((-0.10, 0.34, z), (-0.72, 0.66, z)),
            ((-0.2, 0.36, z), (-0.25, 0.0, z)),
        ):
            quads, inside = tube(a, b, (0.02, 0.02), 4)
            model.add(quads, steel, inside, join=True)
    return model.finish()


def container(rng: np.random.Generator) -> Mesh:
    """A trash container on four wheels, its lid a little wider."""
    model = Model(Skin(90.0))
    skin = model.skin
    _small_wheels(model, [(x, z) for x in (-0.34, 0.34) for z in (-0.46, 0.46)], 0.09)
    side = skin.chart(FRONT, (-0.65, 0.15), (1.3, 0.95), MATT)
    for z in np.linspace(-0.5, 0.5, 5):
        side.box(float(z) - 0.02, 0.2, float(z) + 0.02, 0.95, m.SEAM)
    if rng.random() < 0.6:
        side.box(-0.2, 0.55, 0.2, 0.80, m.WHITE)
    place, paint = skin.place(side), skin.swatch(MATT)
    rows = [
        [(-x, y, -z), (x, y, -z), (x, y, z), (-x, y, z)]
        for y, x, z in ((0.16, 0.38, 0.52), (1.0, 0.48, 0.62))
    ]
    quads, inside = loft(np.array(rows, dtype=float))
    across = np.abs(quads.mean(axis=1) - inside)
    model.add(quads, np.where(across[:, 0] > across[:, 2], place, paint), inside, crease=0)
    lid = skin.swatch(MATT if rng.random() < 0.5 else m.some(rng, 20, 90))
    rings = [
        [(x, 1.0, -0.65), (x, 1.0 + 0.24 * h, -0.65), (x, 1.0 + 0.24 * h, 0.65), (x, 1.0, 0.65)]
        for x, h in ((-0.52, 0.3), (-0.3, 0.85), (0.0, 1.0), (0.3, 0.85), (0.52, 0.3))
    ]
    quads, inside = loft(np.array(rings))
    model.add(quads, lid, inside, crease=50)
    return model.finish()


def trailer(rng: np.random.Generator) -> Mesh:
    """A car's trailer under canvas, with drawbar, lamps and plate."""
    model = Model(Skin(80.0))
    skin = model.skin
    chart = rim(skin, 0.28, rng)
    for z in (-0.72, 0.72):
        quads, inside = wheel((-0.2, 0.28, z), 0.28, 0.15, 14)
        disc = skin.place(chart, (-0.2, 0.28, 0.0))
        model.add(
            quads,
            np.where(np.abs(quads.mean(axis=1)[:, 2] - z) > 0.05, disc, skin.swatch(m.TYRE)),
            inside,
            crease=40,
        )
    steel = skin.swatch(m.STEEL)
    rear = skin.chart(FRONT, (-0.65, 0.4), (1.3, 0.42), m.STEEL)
    plate(rear, (0, 0.5), rng)
    rear.boxes(0.48, 0.43, 0.62, 0.55, m.TAIL)
    quads = box((-1.2, 0.75), (0.42, 0.80), (-0.65, 0.65))
    model.add(
        quads,
        np.array([steel, skin.place(rear), steel, steel, steel, steel]),
        quads.mean(axis=(0, 1)),
        crease=0,
    )
    side = skin.chart(SIDE, (-1.2, 0.75), (1.95, 0.95), MATT)
    for x in np.arange(-1.1, 0.75, 0.25):
        side.line([(float(x), 0.78), (float(x) + 0.03, 1.7)], 0.02, m.CREASE)
    place = skin.place(side)
    quads = box((-1.2, 0.75), (0.78, 1.65), (-0.66, 0.66))
    paint = skin.swatch(MATT)
    model.add(quads, np.array([paint, paint, place, place, paint, paint]), quads.mean(axis=(0, 1)), crease=0)
    quads, inside = tube((0.75, 0.45, 0), (1.4, 0.42, 0), (0.05, 0.04), 6)
    model.add(quads, steel, inside)
    return model.finish()


def trolley(rng: np.random.Generator) -> Mesh:
    """A shopping trolley of wire."""
    model = Model(Skin(120.0))
    skin = model.skin
    _small_wheels(model, [(x, z) for x in (-0.3, 0.35) for z in (-0.2, 0.2)], 0.06, 0.03)
    steel = skin.swatch(m.STEEL)
    wire = skin.chart(SIDE, (-0.45, 0.4), (0.95, 0.55), Material((96, 96, 94)))
    bars(wire, (-0.45, 0.4, 0.5, 0.95), 7, m.STEEL)
    for x in np.arange(-0.4, 0.5, 0.06):
        wire.line([(float(x), 0.4), (float(x), 0.95)], 0.01, m.STEEL)
    place = skin.place(wire)
    rows = [
        [(x0, y, -z), (x1, y, -z), (x1, y, z), (x0, y, z)]
        for y, x0, x1, z in ((0.45, -0.25, 0.40, 0.20), (0.90, -0.35, 0.46, 0.26))
    ]
    quads, inside = loft(np.array(rows, dtype=float))
    model.add(quads, place, inside, crease=0)
    for a, b in (
        ((-0.35, 0.9, 0.26), (-0.46, 1.02, 0.26)),
        ((-0.35, 0.9, -0.26), (-0.46, 1.02, -0.26)),
        ((-0.3, 0.1, 0.2), (-0.35, 0.9, 0.2)),
        ((-0.3, 0.1, -0.2), (-0.35, 0.9, -0.2)),
        ((-0.3, 0.14, 0.2), (0.36, 0.14, 0.2)),
        ((-0.3, 0.14, -0.2), (0.36, 0.14, -0.2)),
    ):
        quads, inside = tube(a, b, (0.016, 0.016), 4)
        model.add(quads, steel, inside, join=True)
    quads, inside = tube((-0.46, 1.02, -0.29), (-0.46, 1.02, 0.29), (0.02, 0.02), 6)
    model.add(quads, skin.swatch(MATT), inside)
    return model.finish()


def suitcase(rng: np.random.Generator) -> Mesh:
    """A suitcase on wheels with its handle out."""
    model = Model(Skin(150.0))
    skin = model.skin
    _small_wheels(model, [(x, z) for x in (-0.1, 0.1) for z in (-0.17, 0.17)], 0.03, 0.03)
    chart = skin.chart(FRONT, (-0.23, 0.05), (0.46, 0.62), m.PAINT)
    for z in np.linspace(-0.18, 0.18, 6):
        chart.line([(float(z), 0.1), (float(z), 0.62)], 0.012, m.SEAM)
    place, paint = skin.place(chart), skin.swatch(m.PAINT)
    quads = box((-0.15, 0.15), (0.05, 0.65), (-0.22, 0.22))
    model.add(quads, np.array([place, place, paint, paint, paint, paint]), quads.mean(axis=(0, 1)), crease=95)
    steel = skin.swatch(m.STEEL)
    for z in (-0.1, 0.1):
        quads, inside = tube((-0.1, 0.6, z), (-0.1, 0.9, z), (0.01, 0.01), 4)
        model.add(quads, steel, inside, join=True)
    block(model, (-0.12, -0.08), (0.87, 0.9), (-0.13, 0.13), skin.swatch(m.PLASTIC))
    return model.finish()


def animal(rng: np.random.Generator) -> Mesh:
    """A dog: body, legs, head, ears, tail."""
    model = Model(Skin(150.0), cloth=0.8)
    skin = model.skin
    fur = skin.swatch(m.CLOTH)
    dark = skin.swatch(m.INK)
    quads, inside = tube((-0.30, 0.43, 0), (0.26, 0.45, 0), (0.115, 0.135), 8)
    model.add(quads, fur, inside, crease=75)
    for x in (-0.30, 0.26):
        quads, inside = ball((x, 0.44, 0), (0.12, 0.13, 0.12), 8, 5)
        model.add(quads, fur, inside, crease=75)
    swing = rng.uniform(-0.1, 0.1)
    for x, z, s in ((-0.30, 0.08, 1), (-0.30, -0.08, -1), (0.26, 0.08, -1), (0.26, -0.08, 1)):
        foot = x + s * swing
        for a, b, r in (
            ((x, 0.42, z), (x + 0.3 * s * swing - 0.02, 0.2, z), (0.06, 0.04)),
            ((x + 0.3 * s * swing - 0.02, 0.2, z), (foot, 0.0, z), (0.04, 0.03)),
        ):
            quads, inside = tube(a, b, r, 6)
            model.add(quads, fur, inside, crease=75, join=True)
    quads, inside = tube((0.28, 0.48, 0), (0.42, 0.60, 0), (0.10, 0.075), 6)
    model.add(quads, fur, inside, crease=75)
    quads, inside = ball((0.44, 0.62, 0), (0.11, 0.085, 0.075), 8, 5)
    model.add(quads, fur, inside, crease=75)
    quads, inside = tube((0.50, 0.61, 0), (0.60, 0.58, 0), (0.05, 0.035), 6)
    model.add(quads, np.where(np.arange(len(quads)) >= 6, dark, fur), inside, crease=75)
    for z in (-0.06, 0.06):
        block(model, (0.36, 0.42), (0.62, 0.71), sorted((z, z * 1.5)), fur, join=z > 0)
    quads, inside = tube((-0.38, 0.50, 0), (-0.56, 0.62, 0), (0.03, 0.015), 6)
    model.add(quads, fur, inside, crease=75)
    return model.finish()
