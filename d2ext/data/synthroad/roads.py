"""Sampling roads that a camera drives on or looks at."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from d2ext.data.synthroad.cameras import CameraKind
from d2ext.data.synthroad.geometry import View
from d2ext.data.synthroad.scene import Road

_KINDS = ("street", "avenue", "oneway", "country", "motorway")
_CAR_WEIGHTS = (0.52, 0.12, 0.10, 0.14, 0.12)
_POLE_WEIGHTS = (0.38, 0.36, 0.08, 0.06, 0.12)


def sample_road(kind: CameraKind, view: View, rng: np.random.Generator) -> Road:
    """A road that a driving camera is in a lane of, or that a camera on a pole looks along."""
    name = str(rng.choice(_KINDS, p=_CAR_WEIGHTS if kind.driving else _POLE_WEIGHTS))
    plain = _cross_section(name, kind.driving, rng)
    if kind.driving:
        lane = int(rng.integers(plain.lanes_own))
        offset = plain.lane(lane) + rng.normal(0, 0.2)
        angle = np.radians(np.clip(rng.normal(0, 1.8), -5, 5))
        return _cross(replace(plain, angle=float(angle), offset=float(offset)), rng.uniform(15, 45), rng)
    aim = _aim(view)
    # The camera stands over the road or beside it and looks at a place in the road.
    offset = rng.uniform(plain.left_edge - 2, plain.right_edge + 2)
    middle = (plain.left_edge + plain.right_edge) / 2
    seen = middle + rng.normal(0, 0.25) * (plain.right_edge - plain.left_edge)
    angle = np.clip(np.arctan2(offset - seen, aim) + np.radians(rng.normal(0, 3)), -0.6, 0.6)
    road = replace(plain, angle=float(angle), offset=float(offset))
    return _close_lane(_cross(road, aim * rng.uniform(0.6, 1.6), rng), aim, rng)


def _aim(view: View) -> float:
    """Metres ahead of the camera to where it looks at the ground, within what is of use for a road."""
    slope = max(-float(view.plane[2]), 1e-3)
    return float(np.clip(view.plane[3] * np.sqrt(1 - slope**2) / slope, 12.0, 70.0))


def _cross_section(name: str, driving: bool, rng: np.random.Generator) -> Road:
    """Lanes, median, parking lanes and pavements; the camera is at its centre line."""
    low, high = (1, 3) if driving else (2, 4)
    own, oncoming = (int(n) for n in rng.integers(low, high, 2))
    parking = float(rng.choice((0.0, 2.3, 5.2), p=(0.42, 0.46, 0.12)))
    street = Road(0.0, 0.0, rng.uniform(3.0, 3.7), own, oncoming, parking, rng.uniform(1.8, 5.0), None, None)
    if name == "avenue":
        own, oncoming = (int(n) for n in rng.integers(2, 5, 2))
        tracks = bool(rng.random() < 0.35)
        parking = min(parking, 2.3) * float(rng.random() < 0.4)
        return replace(
            street, lanes_own=own, lanes_oncoming=oncoming, median=rng.uniform(0.6, 5.0), tracks=tracks,
            parking_width=parking,
        )  # fmt: skip
    if name == "oneway":
        lanes = int(rng.integers(1, 4))
        towards = not driving and bool(rng.random() < 0.5)
        return replace(street, lanes_own=0 if towards else lanes, lanes_oncoming=lanes if towards else 0)
    if name == "country":
        return replace(
            street, kind="country", lanes_own=1, lanes_oncoming=1, parking_width=0.0, sidewalk_width=0.0
        )
    if name == "motorway":
        lanes = int(rng.integers(2, 5))
        return replace(
            street, kind="motorway", lane_width=rng.uniform(3.5, 3.8), lanes_own=lanes, lanes_oncoming=lanes,
            median=rng.uniform(1.2, 4.0), parking_width=rng.uniform(2.4, 3.0), sidewalk_width=0.0,
        )  # fmt: skip
    return replace(street, tracks=bool(rng.random() < 0.22))


def _cross(road: Road, q: float, rng: np.random.Generator) -> Road:
    """The road with a crosswalk or a crossroad, or with neither."""
    chance, width = rng.random(), rng.uniform(7, 12)
    if road.kind == "motorway" or (road.kind == "country" and chance < 0.7):
        return road
    if road.median:
        width = rng.uniform(9, 28)
    crossroad = (float(q + 3.0), float(q + 3.0 + width)) if chance < 0.45 or road.kind == "country" else None
    crosswalk = float(q) if chance < 0.62 and road.kind == "street" else None
    return replace(road, crosswalk=crosswalk, crossroad=crossroad)


def _close_lane(road: Road, aim: float, rng: np.random.Generator) -> Road:
    """Now and then a part of an outer lane or of the innermost one is closed by cones."""
    if rng.random() > 0.22 or len(road.lanes) < 2:
        return road
    lane = int(rng.choice([road.lanes[0], road.lanes[-1], *(i for i in (-1, 0) if i in road.lanes)]))
    middle, half = road.lane(lane), road.lane_width / 2
    start = aim * rng.uniform(0.4, 1.2)
    end = start + rng.uniform(8, 30)
    if road.crosses(start - 6, end + 3):
        return road
    return replace(road, works=(middle - half, middle + half, float(start), float(end)))
