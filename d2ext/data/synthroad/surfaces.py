"""The road and what lies beside it, from the kerb to the horizon."""

from __future__ import annotations

import numpy as np

from d2ext.data.synthroad import materials
from d2ext.data.synthroad.ground import FAR, Ground
from d2ext.data.synthroad.setting import Setting

_LANE_COLORS = (np.array([66.0, 66.0, 128.0]), np.array([78.0, 104.0, 66.0]), np.array([120.0, 92.0, 62.0]))


def draw_surfaces(ground: Ground, setting: Setting) -> None:
    """Paint all of the ground but its markings."""
    scene = ground.scene
    road = scene.road
    rng = np.random.default_rng([scene.scenery_seed, 5])
    every, along = (-FAR, FAR), (-200.0, FAR)
    left, right, walk = road.left_edge, road.right_edge, road.sidewalk_width
    wet = 1 - 0.3 * scene.light.wet
    road_color, road_material = setting.road[0] * wet, setting.road[1]
    ground.rectangle(every, every, *setting.beyond)
    for q in np.cumsum(rng.uniform(8, 60, 6)):
        # Lawns, forecourts and fields differ from one plot to the next.
        for side in (-1, 1):
            start = (right if side > 0 else -left) + walk + rng.uniform(0, 6)
            span = (side * start, side * (start + rng.uniform(6, 40)))
            ground.rectangle(span, (q, q + rng.uniform(8, 60)), *_plot(setting, rng))
    ground.rectangle((left - walk, right + walk), along, *setting.walk)
    verge = min(rng.uniform(0.5, 1.3), walk / 3) if rng.random() < 0.5 else 0.0
    if verge:
        ground.rectangle((left - verge, right + verge), along, *setting.verge)
    kerb = rng.uniform(0.12, 0.3)
    if setting.place not in ("country", "wood", "motorway"):
        ground.rectangle((left - kerb, right + kerb), along, setting.kerb, materials.PLAIN)
        for p in (left - walk, right + walk - 0.1):
            ground.rectangle((p, p + 0.1), along, setting.kerb * 0.9, materials.PLAIN)
    ground.rectangle((left, right), along, road_color, road_material)
    if road.crossroad is not None:
        q0, q1 = road.crossroad
        if setting.walk[1] != materials.GRASS:
            for span in ((-FAR, left - walk), (right + walk, FAR)):
                ground.rectangle(span, (q0 - walk, q1 + walk), *setting.walk)
                ground.rectangle(span, (q0 - kerb, q1 + kerb), setting.kerb, materials.PLAIN)
        ground.rectangle(every, (q0, q1), road_color, road_material)
    _strips(ground, setting, wet, rng)


def _plot(setting: Setting, rng: np.random.Generator) -> tuple[np.ndarray, int]:
    choices = (setting.beyond, setting.walk, setting.verge, setting.road)
    color, material = choices[rng.choice(4, p=(0.45, 0.2, 0.25, 0.1))]
    return color * rng.uniform(0.75, 1.25), material


def _strips(ground: Ground, setting: Setting, wet: float, rng: np.random.Generator) -> None:
    """Parking lanes, gutters, a coloured lane, and asphalt laid anew."""
    road = ground.scene.road
    color, material = setting.road[0] * wet, setting.road[1]
    parking = (road.right_edge - road.parking_width, road.right_edge)
    other = (road.left_edge, road.left_edge + road.parking_width)
    spans = (
        [(-200.0, FAR)]
        if road.crossroad is None
        else [(-200.0, road.crossroad[0] - 5), (road.crossroad[1] + 5, FAR)]
    )
    relaid = [rng.uniform(0.8, 1.2) for _ in range(2)]
    middle = road.lane(road.lanes[rng.integers(len(road.lanes))])
    start, length = rng.uniform(-10, 40), rng.uniform(8, 60)
    if rng.random() < 0.35:
        p = (middle - road.lane_width / 2, middle + road.lane_width / 2)
        ground.rectangle(p, (start, start + length), color * relaid[0], material)
    if rng.random() < 0.15:
        ground.rectangle((road.left_edge, road.right_edge), (start + 20, FAR), color * relaid[1], material)
    coloured, tone = rng.random() < 0.13, _LANE_COLORS[rng.integers(3)] * rng.uniform(0.75, 1.3)
    bed = (setting.walk, setting.verge, (color * 1.15, materials.CONCRETE), None)[rng.integers(4)]
    finish = setting.walk if rng.random() < 0.3 else (color * rng.uniform(0.9, 1.15), material)
    gutter = rng.random() < 0.3
    for q in spans:
        if road.parking_width:
            ground.rectangle(parking, q, *(finish if road.kind == "street" else (color, material)))
            ground.rectangle(other, q, *(finish if road.kind == "street" else (color, material)))
        if coloured:
            ground.rectangle((parking[0] - 1.6, parking[0]), q, tone * wet, materials.ASPHALT)
        for lane in (-1, 0) if road.tracks else ():
            if lane in road.lanes:
                _rails(ground, road.lane(lane), bed)
        if road.median > 0.4:
            _median(ground, setting, q)
        if gutter:
            for edge, side in ((road.right_edge, -1), (road.left_edge, 1)):
                ground.rectangle((edge, edge + side * 0.35), q, setting.kerb * 0.8, materials.SETTS)


def _rails(ground: Ground, middle: float, bed: tuple[np.ndarray, int] | None) -> None:
    """A tram's track of standard gauge, through the crossroad too."""
    along = (-200.0, 400.0)
    if bed is not None:
        ground.rectangle((middle - 1.15, middle + 1.15), along, *bed)
    for p in (middle - 0.7525, middle + 0.7525):
        ground.rectangle((p - 0.07, p + 0.07), along, np.full(3, 44.0), materials.PLAIN)
        ground.rectangle((p - 0.035, p + 0.035), along, np.array([150.0, 146.0, 142.0]), materials.PLAIN)


def _median(ground: Ground, setting: Setting, q: tuple[float, float]) -> None:
    """Kerbs, and what grows or is paved between them."""
    half = ground.scene.road.median / 2
    ground.rectangle((-half, half), q, setting.kerb, materials.PLAIN)
    ground.rectangle((0.2 - half, half - 0.2), q, *(setting.verge if half > 0.6 else setting.walk))
