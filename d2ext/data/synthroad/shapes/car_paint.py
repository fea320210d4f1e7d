"""What is drawn on cars and vans: windows, lamps, seams, grilles."""

from __future__ import annotations

import numpy as np

from d2ext.data.synthroad.shapes import materials as m
from d2ext.data.synthroad.shapes.car_body import Body
from d2ext.data.synthroad.shapes.parts import bars, plate
from d2ext.data.synthroad.skin import FRONT, SIDE, TOP, Chart, Material, Skin


def draw(skin: Skin, body: Body, rng: np.random.Generator) -> dict[str, int]:
    """The charts of a body by the direction that they are seen from."""
    height, width, length = body.spec.size
    upper = m.PAINT
    if body.spec.sign:
        upper = (m.PAINT, m.ACCENT, m.NAVY)[rng.integers(3)]
    side = skin.chart(SIDE, (-length / 2, 0), (length, height), m.PAINT)
    front = skin.chart(FRONT, (-width / 2, 0), (width, height), m.PAINT)
    rear = skin.chart(FRONT, (-width / 2, 0), (width, height), m.PAINT)
    top = skin.chart(TOP, (-length / 2, -width / 2), (length, width), m.PAINT)
    lights = Lamps(rng)
    _draw_side(side, body, lights, upper, rng)
    _draw_front(front, body, lights, rng)
    _draw_rear(rear, body, lights, rng)
    _draw_top(top, body, upper, rng)
    place = {"side": side, "front": front, "rear": rear, "top": top}
    return {**{name: skin.place(chart) for name, chart in place.items()}, "bottom": skin.swatch(m.CHASSIS)}


class Lamps:
    """Where a car's lamps are: of the front and the rear, as heights in heights of the car."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.low, self.high = rng.uniform(-0.115, -0.085), rng.uniform(0.0, 0.01)
        self.wrap = rng.uniform(0.05, 0.10)
        self.inner = rng.uniform(0.50, 0.62)
        self.tail_inner = rng.uniform(0.48, 0.72)
        self.chrome = rng.random() < 0.5
        self.black = rng.random() < 0.35


def _draw_side(chart: Chart, body: Body, lamps: Lamps, upper: Material, rng: np.random.Generator) -> None:
    spec, half = body.spec, body.length / 2
    height = spec.size[0]
    xs = np.linspace(body.x[-1], body.x[0], 24)
    belts = np.array([body.at(x, body.belt) for x in xs])
    chart.fill([*zip(xs, belts - 0.01, strict=True), (half, 2.0), (-half, 2.0)], upper)
    sill = m.PLASTIC if spec.cladding else m.CREASE
    chart.box(-half, 0, half, (0.205 if spec.cladding else 0.165) * height, sill)
    chart.line([(x, b - 0.16 * height) for x, b in zip(xs[2:-2], belts[2:-2], strict=True)], 0.02, m.CREASE)
    for axle in body.axles:
        if spec.cladding:
            chart.disc((axle, body.radius), body.radius * 1.28, m.PLASTIC)
        chart.disc((axle, body.radius), body.radius * 1.13, m.DARK)
    window = _window_outline(body)
    trim = m.CHROME if lamps.chrome else m.BLACK
    chart.fill(window, m.BLACK if spec.panes != "front" else upper)
    chart.line([window[0], window[-1]], 0.025, trim)
    pillars = _pillars(body, rng)
    pieces = _split(np.array(window), pillars)
    for k, piece in enumerate(pieces):
        chart.fill(piece, m.GLASS if k == 0 or spec.panes != "front" else upper)
    low = 0.17 * height
    seams = [body.between(spec.cowl, spec.roof, 0.12), pillars[0], body.between(spec.rear, spec.foot, 0.05)]
    seams[2] = max(seams[2], body.axles[1] + 0.22) if len(pieces) > 1 else seams[2]
    for x in seams:
        chart.line([(x, low + 0.02), (x, body.at(x, body.belt))], 0.012, m.SEAM)
    chart.line([(seams[0], low + 0.02), (seams[2], low + 0.02)], 0.012, m.SEAM)
    handle = m.CHROME if lamps.chrome else m.CREASE
    for x in seams[1:]:
        y = body.at(x, body.belt) - 0.085 * height
        chart.box(x + 0.05, y - 0.018, x + 0.24, y + 0.018, m.SEAM)
        chart.box(x + 0.06, y - 0.010, x + 0.24, y + 0.018, handle)
    _draw_side_lamps(chart, body, lamps)


def _pillars(body: Body, rng: np.random.Generator) -> list[float]:
    """Where a side's windows are parted, from front to rear."""
    spec = body.spec
    if spec.panes == "full":
        pillars = [body.between(spec.roof, spec.rear, 0.36 + rng.uniform(-0.03, 0.03))]
        if (spec.rails or spec.tail == "high") and not spec.bed:
            pillars.append(body.between(spec.roof, spec.rear, 0.84))
        return pillars
    first = float(body.x[spec.roof]) - 0.42
    count = 2 if spec.panes == "front" or spec.size[2] < 4.5 else 3
    return np.linspace(first, float(body.x[spec.rear]) + 0.1, count + 1)[:-1].tolist()


