"""Cars and vans: one body lofted through cross sections, with everything else drawn on it."""

from __future__ import annotations

import numpy as np

from d2ext.data.synthroad.mesh import Mesh, Model, box, face_normals, loft, wheel
from d2ext.data.synthroad.shapes import materials as m
from d2ext.data.synthroad.shapes.car_body import Body
from d2ext.data.synthroad.shapes.car_paint import draw
from d2ext.data.synthroad.shapes.car_specs import CARS, VANS
from d2ext.data.synthroad.shapes.parts import by_direction, rim
from d2ext.data.synthroad.skin import FRONT, Skin

DENSITY = 74.0


def car(name: str, rng: np.random.Generator) -> Mesh:
    """One of CARS or VANS, with details by chance."""
    spec = (CARS | VANS)[name]
    skin = Skin(DENSITY)
    body = Body(spec, rng)
    model = Model(skin)
    charts = draw(skin, body, rng)
    quads, inside = loft(body.rings())
    model.add(quads, by_direction(quads, inside, charts), inside, crease=42.0)
    _wheels(model, body, rng)
    _extras(model, body, rng)
    rear = body.x[spec.foot]
    model.cabin = (
        rear, body.x[spec.cowl], body.at(0.0, body.belt) * 0.75, body.top.max(), body.half * 0.8,
    )  # fmt: skip
    return model.finish()


def _wheels(model: Model, body: Body, rng: np.random.Generator) -> None:
    chart = rim(model.skin, body.radius, rng)
    tread = model.skin.swatch(m.TYRE)
    for k, x in enumerate(body.axles):
        for sign in (-1, 1):
            width = 0.21
            center = (x, body.radius, sign * (body.half * 0.985 - width / 2))
            quads, inside = wheel(center, body.radius, width)
            disc = model.skin.place(chart, (x, body.radius, 0.0))
            charts = np.where(np.abs(face_normals(quads)[:, 2]) > 0.9, disc, tread)
            model.add(quads, charts, inside, crease=40.0, join=k + sign > -1)


def _extras(model: Model, body: Body, rng: np.random.Generator) -> None:
    """Mirrors, roof rails, an aerial, a taxi's sign."""
    spec, skin = body.spec, model.skin
    x = body.between(spec.cowl, spec.roof, 0.42)
    y = body.at(x, body.belt) + 0.055
    shell = skin.swatch(m.PAINT if rng.random() < 0.6 else m.BLACK)
    glass = skin.swatch(m.CHROME)
    for sign in (-1, 1):
        inner, outer = sign * body.half * 0.90, sign * body.half
        quads = box((x - 0.05, x + 0.05), (y - 0.06, y + 0.065), sorted((inner, outer)))
        quads[:, :, 0] += np.where(np.abs(quads[:, :, 2]) > 0.95 * body.half, -0.04, 0.0)
        charts = np.array([shell, glass, shell, shell, shell, shell])
        model.add(quads, charts, quads.reshape(-1, 3).mean(axis=0), crease=95.0)
    if spec.rails and rng.random() < 0.7:
        rail = skin.swatch(m.STEEL if rng.random() < 0.5 else m.BLACK)
        a, b = body.between(spec.roof, spec.rear, 0.05), body.between(spec.roof, spec.rear, 0.92)
        for sign in (-1, 1):
            z = sign * body.roof_half * 0.86
            low, high = float(body.top.max()) - 0.06, float(body.top.max()) + 0.015
            quads = box((b, a), (low, high), sorted((z - 0.018, z + 0.018)))
            model.add(quads, rail, quads.reshape(-1, 3).mean(axis=0), join=sign > 0)
    if spec.sign:
        _sign(model, body, rng)


def _sign(model: Model, body: Body, rng: np.random.Generator) -> None:
    """The lit sign on a taxi's roof, or a bar of lamps."""
    top = float(body.top.max())
    x = body.between(body.spec.roof, body.spec.rear, 0.40)
    bar = rng.random() < 0.2
    half = 0.5 if bar else 0.19
    quads = box((x - 0.06, x + 0.06), (top - 0.02, top + 0.12), (-half, half))
    quads[:, :, 0] = np.where(quads[:, :, 1] > top, x + 0.7 * (quads[:, :, 0] - x), quads[:, :, 0])
    chart = model.skin.chart(FRONT, (-half, top - 0.02), (2 * half, 0.14), m.WHITE if not bar else m.RED)
    if bar:
        chart.box(0.1, 0, half, 5, m.PLATE_BLUE)
        chart.box(-0.12, 0, 0.12, 5, m.WHITE)
    else:
        chart.box(-0.9 * half, top, 0.9 * half, top + 0.1, m.PLATE_YELLOW if rng.random() < 0.5 else m.HEAD)
        for z in np.linspace(-0.7, 0.5, 4) * half:
            chart.box(float(z), top + 0.025, float(z) + 0.05, top + 0.085, m.INK)
    side = model.skin.place(chart)
    plain = model.skin.swatch(m.PLATE_YELLOW if rng.random() < 0.5 else m.WHITE)
    charts = np.array([side, side, plain, plain, plain, plain])
    model.add(quads, charts, quads.reshape(-1, 3).mean(axis=0), crease=0)
