"""Barriers, planters, bollards, benches, and what resembles road users: posters, bins, boxes, columns."""

from __future__ import annotations

import cv2
import numpy as np

from d2ext.data.synthroad.mesh import Mesh, Model, loft, tube
from d2ext.data.synthroad.shapes import materials as m
from d2ext.data.synthroad.shapes.heavy import lines
from d2ext.data.synthroad.shapes.parts import bars, block
from d2ext.data.synthroad.shapes.street import MATT, WHITE, _round
from d2ext.data.synthroad.skin import FRONT, SIDE, Chart, Material, Skin


def barrier(rng: np.random.Generator) -> Mesh:
    """A barrier of concrete or plastic with a foot wider than its top."""
    model = Model(Skin(80.0))
    skin = model.skin
    profile = np.array(
        [
            (0.25, 0.0),
            (0.25, 0.10),
            (0.13, 0.34),
            (0.09, 0.85),
            (-0.09, 0.85),
            (-0.13, 0.34),
            (-0.25, 0.10),
            (-0.25, 0.0),
        ]
    )
    rings = np.array([[(x, y, z) for z, y in profile] for x in (-0.98, 0.98)])
    chart = skin.chart(SIDE, (-1.0, 0.0), (2.0, 0.9), MATT)
    kind = rng.random()
    if kind < 0.5:
        chart.box(-0.5, 0.0, 0.0, 0.9, WHITE)
        chart.box(0.5, 0.0, 1.0, 0.9, WHITE)
    elif kind < 0.75:
        chart.box(-1, 0.55, 1, 0.72, WHITE)
    quads, inside = loft(rings)
    model.add(quads, skin.place(chart), inside, crease=20)
    return model.finish()


def planter(rng: np.random.Generator) -> Mesh:
    """A striped flower trough with plants."""
    model = Model(Skin(80.0), cloth=0.5)
    skin = model.skin
    chart = skin.chart(SIDE, (-1.06, 0.0), (2.12, 0.56), WHITE)
    for y in (0.08, 0.32):
        chart.box(-1.1, y, 1.1, y + 0.13, MATT)
    side, soil = skin.place(chart), skin.swatch(Material((40, 52, 66)))
    angles = np.arange(16) * np.pi / 8
    ring = np.stack([np.cos(angles) * 1.05, np.zeros(16), np.sin(angles) * 0.37], axis=1)
    ring = np.sign(ring) * np.abs(ring / [1.05, 1, 0.37]) ** 0.5 * [1.05, 0, 0.37]
    quads, inside = loft(np.stack([ring, ring + [0, 0.52, 0]]))
    model.add(quads, np.where(np.arange(len(quads)) < 16, side, soil), inside, crease=50)
    green = [
        skin.swatch(Material((int(40 + 30 * t), int(90 + 50 * t), int(50 + 40 * t)))) for t in (0, 0.5, 1)
    ]
    for k in range(9):
        x, z = -0.85 + 0.21 * k, rng.uniform(-0.15, 0.15)
        quads, inside = tube(
            (x, 0.45, z), (x + rng.uniform(-0.1, 0.1), rng.uniform(0.62, 0.74), z), (0.17, 0.05), 6
        )
        model.add(quads, green[k % 3], inside, crease=0)
    return model.finish()


def barricade(rng: np.random.Generator) -> Mesh:
    """Striped boards on two trestles."""
    model = Model(Skin(80.0))
    skin = model.skin
    chart = skin.chart(FRONT, (-0.8, 0.3), (1.6, 0.8), WHITE)
    for z in np.arange(-1.2, 0.9, 0.32):
        chart.fill([(z, 0.3), (z + 0.16, 0.3), (z + 0.56, 1.1), (z + 0.40, 1.1)], MATT)
    face, steel = skin.place(chart), skin.swatch(m.STEEL)
    for y in ((0.82, 1.04), (0.44, 0.62)):
        block(model, (-0.03, 0.03), y, (-0.78, 0.78), face)
    for z in (-0.6, 0.6):
        for x in (-0.24, 0.24):
            quads, inside = tube((x, 0.0, z), (0.0, 0.95, z), (0.022, 0.022), 4)
            model.add(quads, steel, inside, join=True)
    return model.finish()