def _draw_side_lamps(chart: Chart, body: Body, lamps: Lamps) -> None:
    height, half = body.spec.size[0], body.length / 2
    y = body.at(half - 0.06 * body.length, body.belt)
    wrap = lamps.wrap * body.length
    chart.fill(
        [(half, y + lamps.low * height), (half - wrap * 0.8, y + lamps.low * height * 0.5),
         (half - wrap * 1.3, y + 0.01), (half, y)], m.HEAD,
    )  # fmt: skip
    y = body.at(-half + 0.04 * body.length, body.belt)
    low = y - (0.22 if body.spec.tail == "high" else 0.12) * height
    chart.fill([(-half, low), (-half + wrap * 0.8, low + 0.05), (-half + wrap, y - 0.02), (-half, y)], m.TAIL)
    if body.spec.cladding or lamps.black:
        chart.box(half - 0.05 * body.length, 0, half, 0.21 * height, m.PLASTIC)
        chart.box(-half, 0, -half + 0.06 * body.length, 0.24 * height, m.PLASTIC)


def _window_outline(body: Body) -> list[tuple[float, float]]:
    """The glass of a side: from the front along its upper edge to the rear."""
    spec = body.spec
    front, rear = body.between(spec.cowl, spec.roof, 0.30), body.between(spec.rear, spec.foot, 0.42)
    if spec.bed:
        rear = body.between(spec.rear, spec.foot, -0.6)
    points = [(front, body.at(front, body.belt) + 0.03)]
    start, end = body.x[spec.roof] - 0.02, body.x[spec.rear] + (0.35 if spec.bed else 0.02)
    for x in np.linspace(start, end, 9):
        points.append((float(x), body.glass_top(float(x)) - 0.005))
    points.append((rear, body.at(rear, body.belt) + 0.035))
    return points


def _split(outline: np.ndarray, cuts: list[float]) -> list[np.ndarray]:
    """A window cut by vertical bars of 6 cm, each pane a little smaller than its opening."""
    xs = outline[:, 0]
    edges = [xs.max(), *sorted(cuts, reverse=True), xs.min()]
    bottom = outline[[0, -1]]
    panes = []
    for right, left in zip(edges[:-1], edges[1:], strict=True):
        a, b = left + 0.035, right - 0.035
        if b - a < 0.12:
            continue
        grid = np.linspace(a, b, 8)
        upper = np.interp(-grid, -outline[:, 0], outline[:, 1]) - 0.025
        lower = np.interp(grid, bottom[::-1, 0], bottom[::-1, 1]) + 0.015
        keep = upper > lower + 0.02
        if keep.sum() >= 2:
            panes.append(
                np.concatenate([np.stack([grid, upper], 1)[keep], np.stack([grid, lower], 1)[keep][::-1]])
            )
    return panes


