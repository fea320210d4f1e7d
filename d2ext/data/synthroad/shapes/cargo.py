"""What trucks carry: closed boxes, open trays with a load, tanks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from d2ext.data.synthroad.mesh import Model, box, loft, tube
from d2ext.data.synthroad.shapes import materials as m
from d2ext.data.synthroad.shapes.heavy import advert
from d2ext.data.synthroad.shapes.parts import bars, block, by_direction
from d2ext.data.synthroad.skin import FRONT, SIDE, TOP


@dataclass(frozen=True)
class TruckSpec:
    """size: nominal h, w, l; cab: its length and its top; bed: height of the loading floor; axles: x in
    lengths from the front; radius: of the wheels."""

    size: tuple[float, float, float]
    cab: tuple[float, float]
    bed: float
    axles: tuple[float, ...]
    radius: float = 0.48
    low_front: bool = False


def closed(model: Model, spec: TruckSpec, start: float, rng: np.random.Generator) -> None:
    """A box or a curtain of canvas, with seams, writing and doors at the rear."""
    height, width, length = spec.size
    half, wide = length / 2, width / 2
    skin = model.skin
    plain = m.PAINT
    area = (-half, spec.bed, start, height)
    side = skin.chart(SIDE, (-half, spec.bed), (start + half, height - spec.bed), plain)
    rear = skin.chart(FRONT, (-wide, spec.bed), (width, height - spec.bed), plain)
    top = skin.chart(TOP, (-half, -wide), (start + half, width), plain)
    if rng.random() < 0.65:
        advert(side, (-half + 0.3, spec.bed + 0.3, start - 0.3, height - 0.3), rng)
    step = rng.uniform(0.45, 1.3)
    for x in np.arange(-half + step, start, step):
        side.line([(float(x), spec.bed), (float(x), height)], 0.02, m.CREASE)
        top.line([(float(x), -wide), (float(x), wide)], 0.02, m.CREASE)
    side.box(-half, spec.bed, start, spec.bed + 0.12, m.STEEL)
    side.box(-half, height - 0.07, start, height, m.STEEL)
    rear.line([(0, spec.bed), (0, height)], 0.03, m.SEAM)
    for a in (-0.62, -0.25, 0.25, 0.62):
        rear.line([(a * wide, spec.bed + 0.05), (a * wide, height - 0.05)], 0.04, m.STEEL)
    for edge in ((-wide, -wide + 0.07), (wide - 0.07, wide)):
        rear.box(edge[0], spec.bed, edge[1], height, m.STEEL)
    rear.box(-wide, spec.bed, wide, spec.bed + 0.1, m.STEEL)
    quads = box((area[0], area[2]), (area[1], area[3]), (-wide, wide))
    inside = np.broadcast_to(quads.reshape(-1, 3).mean(axis=0), (6, 3))
    charts = {
        "side": skin.place(side),
        "front": skin.swatch(plain),
        "rear": skin.place(rear),
        "top": skin.place(top),
        "bottom": skin.swatch(m.CHASSIS),
    }
    model.add(quads, by_direction(quads, inside, charts), inside, crease=0)


def tray(model: Model, spec: TruckSpec, start: float, rng: np.random.Generator) -> None:
    """An open tray with ribbed sides and something in it."""
    height, width, length = spec.size
    half, wide = length / 2, width / 2
    skin = model.skin
    tipper = spec.bed > 1
    wall = spec.bed + (1.25 if tipper else 0.45)
    side = skin.chart(SIDE, (-half, spec.bed), (start + half, wall - spec.bed), m.PAINT)
    for x in np.arange(-half + 0.05, start, 0.62 if tipper else 1.2):
        side.box(float(x), spec.bed, float(x) + 0.10, wall, m.CREASE)
        side.line([(float(x) + 0.11, spec.bed), (float(x) + 0.11, wall)], 0.02, m.SEAM)
    side.box(-half, wall - 0.08, start, wall, m.CREASE)
    rear = skin.chart(FRONT, (-wide, spec.bed), (width, wall - spec.bed), m.PAINT)
    bars(rear, (-wide, spec.bed, wide, wall), 4, m.SEAM)
    places = skin.place(side), skin.place(rear)
    inner = skin.swatch(m.Material((70, 74, 78)))
    thick = 0.07
    for z in ((-wide, -wide + thick), (wide - thick, wide)):
        quads = box((-half, start), (spec.bed, wall), z)
        model.add(
            quads,
            np.array([places[1], places[1], places[0], places[0], inner, inner]),
            quads.mean(axis=(0, 1)),
            crease=0,
        )
    for x in ((-half, -half + thick), (start - thick, start)):
        quads = box(x, (spec.bed, wall), (-wide + thick, wide - thick))
        model.add(
            quads,
            np.array([places[1], places[1], inner, inner, inner, inner]),
            quads.mean(axis=(0, 1)),
            crease=0,
        )
    block(
        model,
        (-half + thick, start - thick),
        (spec.bed, spec.bed + 0.06),
        (-wide + thick, wide - thick),
        inner,
    )
    (_heap if tipper else _boxes)(model, spec, start, wall, rng)


def _heap(model: Model, spec: TruckSpec, start: float, wall: float, rng: np.random.Generator) -> None:
    """Sand or gravel, and the board above a tipper's cab."""
    height, width, length = spec.size
    half, wide, thick = length / 2, width / 2, 0.07
    low, side = spec.bed, width / 2 - thick
    rise = wall + 0.30 * np.sin(np.linspace(0.1, 3.0, 7)) * rng.uniform(0.2, 1.0) - 0.15
    rings = []
    for x, y in zip(np.linspace(-half + thick, start - thick, 7), rise, strict=True):
        rings.append(
            [(x, low, -side), (x, y - 0.25, -side), (x, y, 0.0), (x, y - 0.25, side), (x, low, side)]
        )
    quads, inside = loft(np.array(rings))
    load = m.some(rng, 50, 150)
    model.add(quads, model.skin.swatch(load), inside, crease=60)
    board = model.skin.swatch(m.PAINT)
    block(model, (start - 0.1, half - 0.5), (height - 0.08, height), (-0.8 * wide, 0.8 * wide), board)


