"""Bicycles, scooters and motorcycles with their riders."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from d2ext.data.synthroad.mesh import Mesh, Model, tube, wheel
from d2ext.data.synthroad.shapes import materials as m
from d2ext.data.synthroad.shapes.figure import figure, style
from d2ext.data.synthroad.shapes.parts import bars, block, rim
from d2ext.data.synthroad.shapes.riding import hull, rider, rods
from d2ext.data.synthroad.skin import SIDE, Material, Skin

DENSITY = 130.0


def bicycle(model: Model, rng: np.random.Generator, frame: Material, loaded: bool = False) -> None:
    """A bicycle whose wheels stand 1.06 m apart."""
    skin = model.skin
    radius = 0.345
    tyre, steel = skin.swatch(m.TYRE), skin.swatch(m.STEEL)
    rear, front = (-0.53, radius), (0.53, radius)
    for center in (rear, front):
        quads, inside = wheel((*center, 0.0), radius, 0.045, 16, inner=0.88)
        model.add(quads, tyre, inside, crease=40)
        spokes = []
        for angle in rng.uniform(0, 1) + np.arange(5) * 2 * np.pi / 5:
            tip = (center[0] + 0.9 * radius * np.cos(angle), center[1] + 0.9 * radius * np.sin(angle))
            spokes.append((center, tip))
        rods(model, spokes, 0.006, steel)
    seat, pedal, steer = (-0.20, 0.86), (-0.08, 0.29), (0.36, 0.90)
    low = (0.40, 0.70)
    pairs = [(rear, seat), (rear, pedal), (pedal, seat), (pedal, low), (seat, low), (front, steer)]
    if rng.random() < 0.4:
        pairs[4] = ((-0.14, 0.5), low)
    rods(model, pairs, 0.019, skin.swatch(frame))
    dark = skin.swatch(m.PLASTIC)
    rods(
        model,
        [((0.36, 0.98, -0.28), (0.36, 0.98, 0.28)), (steer, (0.36, 0.98)), (seat, (-0.2, 0.93))],
        0.016,
        dark,
    )
    block(model, (-0.34, -0.08), (0.92, 0.97), (-0.07, 0.07), dark)
    quads, inside = wheel((*pedal, 0.0), 0.10, 0.03, 10)
    model.add(quads, dark, inside)
    rods(model, [((-0.53, 0.72), (-0.25, 0.80))], 0.02, dark)
    lamp, tail = skin.swatch(m.HEAD), skin.swatch(m.TAIL)
    block(model, (0.42, 0.48), (0.86, 0.93), (-0.04, 0.04), np.array([lamp, dark, dark, dark, dark, dark]))
    block(model, (-0.62, -0.58), (0.66, 0.72), (-0.03, 0.03), np.array([tail, tail, tail, tail, tail, tail]))
    if loaded:
        chart = skin.chart(SIDE, (0.38, 0.72), (0.34, 0.26), m.PLASTIC)
        bars(chart, (0.38, 0.72, 0.72, 0.98), 5, m.STEEL)
        block(model, (0.40, 0.70), (0.74, 0.96), (-0.17, 0.17), skin.place(chart))
        cloth = skin.swatch(m.some(rng, 30, 190))
        for z in ((-0.24, -0.10), (0.10, 0.24)):
            block(model, (-0.80, -0.44), (0.40, 0.74), z, cloth)


def _pedals(rng: np.random.Generator) -> list[tuple[float, float]]:
    angle = rng.uniform(0, 2 * np.pi)
    return [(-0.10 + 0.17 * np.cos(a), 0.38 + 0.17 * np.sin(a)) for a in (angle, angle + np.pi)]


def cyclist(name: str, rng: np.random.Generator) -> Mesh:
    """city: upright; loaded: with basket and bags; racer: bent low."""
    model = Model(Skin(DENSITY), cloth=0.9)
    frame = m.some(rng, 20, 200, gloss=0.6)
    bicycle(model, rng, frame, loaded=name == "loaded")
    look = style(rng)
    if name == "racer" or rng.random() < 0.35:
        look.helmet = m.some(rng, 20, 230, gloss=0.4)
        look.hat = None
    if name == "racer":
        pose = rider((-0.24, 1.00), (0.20, 1.26), (0.44, 0.96, 0.20), _pedals(rng))
        look.sleeves = 1
    else:
        lean = rng.uniform(-0.06, 0.12)
        pose = rider((-0.22, 1.00), (0.02 + lean, 1.50), (0.34, 1.0, 0.26), _pedals(rng))
    figure(model, pose, look, rng)
    return model.finish()


def parked_bicycle(rng: np.random.Generator) -> Mesh:
    """A bicycle without a rider."""
    model = Model(Skin(DENSITY))
    bicycle(model, rng, m.PAINT, loaded=rng.random() < 0.4)
    return model.finish()


def _motor_wheels(
    model: Model, axles: Sequence[float], radius: float, width: float, rng: np.random.Generator
) -> None:
    chart = rim(model.skin, radius, rng, tyre=0.66)
    tread = model.skin.swatch(m.TYRE)
    for k, x in enumerate(axles):
        quads, inside = wheel((x, radius, 0.0), radius, width, 14)
        disc = model.skin.place(chart, (x, radius, 0.0))
        charts = np.where(np.abs(quads.mean(axis=1)[:, 2]) > 0.4 * width, disc, tread)
        model.add(quads, charts, inside, crease=40, join=k > 0)


def scooter_body(model: Model, rng: np.random.Generator, paint: Material) -> None:
    """A scooter with small wheels, a front shield, a floor and a seat."""
    skin = model.skin
    body, dark = skin.swatch(paint), skin.swatch(m.PLASTIC)
    radius = 0.235
    _motor_wheels(model, (-0.60, 0.62), radius, 0.11, rng)
    hull(
        model,
        [
            (-0.86, 0.50, 0.60, 0.10),
            (-0.70, 0.42, 0.74, 0.16),
            (-0.35, 0.34, 0.72, 0.17),
            (-0.12, 0.28, 0.60, 0.14),
        ],
        body,
    )
    hull(model, [(-0.82, 0.70, 0.78, 0.11), (-0.45, 0.68, 0.80, 0.15), (-0.08, 0.66, 0.76, 0.11)], dark)
    hull(model, [(-0.2, 0.22, 0.30, 0.15), (0.35, 0.22, 0.30, 0.16)], dark)
    hull(model, [(0.30, 0.24, 0.72, 0.15), (0.40, 0.26, 0.98, 0.20), (0.52, 0.40, 0.96, 0.12)], body)
    hull(model, [(0.42, 0.44, 0.50, 0.08), (0.62, 0.44, 0.52, 0.09), (0.84, 0.30, 0.40, 0.07)], body)
    lamp, tail = skin.swatch(m.HEAD), skin.swatch(m.TAIL)
    block(model, (0.46, 0.55), (0.84, 0.95), (-0.09, 0.09), np.array([lamp, dark, body, body, body, dark]))
    block(model, (-0.89, -0.84), (0.54, 0.62), (-0.09, 0.09), np.array([tail, tail, tail, tail, tail, dark]))
    block(
        model,
        (-0.90, -0.86),
        (0.32, 0.46),
        (-0.10, 0.10),
        skin.swatch(m.PLATE if rng.random() < 0.6 else m.PLATE_YELLOW),
    )
    rods(model, [((0.40, 1.02, -0.33), (0.40, 1.02, 0.33)), ((0.62, 0.3), (0.42, 0.98))], 0.018, dark)
    for z in (-0.3, 0.3):
        rods(model, [((0.42, 1.0, z), (0.40, 1.16, z * 1.05))], 0.008, dark)
        block(model, (0.39, 0.41), (1.12, 1.20), sorted((z * 0.9, z * 1.25)), dark)


def _motorcycle_body(model: Model, rng: np.random.Generator, paint: Material) -> None:
    skin = model.skin
    body, dark, steel = skin.swatch(paint), skin.swatch(m.PLASTIC), skin.swatch(m.STEEL)
    _motor_wheels(model, (-0.70, 0.72), 0.315, 0.15, rng)
    hull(model, [(-0.25, 0.62, 0.80, 0.10), (0.05, 0.62, 0.92, 0.16), (0.38, 0.66, 0.88, 0.12)], body)
    hull(model, [(-0.95, 0.80, 0.88, 0.06), (-0.6, 0.70, 0.84, 0.12), (-0.2, 0.68, 0.80, 0.12)], dark)
    hull(
        model,
        [(-0.35, 0.28, 0.62, 0.14), (0.10, 0.22, 0.64, 0.18), (0.36, 0.30, 0.60, 0.14)],
        steel if rng.random() < 0.5 else dark,
    )
    hull(model, [(0.36, 0.62, 0.96, 0.12), (0.52, 0.72, 1.02, 0.15), (0.66, 0.80, 0.94, 0.08)], body)
    hull(model, [(0.50, 0.64, 0.67, 0.07), (0.72, 0.64, 0.68, 0.08), (0.98, 0.50, 0.54, 0.06)], body)
    rods(model, [((0.72, 0.315, z), (0.46, 0.95, z)) for z in (-0.09, 0.09)], 0.022, steel)
    rods(model, [((-0.70, 0.315, z), (-0.2, 0.45, z)) for z in (-0.09, 0.09)], 0.025, dark)
    quads, inside = tube((-0.98, 0.42, -0.16), (-0.35, 0.34, -0.16), (0.055, 0.04), 6)
    model.add(quads, skin.swatch(m.CHROME), inside, crease=75)
    lamp, tail = skin.swatch(m.HEAD), skin.swatch(m.TAIL)
    block(model, (0.60, 0.69), (0.82, 0.94), (-0.08, 0.08), np.array([lamp, dark, dark, dark, dark, dark]))
    block(model, (-1.0, -0.94), (0.80, 0.87), (-0.08, 0.08), np.array([tail] * 6))
    rods(model, [((0.40, 1.04, -0.38), (0.40, 1.04, 0.38))], 0.018, dark)
    for z in (-0.36, 0.36):
        block(model, (0.42, 0.44), (1.10, 1.17), sorted((z * 0.85, z * 1.08)), dark)


def motorcyclist(name: str, rng: np.random.Generator) -> Mesh:
    """scooter, delivery (with a box behind) or motorcycle."""
    model = Model(Skin(DENSITY), cloth=0.7)
    look = style(rng)
    shell = (m.BLACK, m.WHITE, m.RED, m.PLATE_YELLOW, m.ALLOY)[rng.integers(5)]
    look.helmet = shell if rng.random() < 0.85 else None
    own = m.PAINT if rng.random() < 0.6 else m.some(rng, 20, 210, gloss=0.8)
    if name == "motorcycle":
        _motorcycle_body(model, rng, own)
        pose = rider((-0.35, 0.86), (0.0, 1.32), (0.38, 1.04, 0.32), [(-0.12, 0.36), (-0.12, 0.36)], 0.20)
    else:
        scooter_body(model, rng, own)
        pose = rider((-0.36, 0.84), (-0.20, 1.36), (0.38, 1.02, 0.28), [(0.14, 0.38), (0.14, 0.38)], 0.12)
    if name == "delivery":
        cover = m.PAINT if rng.random() < 0.6 else m.ACCENT
        block(
            model, (-0.98, -0.52), (0.80, 1.26), (-0.25, 0.25), model.skin.swatch(cover._replace(gloss=0.3))
        )
    figure(model, pose, look, rng)
    return model.finish()
