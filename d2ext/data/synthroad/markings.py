"""What is painted on the road: lines, arrows, crossings, hatchings and coloured lanes."""

from __future__ import annotations

import numpy as np

from d2ext.data.synthroad.ground import Ground
from d2ext.data.synthroad.scene import Road, Scene
from d2ext.data.synthroad.setting import Setting

_WHITE = np.array([206.0, 212.0, 214.0])
_YELLOW = np.array([58.0, 166.0, 214.0])
_FAR = 170.0
_NEAR = -30.0
# Metres before a stop line that is known in which lane lines are solid, and of road that its crosswalk takes.
_SOLID, _WALK = 25.0, 7.0
Quads = list[np.ndarray]


def draw_markings(ground: Ground, setting: Setting) -> None:
    """All paint of a scene, the same whenever it is drawn."""
    scene = ground.scene
    rng = np.random.default_rng([scene.scenery_seed, 4])
    bright = rng.uniform(0.78, 1.12)
    white, yellow = _WHITE * bright, _YELLOW * bright * rng.uniform(0.85, 1.1)
    country_yellow = rng.random() < 0.3
    middle = _center_lines(scene, rng)
    _paint(ground, setting, middle, yellow if country_yellow else white)
    _paint(ground, setting, _lane_lines(scene, rng), white)
    edges = _edge_lines(scene, rng)
    _paint(ground, setting, edges, yellow if country_yellow and rng.random() < 0.3 else white)
    _paint(ground, setting, _crossing(scene, rng), white)
    _paint(ground, setting, _arrows(scene, rng), white)
    _paint(ground, setting, _special(scene, rng), yellow if rng.random() < 0.4 else white)


def _paint(ground: Ground, setting: Setting, outlines: Quads, color: np.ndarray) -> None:
    """Polygons of any corner counts; where a pixel is wider than a line, the line gets the road's colour."""
    if not outlines:
        return
    base = setting.road[0]
    focal = float(ground.scene.view.projection[0, 0])
    counts = np.array([len(outline) for outline in outlines])
    for count in np.unique(counts):
        group = np.stack([outline for outline in outlines if len(outline) == count])
        w = _optical(ground, group.mean(axis=1))
        narrow = np.minimum(np.ptp(group[..., 0], axis=1), np.ptp(group[..., 1], axis=1))
        pixels = np.maximum(narrow, 0.05) * 2 * focal / np.maximum(w, 0.5)
        cover = np.clip(pixels / (pixels + 0.8) * 1.15, 0, 1)
        steps = np.ceil(cover * 6).astype(int)
        for step in np.unique(steps):
            tone = base + (color - base) * step / 6
            ground.polygons(group[steps == step], tone, setting.paint)


def _optical(ground: Ground, points: np.ndarray) -> np.ndarray:
    return points[:, 0] * ground.to_image[2, 0] + points[:, 1] * ground.to_image[2, 1] + ground.to_image[2, 2]


def _quad(p0: float, p1: float, q0: float, q1: float) -> np.ndarray:
    return np.array([[p0, q0], [p1, q0], [p1, q1], [p0, q1]])


def _spans(scene: Scene, gap: float = 5.0) -> list[tuple[float, float]]:
    """Stretches of the road without its crossroad."""
    if scene.road.crossroad is None:
        return [(_NEAR, _FAR)]
    a, b = scene.road.crossroad
    return [(_NEAR, a - gap), (b + gap, _FAR)]


def _line(
    p: float, spans: list[tuple[float, float]], width: float, dash: tuple[float, float] | None
) -> Quads:
    """A line of a width along q, dashed by (length, period) or in pieces of 12 m."""
    length, period = dash or (12.0, 12.0)
    quads = []
    for q0, q1 in spans:
        for start in np.arange(q0, q1, period):
            quads.append(_quad(p - width / 2, p + width / 2, start, min(start + length, q1)))
    return quads


def _sorted(a: float, b: float) -> tuple[float, float]:
    return (a, b) if a < b else (b, a)


def _dash(rng: np.random.Generator) -> tuple[float, float]:
    return ((3.0, 9.0), (4.0, 10.0), (6.0, 15.0), (2.0, 6.0), (3.0, 12.0), (6.0, 9.0))[rng.integers(6)]