def bollard(rng: np.random.Generator) -> Mesh:
    """A post of steel or stone."""
    model = Model(Skin(120.0))
    body, band = model.skin.swatch(MATT), model.skin.swatch(WHITE if rng.random() < 0.7 else MATT)
    thick = rng.uniform(0.07, 0.11)
    _round(
        model,
        [(0.11, 0.0), (thick, 0.04), (thick, 0.62), (thick, 0.74), (thick * 0.95, 0.82), (0.02, 0.86)],
        [body, body, band, body, body],
    )
    return model.finish()


def bench(rng: np.random.Generator) -> Mesh:
    """A bench of boards."""
    model = Model(Skin(100.0))
    skin = model.skin
    wood, iron = skin.swatch(MATT), skin.swatch(m.CHASSIS)
    for x in (-0.18, -0.04, 0.10):
        block(model, (x, x + 0.12), (0.42, 0.46), (-0.85, 0.85), wood)
    for y in (0.52, 0.68):
        block(model, (-0.28, -0.24), (y, y + 0.13), (-0.85, 0.85), wood)
    for z in (-0.7, 0.7):
        block(model, (-0.30, -0.24), (0.0, 0.84), (z - 0.03, z + 0.03), iron)
        block(model, (0.18, 0.24), (0.0, 0.42), (z - 0.03, z + 0.03), iron)
        block(model, (-0.24, 0.24), (0.36, 0.42), (z - 0.03, z + 0.03), iron)
    return model.finish()


def _picture(chart: Chart, area: tuple[float, float, float, float], rng: np.random.Generator) -> None:
    """An advertisement: a flat car, a flat person, or fields and writing."""
    a0, b0, a1, b1 = area
    chart.box(a0, b0, a1, b1, m.some(rng, 40, 235, muted=0.2))
    wide, tall = a1 - a0, b1 - b0
    kind = rng.random()
    middle, low = (a0 + a1) / 2, b0 + 0.18 * tall
    if kind < 0.4:
        body = np.array(
            [
                (-0.45, 0.08),
                (-0.43, 0.22),
                (-0.28, 0.24),
                (-0.15, 0.38),
                (0.15, 0.38),
                (0.28, 0.24),
                (0.45, 0.20),
                (0.46, 0.08),
            ]
        )
        chart.fill(np.array([middle, low]) + body * 0.9 * wide, m.some(rng, 20, 230, muted=0.2))
        window = np.array([(-0.22, 0.25), (-0.13, 0.35), (0.13, 0.35), (0.22, 0.25)])
        chart.fill(np.array([middle, low]) + window * 0.9 * wide, m.INK)
        for a in (-0.28, 0.28):
            chart.disc((middle + a * 0.9 * wide, low + 0.08 * wide), 0.08 * wide, m.INK)
    elif kind < 0.75:
        size = 0.7 * tall
        cloth = m.some(rng, 20, 230, muted=0.2)
        chart.fill(
            np.array([middle, low - 0.1 * tall])
            + np.array([(-0.16, 0), (-0.2, 0.55), (-0.1, 0.72), (0.1, 0.72), (0.2, 0.55), (0.16, 0)]) * size,
            cloth,
        )
        chart.disc((middle, low + 0.72 * size), (0.09 * size, 0.12 * size), Material((140, 176, 220)))
        chart.disc((middle, low + 0.78 * size), (0.10 * size, 0.09 * size), m.INK)
    lines(chart, (a0 + 0.1 * wide, b0 + 0.84 * tall, a1 - 0.1 * wide, b1 - 0.03 * tall), rng)
    cv2.GaussianBlur(chart.first, (0, 0), 1.0, dst=chart.first)


def poster(rng: np.random.Generator, on_post: bool) -> Mesh:
    """A poster in a frame, close to the ground or on a post."""
    model = Model(Skin(70.0))
    skin = model.skin
    half, low, high = (1.8, 1.4, 3.6) if on_post else (0.7, 0.35, 2.4)
    chart = skin.chart(FRONT, (-half, low), (2 * half, high - low), m.STEEL)
    _picture(chart, (-half + 0.06, low + 0.06, half - 0.06, high - 0.06), rng)
    steel, face = skin.swatch(m.STEEL), skin.place(chart)
    block(
        model, (-0.12, 0.12), (low, high), (-half, half), np.array([face, face, steel, steel, steel, steel])
    )
    for z in (-0.6 * half, 0.6 * half):
        block(model, (-0.06, 0.06), (0.0, low), (z - 0.06, z + 0.06), steel)
    return model.finish()


