"""Trucks: a cab, a frame with wheels, and what is carried."""

from __future__ import annotations

import numpy as np

from d2ext.data.synthroad.mesh import Mesh, Model, box
from d2ext.data.synthroad.shapes import materials as m
from d2ext.data.synthroad.shapes.cargo import TruckSpec, closed, tank, tray
from d2ext.data.synthroad.shapes.heavy import mirror_arms, shell, wheels
from d2ext.data.synthroad.shapes.parts import bars, block, by_direction, plate
from d2ext.data.synthroad.skin import FRONT, SIDE, Chart, Skin

TRUCKS: dict[str, TruckSpec] = {
    "box": TruckSpec((3.20, 2.42, 7.60), (1.75, 2.55), 1.05, (0.16, 0.72), 0.45),
    "tipper": TruckSpec((3.10, 2.48, 7.90), (1.85, 2.85), 1.15, (0.16, 0.66, 0.83), 0.50),
    "trailer": TruckSpec((3.80, 2.53, 14.2), (2.1, 3.50), 1.20, (0.095, 0.30, 0.76, 0.85, 0.94), 0.50),
    "tanker": TruckSpec((3.30, 2.48, 9.60), (1.95, 2.95), 1.15, (0.14, 0.64, 0.78), 0.50),
    "dropside": TruckSpec((2.45, 2.05, 5.90), (1.55, 2.20), 0.85, (0.16, 0.76), 0.38),
}


def truck(name: str, rng: np.random.Generator) -> Mesh:
    """One of TRUCKS, with details by chance."""
    spec = TRUCKS[name]
    height, width, length = spec.size
    skin = Skin(48.0 if length > 7 else 64.0)
    model = Model(skin)
    half, wide = length / 2, width / 2
    _cab(model, spec, rng)
    dark = skin.swatch(m.CHASSIS)
    block(model, (-half + 0.15, half - 0.6), (spec.bed - 0.34, spec.bed), (-0.42, 0.42), dark)
    wheels(model, [half - t * length for t in spec.axles], wide - 0.02, spec.radius, rng)
    _tail(model, spec, rng)
    if name != "trailer":
        for sign in (-1, 1):
            z = sorted((sign * (wide - 0.08), sign * 0.45))
            block(
                model,
                (-0.06 * length, 0.10 * length),
                (0.42, spec.bed - 0.1),
                z,
                skin.swatch(m.PLASTIC),
                sign > 0,
            )
    start = half - spec.cab[0] - rng.uniform(0.08, 0.25)
    {"tanker": tank, "tipper": tray, "dropside": tray}.get(name, closed)(model, spec, start, rng)
    model.cabin = (half - spec.cab[0] + 0.2, half, 0.45 * spec.cab[1], spec.cab[1], wide * 0.95)
    return model.finish()


def _cab(model: Model, spec: TruckSpec, rng: np.random.Generator) -> None:
    width, length = spec.size[1:]
    half, wide = length / 2, width / 2 - 0.06
    depth, top = spec.cab
    low, sill = 0.42 * spec.radius / 0.48, 0.55 * top
    lean = rng.uniform(0.06, 0.22)
    sections = [
        (half, low + 0.1, 0.45 * top, wide * 0.93),
        (half - 0.06, low, sill, wide * 0.985),
        (half - 0.06 - lean, low, 0.93 * top, wide),
        (half - 0.25 - lean, low, top, wide),
        (half - depth + 0.05, low, top, wide),
        (half - depth, low, 0.97 * top, wide * 0.97),
    ]
    quads, inside = shell(sections, edge=0.10, taper=0.95)
    skin = model.skin
    base = m.PAINT if spec.bed < 1 or rng.random() < 0.93 else m.WHITE._replace(gloss=0.8)
    side = skin.chart(SIDE, (half - depth, 0), (depth, top), base)
    front = skin.chart(FRONT, (-wide, 0), (2 * wide, top), base)
    _draw_cab_side(side, spec, half, sill, lean, rng)
    _draw_cab_front(front, top, wide, sill, rng)
    paint = skin.swatch(base)
    charts = {
        "side": skin.place(side),
        "front": skin.place(front),
        "rear": paint,
        "top": paint,
        "bottom": skin.swatch(m.CHASSIS),
    }
    model.add(quads, by_direction(quads, inside, charts), inside, crease=40.0)
    mirror_arms(model, half - 0.14, 0.70 * top, width / 2)
    if spec.size[0] - top > 0.4 and rng.random() < 0.6:
        quads = box(
            (half - depth + 0.1, half - 0.45), (top - 0.05, spec.size[0] - 0.15), (-0.8 * wide, 0.8 * wide)
        )
        quads[:, :, 0] -= np.where(
            (quads[:, :, 1] > top) & (quads[:, :, 0] > half - 0.6), 0.7 * depth - 0.4, 0.0
        )
        model.add(quads, paint, quads.reshape(-1, 3).mean(axis=0), crease=0)