def _lane_lines(scene: Scene, rng: np.random.Generator) -> Quads:
    road, width, dash = scene.road, rng.uniform(0.10, 0.18), _dash(rng)
    if rng.random() < 0.06 and road.stop_lines is None:
        return []
    solid = rng.uniform(15, 40) if road.crossroad is not None and rng.random() < 0.6 else 0.0
    quads = []
    for i in [*range(1, road.lanes_own), *range(-road.lanes_oncoming + 1, 0)]:
        p = i * road.lane_width + np.sign(i) * road.median / 2
        spans = _spans(scene)
        if solid and i > 0:
            (q0, q1), rest = spans[0], spans[1:]
            quads += _line(p, [(max(q1 - solid, q0), q1)], width, None)
            spans = [(q0, max(q1 - solid, q0)), *rest]
        stop = road.stop_lines and road.stop_lines[0 if i > 0 else 1]
        if stop:
            way = 1 if i > 0 else -1
            quads += _line(p, [_sorted(stop - way * _SOLID, stop)], width, None)
            spans = [_sorted(stop + way * _WALK, way * 1e9), _sorted(stop - way * _SOLID, -way * 1e9)]
            spans = [(max(q0, _NEAR), min(q1, _FAR)) for q0, q1 in spans]
        quads += _line(p, spans, width, dash)
    return quads


def _center_lines(scene: Scene, rng: np.random.Generator) -> Quads:
    road, width, spans = scene.road, rng.uniform(0.10, 0.18), _spans(scene)
    lanes = road.lanes_own + road.lanes_oncoming
    if not road.lanes_own * road.lanes_oncoming:
        return []
    if road.median > 0.4:
        inner = road.median / 2 + rng.uniform(0.1, 0.35)
        return [quad for p in (-inner, inner) for quad in _line(p, spans, width, None)]
    kind = rng.choice(["dashed", "solid", "double", "mixed", "none"], p=_center_odds(lanes))
    if kind == "dashed":
        return _line(0.0, spans, width, _dash(rng))
    if kind == "solid":
        return _line(0.0, spans, width, None)
    if kind == "none" and road.stop_lines is None:
        return []
    apart = width * rng.uniform(0.9, 1.3)
    return _line(-apart, spans, width, None) + _line(
        apart, spans, width, None if kind == "double" else _dash(rng)
    )


def _center_odds(lanes: int) -> tuple[float, ...]:
    return (0.5, 0.2, 0.06, 0.08, 0.16) if lanes == 2 else (0.06, 0.45, 0.4, 0.06, 0.03)


def _edge_lines(scene: Scene, rng: np.random.Generator) -> Quads:
    road, width = scene.road, rng.uniform(0.10, 0.22)
    if rng.random() < 0.3:
        return []
    inset = 0.12 if road.parking_width else rng.uniform(0.15, 0.5)
    dash = _dash(rng) if rng.random() < 0.15 else None
    sides = (road.right_edge - road.parking_width - inset, road.left_edge + road.parking_width + inset)
    quads = [quad for p in sides for quad in _line(p, _spans(scene), width, dash)]
    if road.parking_width and road.kind == "street" and rng.random() < 0.6:
        step = 5.6 if road.parking_width < 3 else 2.5
        for edge, side in ((road.right_edge, 1), (road.left_edge, -1)):
            for q0, q1 in _spans(scene, 8.0):
                for q in np.arange(q0, min(q1, 90), step):
                    quads.append(_quad(edge, edge - side * road.parking_width, q, q + 0.1))
    return quads


def _crossing(scene: Scene, rng: np.random.Generator) -> Quads:
    road = scene.road
    quads = []
    if road.crosswalk is not None:
        quads += _zebra(road, road.crosswalk, rng)
        if road.crossroad is not None and rng.random() < 0.6:
            quads += _zebra(road, sum(road.crossroad) - road.crosswalk, rng)
    if road.stop_lines is not None:
        return quads + _stop_lines(road, rng.uniform(0.3, 0.5))
    stop = road.crosswalk if road.crosswalk is not None else (road.crossroad or (None,))[0]
    if stop is not None and rng.random() < 0.75:
        ahead = stop - rng.uniform(2.4, 4.5)
        if rng.random() < 0.8:
            quads.append(
                _quad(
                    road.median / 2 + 0.1,
                    road.right_edge - road.parking_width,
                    ahead - rng.uniform(0.3, 0.5),
                    ahead,
                )
            )
        else:
            quads += [_quad(p, p + 0.5, ahead - 0.5, ahead) for p in np.arange(0.2, road.right_edge, 1.0)]
    return quads


def _stop_lines(road: Road, wide: float) -> Quads:
    """Across the lanes of each direction, where they are known to be."""
    lanes = ((1, road.right_edge), (-1, road.left_edge))
    return [
        _quad(way * (road.median / 2 + 0.1), edge - way * road.parking_width, stop, stop + way * wide)
        for (way, edge), stop in zip(lanes, road.stop_lines or (), strict=False)
        if stop is not None
    ]


def _zebra(road: Road, q: float, rng: np.random.Generator) -> Quads:
    half = rng.uniform(1.4, 2.6)
    kind = rng.choice(["bars", "lines", "ladder", "slanted"], p=(0.66, 0.14, 0.1, 0.1))
    quads = []
    if kind in ("lines", "ladder"):
        quads += [
            _quad(road.left_edge, road.right_edge, q + s * half - 0.08, q + s * half + 0.08) for s in (-1, 1)
        ]
    if kind != "lines":
        bar = rng.uniform(0.4, 0.6)
        period = bar * rng.uniform(1.8, 2.5)
        slant = rng.uniform(0.3, 1.2) if kind == "slanted" else 0.0
        for p in np.arange(road.left_edge + 0.3, road.right_edge - bar, period):
            quads.append(
                _quad(p, p + bar, q - half, q + half) + [[-slant, 0], [-slant, 0], [slant, 0], [slant, 0]]
            )
    return quads


