"""Who else is in a clip: people and riders on the pavements, and parked vehicles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from d2ext.data.synthroad import models
from d2ext.data.synthroad.fleet import Model, draw, sample_model
from d2ext.data.synthroad.video.section import RATE, WATCHED
from d2ext.data.synthroad.video.site import Site

# Metres before and behind the section that people come from.
_BEFORE, _BEHIND = 12.0, 30.0
_PARKED = {"car": 0.86, "van": 0.14}
_CLEAR = 9.0  # metres between a crosswalk and a parked vehicle


@dataclass(frozen=True)
class Passer:
    """A body that moves evenly, or stands.

    Args:
        p, q: (F,) its way in every picture.
        heading: along p and q.
        speed: m/s.
    """

    model: Model
    p: np.ndarray
    q: np.ndarray
    heading: tuple[float, float]
    speed: float


def passers(site: Site, frames: int, rng: np.random.Generator) -> Iterator[Passer]:
    """Those of one clip."""
    for side in (-1, 1):
        yield from _pavement(site, side, frames, rng)
        if site.scene.road.parking_width and rng.random() < 0.8:
            yield from _parked(site, side, frames, rng)


def _pavement(site: Site, side: int, frames: int, rng: np.random.Generator) -> Iterator[Passer]:
    """Files of people, each of one direction and one pace, so that nobody walks through another."""
    road = site.scene.road
    edge = road.right_edge if side > 0 else road.left_edge
    time = np.arange(frames) / RATE
    busy = rng.uniform(0.2, 1.0)
    for across in np.arange(0.7, road.sidewalk_width - 0.4, 0.9):
        way = 1.0 if rng.random() < 0.5 else -1.0
        rider = across < 1 and rng.random() < 0.4
        speed = float(rng.uniform(3.5, 5.5) if rider else rng.uniform(0.9, 1.6))
        first, last = site.start - _BEFORE, site.start + WATCHED.length + _BEHIND
        reach = speed * time[-1] if frames else 0.0
        low, high = (first - reach, last) if way > 0 else (first, last + reach)
        place = low + rng.exponential(45.0 if rider else 18.0 / busy)
        while place < high:
            category = draw({"cyclist": 1.0} if rider else {"pedestrian": 0.97, "barrow": 0.03}, rng)
            model = sample_model(category, models.SHAPES, rng)
            # What stands does not walk.
            if model.shape != "standing":
                p = edge + side * (across + float(rng.uniform(-0.1, 0.1)))
                yield Passer(model, np.full(frames, p), place + way * speed * time, (0.0, way), speed)
            place += model.size[2] + 0.4 + rng.exponential(45.0 if rider else 18.0 / busy)


def _parked(site: Site, side: int, frames: int, rng: np.random.Generator) -> Iterator[Passer]:
    road = site.scene.road
    edge = road.right_edge if side > 0 else road.left_edge
    q, still = site.start - 5.0 + rng.exponential(15.0), np.ones(frames)
    while q < site.start + WATCHED.length:
        model = sample_model(draw(_PARKED, rng), models.SHAPES, rng)
        middle = q + model.size[2] / 2
        if road.crosswalk is None or abs(middle - road.crosswalk) > _CLEAR:
            p = edge - side * (road.parking_width / 2 + float(rng.normal(0, 0.06)))
            yield Passer(model, p * still, middle * still, (0.0, float(side)), 0.0)
        q += model.size[2] + 0.8 + rng.exponential(6.0)
