"""Things that many shapes are drawn with: plates, rims, slats."""

from __future__ import annotations

import numpy as np

from d2ext.data.synthroad.mesh import Model, Vector, box, face_normals
from d2ext.data.synthroad.shapes import materials as m
from d2ext.data.synthroad.skin import SIDE, Chart, Material, Skin


def plate(chart: Chart, center: tuple[float, float], rng: np.random.Generator, half: float = 0.24) -> None:
    """A number plate with something like letters."""
    kind = rng.random()
    ground, ink = (m.PLATE, m.INK) if kind < 0.6 else (m.PLATE_BLUE, m.PLATE)
    if kind > 0.9:
        ground, ink = m.PLATE_YELLOW, m.INK
    a, b = center
    chart.box(a - half - 0.02, b - 0.07, a + half + 0.02, b + 0.07, m.PLASTIC)
    chart.box(a - half, b - 0.055, a + half, b + 0.055, ground)
    for start in np.linspace(-0.85, 0.70, 7) * half:
        if rng.random() < 0.9:
            chart.box(a + start, b - 0.032, a + start + 0.032, b + 0.032, ink)


def bars(chart: Chart, area: tuple[float, float, float, float], count: int, material: Material) -> None:
    """Level slats over an area a0, b0, a1, b1."""
    a0, b0, a1, b1 = area
    for k in range(count):
        y = b0 + (k + 1) / (count + 1) * (b1 - b0)
        chart.line([(a0, y), (a1, y)], 0.012, material)


def rim(skin: Skin, radius: float, rng: np.random.Generator, tyre: float = 0.70) -> Chart:
    """The drawing of a wheel's disc: tyre, rim with spokes or holes, hub."""
    chart = skin.chart(SIDE, (-radius, -radius), (2 * radius, 2 * radius), m.TYRE)
    metal = m.ALLOY if rng.random() < 0.7 else (m.STEEL if rng.random() < 0.5 else m.BLACK)
    inner = radius * tyre
    chart.disc((0, 0), inner, metal)
    chart.disc((0, 0), inner * 0.86, m.DARK)
    spokes = int(rng.integers(5, 11))
    turn = rng.uniform(0, 6.28)
    width = inner * (0.9 if spokes < 7 else 0.6) / spokes * rng.uniform(1.3, 2.2)
    for angle in turn + np.arange(spokes) * 2 * np.pi / spokes:
        along, across = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
        near, far = across * width * 0.7, along * inner * 0.9
        chart.fill(np.stack([-near, near, far + across * width, far - across * width]), metal)
    chart.disc((0, 0), inner * 0.26, metal)
    chart.disc((0, 0), inner * 0.12, m.PLASTIC)
    return chart


def by_direction(quads: np.ndarray, inside: np.ndarray, charts: dict[str, int]) -> np.ndarray:
    """The chart of every quad by where it looks: side, front, rear, top, bottom, and left if it differs."""
    normals = face_normals(quads)
    normals *= np.sign(np.einsum("nc,nc->n", normals, quads.mean(axis=1) - inside))[:, None]
    weights = np.stack(
        [
            np.abs(normals[:, 2]) * 1.05, np.maximum(normals[:, 0], 0), np.maximum(-normals[:, 0], 0),
            np.maximum(normals[:, 1], 0) * 1.15, np.maximum(-normals[:, 1], 0),
        ]
    )  # fmt: skip
    names = ("side", "front", "rear", "top", "bottom")
    chosen = np.array([charts[names[k]] for k in weights.argmax(axis=0)])
    left = (chosen == charts["side"]) & (normals[:, 2] > 0)
    return np.where(left, charts.get("left", charts["side"]), chosen)


def block(model: Model, x: Vector, y: Vector, z: Vector, chart: int | np.ndarray, join: bool = False) -> None:
    """A plain block of one chart, or of six: front, rear, left, right, top, bottom."""
    quads = box(x, y, z)
    model.add(quads, chart, quads.mean(axis=(0, 1)), crease=0, join=join)