def _arrow(p: float, q: float, turn: int, way: int) -> Quads:
    """A lane arrow about 5 m long whose middle is at p, q: straight on (0), left (-1) or right (1)."""
    shapes = [_quad(-0.09, 0.09, -2.4, 0.9 if turn == 0 else 0.5)]
    if turn == 0:
        shapes.append(np.array([[-0.38, 0.8], [0.38, 0.8], [0.0, 2.5]]))
    else:
        shapes.append(np.array([[-0.09, 0.5], [0.09, 0.2], [0.55, 1.2], [0.45, 1.5]]) * [turn, 1])
        shapes.append(np.array([[0.28, 1.9], [0.75, 0.6], [1.05, 2.0]]) * [turn, 1])
    return [np.array([p, q]) + way * shape for shape in shapes]


def _arrows(scene: Scene, rng: np.random.Generator) -> Quads:
    road = scene.road
    if rng.random() < (0.35 if road.crossroad is None else 0.2) or road.stop_lines is not None:
        return []
    stop = road.crossroad[0] - 12 if road.crossroad is not None else rng.uniform(15, 40)
    quads = []
    for lane in range(road.lanes_own):
        turn = int(rng.choice([0, 0, 1 if lane == road.lanes_own - 1 else 0, -1 if lane == 0 else 0]))
        for q in (stop, stop - rng.uniform(18, 25)):
            quads += _arrow(road.lane(lane), q, turn, 1)
    for lane in range(road.lanes_oncoming):
        if road.crossroad is not None and rng.random() < 0.5:
            quads += _arrow(road.lane(-lane - 1), road.crossroad[1] + 14, 0, -1)
    return quads


def _special(scene: Scene, rng: np.random.Generator) -> Quads:
    """A hatched area, a box junction, teeth along a line or a bicycle sign."""
    road = scene.road
    choice = rng.random()
    quads: Quads = []
    if choice < 0.14 and road.stop_lines is None:
        side, q0 = (1, -1)[rng.integers(2)], rng.uniform(5, 40)
        edge = (road.right_edge if side > 0 else road.left_edge) - side * road.parking_width
        for q in np.arange(q0, q0 + rng.uniform(8, 24), 1.4):
            outer, inner = edge - side * 0.2, edge - side * 1.4
            quads.append(np.array([[outer, q], [inner, q + 1.0], [inner, q + 1.4], [outer, q + 0.4]]))
    elif choice < 0.24 and road.crossroad is not None:
        q0, q1 = road.crossroad
        span = min(road.right_edge - road.left_edge, q1 - q0)
        for step in np.arange(0.5, span, 1.6):
            for start, end in (((0, step), (step, 0)), ((span - step, span), (span, span - step))):
                a, b = np.array(start), np.array(end)
                quads.append(np.array([a, a + [0.2, 0], b + [0.2, 0], b]) + [road.left_edge, q0])
    elif choice < 0.36:
        p = road.median / 2 + road.lane_width * rng.integers(1, max(road.lanes_own, 1) + 1)
        for q in np.arange(rng.uniform(0, 10), 60, rng.uniform(1.5, 3.0)):
            quads.append(np.array([[p, q], [p - 0.5, q - 0.35], [p - 0.5, q - 0.2], [p, q + 0.15]]))
    elif choice < 0.5:
        for lane in road.lanes:
            for q in (rng.uniform(6, 20), rng.uniform(30, 50)):
                quads += _bicycle(road.lane(lane) + rng.uniform(-0.3, 0.3), q)
    return quads


def _bicycle(p: float, q: float) -> Quads:
    """Two rings and a frame, as painted on cycle lanes."""
    quads = []
    angles = np.linspace(0, 2 * np.pi, 13)
    for side in (-0.55, 0.55):
        ring = np.stack([np.cos(angles), np.sin(angles)], axis=1) * [0.38, 0.6]
        for a, b in zip(ring[:-1], ring[1:], strict=True):
            quads.append(np.array([a, b, b * 0.8, a * 0.8]) + [side + p, q])
    for a, b in (
        ((-0.55, 0), (-0.25, 0.9)),
        ((-0.25, 0.9), (0.4, 0.9)),
        ((0.4, 0.9), (0.55, 0)),
        ((-0.25, 0.9), (0.1, 0)),
    ):
        a, b = np.array(a), np.array(b)
        quads.append(np.array([a, b, b + [0.08, 0.06], a + [0.08, 0.06]]) + [p, q])
    return quads