def column(rng: np.random.Generator) -> Mesh:
    """A round advertising column."""
    model = Model(Skin(70.0))
    skin = model.skin
    chart = skin.chart(FRONT, (-0.62, 0.3), (1.24, 2.5), m.WHITE)
    for _ in range(3):
        a, b = rng.uniform(-0.6, 0.2), rng.uniform(0.4, 1.6)
        _picture(chart, (a, b, a + rng.uniform(0.4, 0.7), b + rng.uniform(0.6, 1.0)), rng)
    stone, face = skin.swatch(Material((150, 152, 152))), skin.place(chart)
    top = skin.swatch(MATT)
    rows = [(0.62, 0.0), (0.62, 0.3), (0.60, 0.3), (0.60, 2.75), (0.66, 2.78), (0.5, 2.95), (0.1, 3.1)]
    _round(model, rows, [stone, stone, face, top, top, top], 16)
    return model.finish()


def bin_(rng: np.random.Generator) -> Mesh:
    """A household bin on wheels, or a litter bin."""
    model = Model(Skin(100.0))
    skin = model.skin
    paint, dark = skin.swatch(MATT), skin.swatch(m.DARK)
    if rng.random() < 0.5:
        _round(
            model,
            [(0.22, 0.0), (0.25, 0.1), (0.25, 0.72), (0.25, 0.86), (0.26, 0.88), (0.2, 1.0)],
            [paint, paint, dark, paint, paint],
        )
        return model.finish()
    rows = [
        [(-x, y, -z), (x, y, -z), (x, y, z), (-x, y, z)]
        for y, x, z in ((0.05, 0.18, 0.2), (0.92, 0.25, 0.26))
    ]
    quads, inside = loft(np.array(rows, dtype=float))
    model.add(quads, paint, inside, crease=0)
    block(
        model,
        (-0.26, 0.26),
        (0.92, 1.0),
        (-0.26, 0.26),
        skin.swatch(MATT if rng.random() < 0.5 else m.some(rng)),
    )
    block(model, (-0.26, -0.14), (0.0, 0.18), (-0.25, 0.25), dark)
    return model.finish()


def mailbox(rng: np.random.Generator) -> Mesh:
    """A mail box on a foot."""
    model = Model(Skin(100.0))
    skin = model.skin
    chart = skin.chart(FRONT, (-0.25, 0.4), (0.5, 0.8), m.PAINT)
    chart.box(-0.18, 1.0, 0.18, 1.05, m.DARK)
    chart.box(-0.12, 0.6, 0.12, 0.85, m.WHITE)
    face, paint = skin.place(chart), skin.swatch(m.PAINT)
    block(model, (-0.2, 0.2), (0.4, 1.2), (-0.25, 0.25), np.array([face, face, paint, paint, paint, paint]))
    block(model, (-0.08, 0.08), (0.0, 0.4), (-0.1, 0.1), skin.swatch(m.STEEL))
    return model.finish()


def cabinet(rng: np.random.Generator) -> Mesh:
    """A cabinet of the power or telephone company."""
    model = Model(Skin(80.0))
    skin = model.skin
    chart = skin.chart(FRONT, (-0.55, 0.0), (1.1, 1.3), MATT)
    for z in np.linspace(-0.55, 0.55, int(rng.integers(2, 4)) + 1):
        chart.line([(float(z), 0.12), (float(z), 1.25)], 0.015, m.SEAM)
    chart.box(-0.55, 0.0, 0.55, 0.1, m.STEEL)
    bars(chart, (-0.4, 0.95, -0.1, 1.2), 5, m.SEAM)
    if rng.random() < 0.4:
        _picture(chart, (-0.3, 0.3, 0.3, 0.9), rng)
    face, paint = skin.place(chart), skin.swatch(MATT)
    block(model, (-0.2, 0.2), (0.0, 1.27), (-0.52, 0.52), np.array([face, face, paint, paint, paint, paint]))
    block(model, (-0.225, 0.225), (1.25, 1.3), (-0.55, 0.55), paint)
    return model.finish()