def _draw_front(chart: Chart, body: Body, lamps: Lamps, rng: np.random.Generator) -> None:
    spec = body.spec
    height, half = spec.size[0], body.half
    hood = float(body.belt[2])
    low, high = hood + lamps.low * height, hood + lamps.high * height
    if spec.cladding or lamps.black:
        chart.box(-half, 0, half, 0.24 * height, m.PLASTIC)
    chart.box(-half, 0, half, 0.16 * height, m.PLASTIC)
    # Air intakes, grille and lamps.
    chart.pair([(0.0, 0.19 * height), (0.55 * half, 0.19 * height), (0.48 * half, 0.28 * height),
                (0.0, 0.28 * height)], m.DARK)  # fmt: skip
    chart.pair([(0.70 * half, 0.20 * height), (0.86 * half, 0.21 * height), (0.84 * half, 0.27 * height),
                (0.72 * half, 0.26 * height)], m.PLASTIC)  # fmt: skip
    if rng.random() < 0.6:
        chart.pair(_circle((0.78 * half, 0.235 * height), 0.035), m.HEAD_FRAME)
    wide = rng.uniform(0.34, 0.48) * half
    bottom = low - rng.uniform(-0.02, 0.07) * height
    grille = [(0.0, bottom), (wide * 0.92, bottom), (wide, high - 0.03), (0.0, high - 0.02)]
    edge = [(0.0, bottom - 0.018), (wide * 0.92 + 0.02, bottom - 0.018), (wide + 0.025, high - 0.015),
            (0.0, high - 0.003)]  # fmt: skip
    chart.pair(edge, m.CHROME if lamps.chrome else m.BLACK)
    chart.pair(grille, m.DARK)
    bars(
        chart,
        (-wide, bottom, wide, high - 0.03),
        int(rng.integers(0, 4)),
        m.CHROME if lamps.chrome else m.PLASTIC,
    )
    chart.disc((0.0, (bottom + high) / 2), 0.045, m.STEEL)
    lamp = [(lamps.inner * half, low + 0.02), (0.80 * half, low - 0.01), (0.99 * half, low + 0.05),
            (0.99 * half, high + 0.02), (0.78 * half, high - 0.005)]  # fmt: skip
    chart.pair(lamp, m.HEAD_FRAME)
    center = (0.5 * (lamps.inner + 0.95) * half, (low + high) / 2 + 0.01)
    chart.pair(_circle(center, 0.36 * (high - low)), m.HEAD)
    chart.pair(_circle((center[0] + 0.16 * half, center[1] + 0.01), 0.30 * (high - low)), m.HEAD)
    plate(chart, (0.0, 0.265 * height), rng)
    _screen(chart, body, spec.cowl, spec.roof)
    chart.line([(-half, hood + 0.005), (half, hood + 0.005)], 0.012, m.SEAM)


def _circle(center: tuple[float, float], radius: float) -> np.ndarray:
    angles = np.arange(16) * np.pi / 8
    return np.asarray(center) + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _screen(chart: Chart, body: Body, foot: int, roof: int, inset: float = 0.02) -> None:
    """The windscreen or the rear window on a drawing that looks along x."""
    low, high = float(body.top[foot]) + inset, float(body.top[roof]) - 0.045
    below, above = body.half * 0.80, body.roof_half * 0.90
    chart.pair(
        [(0, low - 0.02), (below + 0.03, low - 0.02), (above + 0.03, high + 0.02), (0, high + 0.02)], m.BLACK
    )
    chart.pair([(0, low), (below, low), (above, high), (0, high)], m.GLASS)


def _draw_rear(chart: Chart, body: Body, lamps: Lamps, rng: np.random.Generator) -> None:
    spec = body.spec
    height, half = spec.size[0], body.half
    deck = float(body.belt[spec.foot])
    if spec.cladding or lamps.black:
        chart.box(-half, 0, half, 0.27 * height, m.PLASTIC)
    chart.box(-half, 0, half, 0.17 * height, m.PLASTIC)
    chart.line([(-0.85 * half, 0.335 * height), (0.85 * half, 0.335 * height)], 0.015, m.SEAM)
    chart.line([(-half, 0.30 * height), (half, 0.30 * height)], 0.02, m.CREASE)
    if spec.tail == "high":
        tail = [(0.74 * half, deck - 0.23 * height), (half, deck - 0.22 * height), (half, deck + 0.02),
                (0.80 * half, deck)]  # fmt: skip
        core = [(0.79 * half, deck - 0.15 * height), (0.97 * half, deck - 0.15 * height),
                (0.97 * half, deck - 0.02), (0.83 * half, deck - 0.02)]  # fmt: skip
    else:
        inner = lamps.tail_inner * half
        tail = [
            (inner, deck - 0.10 * height),
            (half, deck - 0.12 * height),
            (half, deck),
            (inner + 0.05, deck - 0.01),
        ]
        core = [(inner + 0.06, deck - 0.085 * height), (0.97 * half, deck - 0.095 * height),
                (0.97 * half, deck - 0.03), (inner + 0.09, deck - 0.035)]  # fmt: skip
    chart.pair(tail, m.TAIL_DARK)
    chart.pair(core, m.TAIL)
    spot = np.mean(core, axis=0)
    white = m.HEAD_FRAME if rng.random() < 0.6 else m.AMBER
    chart.pair(_circle((float(spot[0]), float(spot[1]) - 0.035 * height), 0.03), white)
    low = rng.random() < 0.3
    y = (0.265 if low else 0.43) * height
    chart.box(-0.34 * half, y - 0.09, 0.34 * half, y + 0.10, m.CREASE)
    if lamps.chrome:
        chart.box(-0.36 * half, y + 0.075, 0.36 * half, y + 0.10, m.CHROME)
    plate(chart, (0.0, y), rng)
    chart.disc((0.0, deck - 0.05 * height), 0.035, m.STEEL)
    if rng.random() < 0.5:
        chart.pair(_circle((0.6 * half, 0.155 * height), 0.035), m.CHROME)
    _screen(chart, body, spec.foot, spec.rear)
    if spec.tail == "high" and not spec.bed:
        chart.line([(0.0, deck + 0.06), (0.3, deck + 0.16)], 0.02, m.RUBBER)
    chart.box(-0.16, float(body.top[spec.rear]) - 0.045, 0.16, float(body.top[spec.rear]) - 0.015, m.TAIL)


