"""Tricycles: with an open bed, with a box, and closed all around."""

from __future__ import annotations

import numpy as np

from d2ext.data.synthroad.mesh import Mesh, Model, ball, wheel
from d2ext.data.synthroad.shapes import materials as m
from d2ext.data.synthroad.shapes.figure import figure, style
from d2ext.data.synthroad.shapes.heavy import shell
from d2ext.data.synthroad.shapes.parts import block, by_direction, rim
from d2ext.data.synthroad.shapes.riding import hull, rider, rods
from d2ext.data.synthroad.skin import FRONT, SIDE, Material, Skin


def tricyclist(name: str, rng: np.random.Generator) -> Mesh:
    """cargo: an open bed; parcels: a closed box; cabin: a closed body all around."""
    model = Model(Skin(90.0), cloth=0.4)
    skin = model.skin
    dark = skin.swatch(m.CHASSIS)
    chart = rim(skin, 0.26, rng, 0.62)
    tread = skin.swatch(m.TYRE)
    for x, z in ((0.95, 0.0), (-0.75, 0.44), (-0.75, -0.44)):
        quads, inside = wheel((x, 0.26, z), 0.26, 0.12, 12)
        disc = skin.place(chart, (x, 0.26, 0.0))
        away = np.abs(quads.mean(axis=1)[:, 2] - z)
        model.add(quads, np.where(away > 0.05, disc, tread), inside, crease=40)
    block(model, (-1.2, 0.3), (0.38, 0.48), (-0.40, 0.40), dark)
    if name == "cabin":
        _cabin(model, rng)
        return model.finish()
    (_parcels if name == "parcels" else _bed)(model, rng)
    _front_end(model, rng)
    look = style(rng)
    look.top, look.bottom = m.TROUSERS, Material((60, 48, 40))
    figure(
        model,
        rider((0.22, 0.84), (0.30, 1.34), (0.80, 1.0, 0.28), [(0.62, 0.42), (0.62, 0.42)], 0.12),
        look,
        rng,
    )
    return model.finish()


def _parcels(model: Model, rng: np.random.Generator) -> None:
    """A closed box with something written on it."""
    skin = model.skin
    paint = skin.swatch(m.PAINT)
    side = skin.chart(SIDE, (-1.27, 0.5), (1.42, 1.2), m.PAINT)
    side.box(-1.0, 0.85, -0.1, 1.3, m.ACCENT)
    for k in range(4):
        side.box(-0.9 + 0.2 * k, 1.0, -0.78 + 0.2 * k, 1.15, m.WHITE)
    place = skin.place(side)
    rear = skin.chart(FRONT, (-0.52, 0.48), (1.04, 1.25), m.PAINT)
    rear.line([(0, 0.5), (0, 1.7)], 0.02, m.SEAM)
    rear.boxes(0.36, 0.52, 0.48, 0.64, m.TAIL)
    block(
        model,
        (-1.26, 0.14),
        (0.48, 1.70),
        (-0.52, 0.52),
        np.array([paint, skin.place(rear), place, place, paint, paint]),
    )


def _bed(model: Model, rng: np.random.Generator) -> None:
    """An open bed with a load."""
    skin = model.skin
    paint = skin.swatch(m.PAINT)
    inner = skin.swatch(Material((80, 84, 90)))
    for span, across in (
        ((-1.26, 0.12), (0.48, 0.52)),
        ((-1.26, 0.12), (-0.52, -0.48)),
        ((-1.26, -1.22), (-0.5, 0.5)),
        ((0.08, 0.12), (-0.5, 0.5)),
    ):
        block(model, span, (0.46, 0.80), across, paint)
    block(model, (-1.2, 0.1), (0.44, 0.50), (-0.5, 0.5), inner)
    x = -1.15
    while x < -0.2:
        size, tall = rng.uniform(0.25, 0.6), rng.uniform(0.2, 0.75)
        load = m.some(rng, 40, 200)
        block(
            model,
            (x, min(x + size, 0.06)),
            (0.5, 0.5 + tall),
            sorted(rng.uniform(-0.46, 0.46, 2) + [-0.1, 0.1]),
            skin.swatch(load),
        )
        x += size
    tail = skin.swatch(m.TAIL)
    for across in ((0.38, 0.50), (-0.50, -0.38)):
        block(model, (-1.275, -1.25), (0.36, 0.44), across, tail)