def _draw_cab_side(
    chart: Chart, spec: TruckSpec, half: float, sill: float, lean: float, rng: np.random.Generator
) -> None:
    depth, top = spec.cab
    axle = half - spec.axles[0] * spec.size[2]
    front, rear = half - 0.28, half - min(depth - 0.1, 1.25)
    chart.fill([(front, sill), (front - 0.6 * lean, 0.90 * top), (rear, 0.90 * top), (rear, sill)], m.BLACK)
    chart.fill(
        [
            (front - 0.05, sill + 0.05),
            (front - 0.05 - 0.6 * lean, 0.88 * top),
            (rear + 0.06, 0.88 * top),
            (rear + 0.06, sill + 0.05),
        ],
        m.GLASS,
    )
    for x in (front + 0.08, rear - 0.04):
        chart.line([(x, 0.3 * top), (x, 0.92 * top)], 0.02, m.SEAM)
    chart.box(rear + 0.05, sill - 0.2, rear + 0.25, sill - 0.14, m.PLASTIC)
    chart.disc((axle, spec.radius), spec.radius * 1.2, m.DARK)
    chart.box(half - depth, 0, half, 0.30 * top * spec.radius, m.PLASTIC)
    if rng.random() < 0.4:
        chart.box(half - depth, 0.38 * top, rear, 0.46 * top, m.ACCENT)


def _draw_cab_front(chart: Chart, top: float, wide: float, sill: float, rng: np.random.Generator) -> None:
    chart.pair([(0, sill), (0.93 * wide, sill), (0.90 * wide, 0.93 * top), (0, 0.93 * top)], m.BLACK)
    chart.pair(
        [(0, sill + 0.06), (0.88 * wide, sill + 0.06), (0.85 * wide, 0.90 * top), (0, 0.90 * top)], m.GLASS
    )
    grille = m.PLASTIC if rng.random() < 0.6 else m.SEAM
    chart.pair(
        [(0, 0.26 * top), (0.62 * wide, 0.26 * top), (0.70 * wide, 0.48 * top), (0, 0.48 * top)], grille
    )
    bars(chart, (-0.66 * wide, 0.27 * top, 0.66 * wide, 0.47 * top), int(rng.integers(3, 7)), m.DARK)
    chart.disc((0, 0.44 * top), 0.10, m.CHROME)
    chart.box(-wide, 0, wide, 0.235 * top, m.PLASTIC if rng.random() < 0.6 else m.PAINT)
    lamp = rng.uniform(0.20, 0.30) * top
    chart.pair(
        [
            (0.62 * wide, lamp - 0.12),
            (0.94 * wide, lamp - 0.10),
            (0.94 * wide, lamp + 0.09),
            (0.62 * wide, lamp + 0.07),
        ],
        m.BLACK,
    )
    chart.pair(
        [
            (0.66 * wide, lamp - 0.08),
            (0.90 * wide, lamp - 0.07),
            (0.90 * wide, lamp + 0.06),
            (0.66 * wide, lamp + 0.05),
        ],
        m.HEAD,
    )
    plate(chart, (0.0, 0.19 * top), rng)
    for a in (-0.5, 0.1):
        chart.line([(a * wide, sill + 0.05), ((a + 0.45) * wide, sill + 0.35)], 0.03, m.RUBBER)


def _tail(model: Model, spec: TruckSpec, rng: np.random.Generator) -> None:
    """The bumper at the rear with lamps and plate."""
    half, wide = spec.size[2] / 2, spec.size[1] / 2
    low, high = spec.bed - 0.52, spec.bed - 0.26
    chart = model.skin.chart(FRONT, (-wide, low), (2 * wide, high - low), m.CHASSIS)
    chart.boxes(0.60 * wide, low + 0.05, 0.93 * wide, high - 0.05, m.TAIL_DARK)
    chart.boxes(0.62 * wide, low + 0.07, 0.80 * wide, high - 0.07, m.TAIL)
    chart.boxes(0.83 * wide, low + 0.07, 0.91 * wide, high - 0.07, m.AMBER)
    plate(chart, (0.0, (low + high) / 2), rng)
    block(
        model, (-half + 0.02, -half + 0.14), (low, high), (-0.95 * wide, 0.95 * wide), model.skin.place(chart)
    )
    guard = model.skin.swatch(m.STEEL)
    block(model, (-half + 0.08, -half + 0.16), (0.42, 0.54), (-0.9 * wide, 0.9 * wide), guard)