def _draw_top(chart: Chart, body: Body, upper: Material, rng: np.random.Generator) -> None:
    spec, half = body.spec, body.half
    x = body.x
    if upper is m.NAVY:
        chart.box(float(x[-1]), -half, float(x[0]), half, upper)
    elif upper is m.ACCENT:
        chart.box(float(x[spec.foot]), -half, float(x[spec.cowl]), half, upper)
    else:
        if rng.random() < 0.12:
            chart.box(float(x[spec.rear]), -half, float(x[spec.roof]), half, m.BLACK)
    for start, end in ((spec.cowl, spec.roof), (spec.foot, spec.rear)):
        a, b = body.between(start, end, 0.10), body.between(start, end, 0.90)
        wide_a, wide_b = body.half * 0.82, body.roof_half * 0.92
        frame = 0.035 * np.sign(a - b)
        chart.fill([(a + frame, -wide_a - 0.03), (a + frame, wide_a + 0.03), (b - frame, wide_b + 0.03),
                    (b - frame, -wide_b - 0.03)], m.BLACK)  # fmt: skip
        chart.fill([(a, -wide_a), (a, wide_a), (b, wide_b), (b, -wide_b)], m.GLASS)
    a = body.between(spec.cowl, spec.roof, 0.02)
    chart.line([(a + 0.05, -0.75 * half), (a + 0.05, 0.75 * half)], 0.06, m.PLASTIC)
    for z in (-0.45 * half, 0.15 * half):
        chart.line([(a - 0.02, z), (a - 0.10, z + 0.5)], 0.02, m.RUBBER)
    for z in (-0.80 * half, 0.80 * half):
        chart.line([(float(x[1]), z * 0.9), (float(x[spec.cowl]), z)], 0.012, m.SEAM)
    for z in (-0.4 * half, 0.4 * half):
        chart.line([(float(x[1]), z * 0.8), (float(x[spec.cowl]), z * 1.3)], 0.03, m.CREASE)
    roof = 0.30 * (x[spec.roof] - x[spec.rear])
    if rng.random() < 0.4 and not spec.sign:
        r0 = float(x[spec.roof]) - 0.12
        chart.box(r0 - float(roof) * 1.2, -0.5 * body.roof_half, r0, 0.5 * body.roof_half, m.SEAM)
        chart.box(r0 - float(roof) * 1.2 + 0.02, -0.5 * body.roof_half + 0.02, r0 - 0.02,
                  0.5 * body.roof_half - 0.02, m.TINTED)  # fmt: skip
    gutter = m.SEAM if rng.random() < 0.4 else m.CREASE
    for z in (-0.86 * body.roof_half, 0.86 * body.roof_half):
        chart.line([(float(x[spec.rear]), z), (float(x[spec.roof]), z)], 0.012, gutter)
    deck = float(x[spec.foot])
    if spec.bed:
        chart.box(float(x[-2]), -0.82 * half, deck - 0.03, 0.82 * half, m.DARK)
        bars(chart, (float(x[-2]), -0.8 * half, deck - 0.05, 0.8 * half), 9, m.PLASTIC)
    else:
        chart.line([(deck - 0.08, -0.7 * half), (deck - 0.08, 0.7 * half)], 0.012, m.SEAM)