def _front_end(model: Model, rng: np.random.Generator) -> None:
    """Seat, fork, handlebar and shield of a tricycle."""
    skin = model.skin
    dark, paint = skin.swatch(m.PLASTIC), skin.swatch(m.PAINT)
    hull(model, [(0.14, 0.45, 0.76, 0.24), (0.42, 0.45, 0.74, 0.20)], dark)
    hull(model, [(0.30, 0.34, 0.44, 0.20), (0.80, 0.32, 0.42, 0.10)], dark)
    hull(model, [(0.76, 0.40, 0.80, 0.16), (0.86, 0.45, 0.98, 0.22), (0.98, 0.52, 0.94, 0.12)], paint)
    rods(model, [((0.95, 0.26), (0.82, 1.0)), ((0.80, 1.0, -0.34), (0.80, 1.0, 0.34))], 0.022, dark)
    lamp = skin.swatch(m.HEAD)
    block(model, (0.94, 1.02), (0.80, 0.92), (-0.08, 0.08), np.array([lamp, dark, dark, dark, dark, dark]))
    quads, inside = ball((0.95, 0.5, 0), (0.28, 0.09, 0.09), 8, 4)
    model.add(quads, paint, inside, crease=75)


def _cabin(model: Model, rng: np.random.Generator) -> None:
    """A closed three-wheeler with windows all around."""
    skin = model.skin
    side = skin.chart(SIDE, (-1.25, 0.2), (2.45, 1.55), m.PAINT)
    for a, b in ((-1.05, -0.35), (-0.27, 0.40)):
        side.box(a, 0.95, b, 1.52, m.BLACK)
        side.box(a + 0.04, 0.99, b - 0.04, 1.48, m.GLASS)
    side.line([(0.44, 0.3), (0.44, 1.6)], 0.02, m.SEAM)
    side.line([(-0.31, 0.3), (-0.31, 1.6)], 0.02, m.SEAM)
    front = skin.chart(FRONT, (-0.58, 0.2), (1.16, 1.55), m.PAINT)
    front.pair([(0, 0.92), (0.46, 0.96), (0.42, 1.52), (0, 1.54)], m.GLASS)
    front.pair([(0.26, 0.60), (0.44, 0.62), (0.44, 0.74), (0.26, 0.72)], m.HEAD)
    rear = skin.chart(FRONT, (-0.58, 0.2), (1.16, 1.55), m.PAINT)
    rear.pair([(0, 1.0), (0.42, 1.0), (0.40, 1.5), (0, 1.5)], m.GLASS)
    rear.boxes(0.40, 0.55, 0.52, 0.80, m.TAIL)
    sections = [
        (1.2, 0.42, 0.62, 0.36),
        (1.05, 0.30, 0.80, 0.46),
        (0.62, 0.28, 1.50, 0.54),
        (0.40, 0.28, 1.68, 0.56),
        (-1.15, 0.28, 1.66, 0.56),
        (-1.22, 0.34, 1.58, 0.54),
    ]
    quads, inside = shell(sections, edge=0.08, taper=0.88)
    paint = skin.swatch(m.PAINT)
    charts = {
        "side": skin.place(side),
        "front": skin.place(front),
        "rear": skin.place(rear),
        "top": paint,
        "bottom": skin.swatch(m.CHASSIS),
    }
    model.add(quads, by_direction(quads, inside, charts), inside, crease=40)
    model.cabin = (-1.2, 1.0, 0.7, 1.68, 0.54)