def _boxes(model: Model, spec: TruckSpec, start: float, wall: float, rng: np.random.Generator) -> None:
    """Boxes behind the headboard."""
    height, width, length = spec.size
    skin, wide = model.skin, width / 2
    x = 0.2 - length / 2
    while x < start - 0.6:
        size = rng.uniform(0.5, 1.3)
        y = (spec.bed, spec.bed + rng.uniform(0.3, height - spec.bed))
        z = (-wide * rng.uniform(0.3, 0.9), wide * rng.uniform(0.3, 0.9))
        load = skin.swatch(m.CANVAS if rng.random() < 0.5 else m.WOOD)
        block(model, (x, min(x + size, start - 0.1)), y, z, load)
        x += size + rng.uniform(0.0, 0.6)
    steel = skin.swatch(m.STEEL)
    block(model, (start - 0.12, start - 0.04), (wall, height), (-0.85 * wide, 0.85 * wide), steel)


def tank(model: Model, spec: TruckSpec, start: float, rng: np.random.Generator) -> None:
    """A tank lying along the frame, with a walkway and hatches."""
    height, width, length = spec.size
    half, wide = length / 2, width / 2
    radius = (height - spec.bed) / 2 - 0.02
    middle = spec.bed + radius
    chart = model.skin.chart(SIDE, (-half, spec.bed), (start + half, 2 * radius), m.PAINT)
    for x in np.linspace(-half + 0.5, start - 0.5, 5):
        chart.line([(float(x), spec.bed), (float(x), height)], 0.05, m.STEEL)
    if rng.random() < 0.6:
        chart.box(-half, middle - 0.14, start, middle + 0.10, m.ACCENT)
    paint = model.skin.swatch(m.PAINT)
    ring = np.array([0.0, 0.15, 0.3])
    xs = np.concatenate([-half + 0.02 + ring, start - 0.02 - ring[::-1]])
    radii = np.array([0.55, 0.9, 1.0, 1.0, 0.9, 0.55])
    angles = np.arange(16) * np.pi / 8
    circle = np.stack([np.zeros(16), radius * np.sin(angles), wide * np.cos(angles)], axis=1)
    rings = np.stack([np.array([x, middle, 0]) + r * circle for x, r in zip(xs, radii, strict=True)])
    quads, inside = loft(rings)
    charts = {"side": model.skin.place(chart), "front": paint, "rear": paint, "top": paint, "bottom": paint}
    model.add(quads, by_direction(quads, inside, charts), inside, crease=60)
    steel = model.skin.swatch(m.STEEL)
    block(model, (-half + 0.6, start - 0.6), (height - 0.06, height - 0.02), (-0.25, 0.25), steel)
    for x in (-0.25 * length, 0.0, 0.15 * length):
        quads, inside = tube((x, height - 0.1, 0), (x, height, 0), (0.25, 0.25), 8)
        model.add(quads, steel, inside)
