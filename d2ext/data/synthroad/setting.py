"""What kind of place a scene shows, and the colours of its ground: all from the scenery's seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from d2ext.data.synthroad import materials
from d2ext.data.synthroad.scene import Scene

PLACES = ("street", "suburb", "avenue", "square", "works", "country", "wood", "motorway")
_WEIGHTS = (0.22, 0.16, 0.22, 0.08, 0.09, 0.07, 0.08, 0.08)
# By the kind of the road.
_PLACES = {
    "street": ("street", "suburb", "avenue", "square", "works"),
    "country": ("country", "wood", "suburb"),
    "motorway": ("motorway", "wood", "works"),
}
# What lies beyond the pavement.
_BEYOND = {
    "street": (materials.SLABS, materials.SETTS, materials.ASPHALT),
    "suburb": (materials.GRASS, materials.GRASS, materials.GRAVEL),
    "avenue": (materials.GRASS, materials.LITTER, materials.MEADOW, materials.SLABS),
    "square": (materials.SLABS, materials.SETTS),
    "works": (materials.ASPHALT, materials.CONCRETE, materials.GRAVEL),
    "country": (materials.MEADOW, materials.GRASS),
    "wood": (materials.LITTER, materials.MEADOW),
    "motorway": (materials.MEADOW, materials.GRASS),
}
_GREENS = (np.array([46.0, 92.0, 84.0]), np.array([52.0, 84.0, 74.0]), np.array([72.0, 108.0, 112.0]))
_EARTHS = (np.array([58.0, 78.0, 96.0]), np.array([74.0, 92.0, 108.0]))


@dataclass(frozen=True)
class Setting:
    """place: of PLACES; a colour (3,) BGR before light and a material for each surface; paint: the markings'
    material; season: 0 green, 1 autumn, 2 bare trees; strength: contrast of the lanes' wear."""

    place: str
    road: tuple[np.ndarray, int]
    walk: tuple[np.ndarray, int]
    verge: tuple[np.ndarray, int]
    beyond: tuple[np.ndarray, int]
    kerb: np.ndarray
    paint: int
    season: int
    strength: float


def make_setting(scene: Scene) -> Setting:
    """The same for every drawing of a scene."""
    rng = np.random.default_rng([scene.scenery_seed, 2])
    road = scene.road
    weights = np.array(_WEIGHTS)
    weights = weights * [name in _PLACES[road.kind] for name in PLACES]
    place = PLACES[rng.choice(len(PLACES), p=weights / weights.sum())]
    season = int(rng.choice(3, p=(0.66, 0.2, 0.14)))
    asphalt = float(np.exp(rng.uniform(np.log(58), np.log(165)))) + rng.normal(0, 2.0, 3) + [1.5, 0, -1]
    kind = int(rng.choice([materials.ASPHALT, materials.WORN, materials.CONCRETE], p=(0.5, 0.42, 0.08)))
    stone = float(np.exp(rng.uniform(np.log(85), np.log(175)))) * np.array([0.95, 0.99, 1.02])
    walk = int(rng.choice([materials.SLABS, materials.SETTS, materials.ASPHALT, materials.CONCRETE]))
    if place in ("country", "wood", "motorway"):
        walk = int(rng.choice([materials.ASPHALT, materials.GRAVEL, materials.GRASS]))
    verge = int(rng.choice([walk, materials.GRASS, materials.LITTER], p=(0.5, 0.35, 0.15)))
    beyond = int(rng.choice(_BEYOND[place]))
    return Setting(
        place,
        (asphalt * (1.35 if kind == materials.CONCRETE else 1.0), kind),
        (_color(walk, stone, asphalt, season, rng), walk),
        (_color(verge, stone, asphalt, season, rng), verge),
        (_color(beyond, stone, asphalt, season, rng), beyond),
        stone * rng.uniform(0.9, 1.25),
        int(rng.choice([materials.PAINT, materials.OLD_PAINT], p=(0.7, 0.3))),
        season,
        float(rng.uniform(0.2, 1.3)),
    )


def _color(
    material: int, stone: np.ndarray, asphalt: np.ndarray, season: int, rng: np.random.Generator
) -> np.ndarray:
    if material in (materials.GRASS, materials.MEADOW):
        green = _GREENS[2 if season == 2 else rng.integers(len(_GREENS))]
        return green * rng.uniform(0.75, 1.2) + rng.normal(0, 4, 3)
    if material == materials.LITTER:
        return _EARTHS[rng.integers(2)] * rng.uniform(0.8, 1.25)
    if material == materials.ASPHALT:
        return asphalt * rng.uniform(0.85, 1.25)
    tint = rng.normal(0, 0.03, 3) + (np.array([-0.1, 0, 0.12]) if rng.random() < 0.25 else 0)
    return stone * (1 + tint)


def lane_profile(scene: Scene, setting: Setting) -> np.ndarray:
    """(2400,) gains around 128 over p, in steps of 5 cm from -60 m: wheel tracks, oil, dirt at the kerbs."""
    rng = np.random.default_rng([scene.scenery_seed, 3])
    road = scene.road
    p = (np.arange(2400) + 0.5) / 20 - 60
    gain = np.ones_like(p)
    tracks, oil = rng.normal(0, 0.07), -abs(rng.normal(0, 0.07))
    for lane in road.lanes:
        x = p - road.lane(lane)
        worn = np.exp(-((np.abs(x) - 0.85) ** 2) / 0.09) * (tracks + rng.normal(0, 0.02))
        drip = np.exp(-(x**2) / 0.12) * (oil + rng.normal(0, 0.02))
        own = np.abs(x) < road.lane_width / 2
        gain += setting.strength * (worn + drip) + own * setting.strength * rng.normal(0, 0.05)
    for edge in (road.left_edge, road.right_edge):
        gain -= rng.uniform(0.05, 0.3) * np.exp(-np.abs(p - edge) / rng.uniform(0.15, 0.5))
    inside = (p > road.left_edge) & (p < road.right_edge)
    return np.clip(128 * np.where(inside, gain, 1.0), 40, 250).astype(np.uint8)
