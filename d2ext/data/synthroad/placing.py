"""Where road users stand: groups of them, each in the part of the road where it belongs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from d2ext.data.synthroad import models
from d2ext.data.synthroad.fleet import Model, draw, sample_model
from d2ext.data.synthroad.scene import Road

Heading = tuple[float, float]

TRAFFIC = {"car": 0.66, "van": 0.13, "truck": 0.09, "bus": 0.06, "motorcyclist": 0.04, "tricyclist": 0.02}
_PARKED = {"car": 0.84, "van": 0.13, "truck": 0.03}
_RIDERS = {"cyclist": 0.6, "tricyclist": 0.22, "motorcyclist": 0.18}
_CROSSING = {**TRAFFIC, "cyclist": 0.08}


@dataclass(frozen=True)
class Spot:
    """Where it stands: road coordinates in metres, its heading along p and q, and by how many degrees
    (standard deviation) it may be turned from that. inside: it may stand in a closed part of the road."""

    model: Model
    p: float
    q: float
    heading: Heading
    turn: float = 2.0
    inside: bool = False


@dataclass(frozen=True)
class Site:
    """The part of a road that a camera sees. near, far: metres along the road; spread: half the width of the
    view per metre of distance; classes: what may stand there; driving: the camera is in a lane."""

    road: Road
    near: float
    far: float
    spread: float
    classes: frozenset[str]
    driving: bool = False

    def along(self, rng: np.random.Generator) -> float:
        """A place along the road, as often near as far in the picture."""
        return float(np.exp(rng.uniform(np.log(self.near), np.log(self.far))))

    def across(self, q: float, rng: np.random.Generator) -> float:
        """A place across the road that the camera sees at q."""
        road = self.road
        return float(road.offset - q * np.tan(road.angle) + rng.uniform(-1, 1) * self.spread * q)

    def model(self, mix: Mapping[str, float] | str, rng: np.random.Generator) -> Model | None:
        """One of the categories that may stand there, by weight; None where there is none."""
        weights = {mix: 1.0} if isinstance(mix, str) else mix
        weights = {name: weight for name, weight in weights.items() if name in self.classes}
        return sample_model(draw(weights, rng), models.SHAPES, rng) if weights else None


Group = Callable[[Site, np.random.Generator], Iterator[Spot]]


def _side(rng: np.random.Generator) -> int:
    return 1 if rng.random() < 0.5 else -1


def _edge(road: Road, side: int) -> float:
    return road.right_edge if side > 0 else road.left_edge


def _flow(site: Site, rng: np.random.Generator) -> Iterator[Spot]:
    """A vehicle in a lane, now and then between two."""
    model = site.model(TRAFFIC, rng)
    lane = int(rng.choice(site.road.lanes))
    if model:
        changing = rng.random() < 0.06
        p = site.road.lane(lane) + rng.normal(0, 0.2) + (rng.uniform(-1.2, 1.2) if changing else 0.0)
        heading = (0.0, 1.0 if lane >= 0 else -1.0)
        yield Spot(model, p, site.along(rng), heading, 6.0 if changing else 1.5)


def _queue(site: Site, rng: np.random.Generator) -> Iterator[Spot]:
    """Vehicles nose to tail in lanes of one direction, from the stop line back or anywhere in a jam."""
    road = site.road
    way = 1 if int(rng.choice(road.lanes)) >= 0 else -1
    stop = _stop(road, way)
    at_line = stop is not None and site.near < stop < site.far and rng.random() < 0.85
    head = stop if stop is not None and at_line else site.along(rng) + way * 8
    for lane in (lane for lane in road.lanes if (lane >= 0) == (way > 0)):
        if rng.random() < 0.7:
            yield from _line_up(site, lane, head - way * rng.uniform(0.3, 3.0 if at_line else 9.0), rng)


def _line_up(site: Site, lane: int, front: float, rng: np.random.Generator) -> Iterator[Spot]:
    way = 1 if lane >= 0 else -1
    for _ in range(int(rng.integers(1, 7))):
        model = site.model(TRAFFIC, rng)
        if model is None:
            return
        q = front - way * model.size[2] / 2
        yield Spot(model, site.road.lane(lane) + rng.normal(0, 0.2), q, (0.0, float(way)), 1.5)
        front = q - way * (model.size[2] / 2 + rng.uniform(0.9, 3.0))


def _stop(road: Road, way: int) -> float | None:
    """q of the stop line before a crossing, for those who drive away (way 1) or come nearer (-1)."""
    if way > 0:
        return road.crosswalk - 2.8 if road.crosswalk else road.crossroad[0] - 1 if road.crossroad else None
    return road.crossroad[1] + 4 if road.crossroad else road.crosswalk + 2.8 if road.crosswalk else None


def _parked(site: Site, rng: np.random.Generator) -> Iterator[Spot]:
    """A row of parked vehicles, along the kerb or across; on a motorway one that broke down."""
    road, side, q = site.road, _side(rng), site.along(rng)
    if not road.parking_width:
        return
    across, way = road.parking_width > 4, side * (1.0 if rng.random() < 0.93 else -1.0)
    for _ in range(1 if road.kind == "motorway" else int(rng.integers(1, 7))):
        model = site.model(_PARKED, rng)
        if model is None or model.size[2] > (road.parking_width if across else 9):
            return
        p = _edge(road, side) - side * (road.parking_width / 2 + rng.normal(0, 0.08))
        extent = model.size[1] if across else model.size[2]
        if not road.crosses(q - extent, q + extent):
            yield Spot(model, p, q + extent / 2, (way, 0.0) if across else (0.0, way), 1.5)
        q += extent + rng.uniform(0.6, 1.6) + (extent if rng.random() < 0.2 else 0.0)


def _crossing(site: Site, rng: np.random.Generator) -> Iterator[Spot]:
    """A vehicle on the crossroad, straight on or turning."""
    model, road = site.model(_CROSSING, rng), site.road
    if road.crossroad is None or model is None:
        return
    start, end = road.crossroad
    if rng.random() < 0.4:
        angle = rng.uniform(-np.pi, np.pi)
        where = rng.uniform(road.left_edge, road.right_edge), rng.uniform(start, end)
        yield Spot(model, *where, (float(np.sin(angle)), float(np.cos(angle))))
        return
    side = _side(rng)
    q = (start + end) / 2 - side * (end - start) / 4
    yield Spot(model, site.across(q, rng), q, (float(side), 0.0))


def _riders(site: Site, rng: np.random.Generator) -> Iterator[Spot]:
    """Along the kerb."""
    model, road, side = site.model(_RIDERS, rng), site.road, _side(rng)
    if model and road.kind != "motorway":
        p = _edge(road, side) - side * (min(road.parking_width, 2.5) + rng.uniform(0.6, 1.1))
        yield Spot(model, p, site.along(rng), (0.0, float(side)), 3.0)


def _between(site: Site, rng: np.random.Generator) -> Iterator[Spot]:
    """A motorcyclist between two lanes of a direction, or at the side of the only one."""
    model, lane = site.model("motorcyclist", rng), int(rng.choice(site.road.lanes))
    if model:
        inner = lane in (-1, 0)
        reach = (-0.3, 0.3) if inner else (-0.5, -0.3)
        p = site.road.lane(lane) + (1 if lane >= 0 else -1) * site.road.lane_width * rng.uniform(*reach)
        yield Spot(model, p, site.along(rng), (0.0, 1.0 if lane >= 0 else -1.0), 3.0)


def _walkers(site: Site, rng: np.random.Generator) -> Iterator[Spot]:
    """People on a pavement, alone or together."""
    road, side, q = site.road, _side(rng), site.along(rng)
    if not road.sidewalk_width:
        return
    p = _edge(road, side) + side * rng.uniform(0.5, road.sidewalk_width - 0.4)
    way = float(_side(rng))
    for _ in range(int(min(rng.geometric(0.5), 6))):
        if model := site.model("pedestrian", rng):
            yield Spot(model, p + rng.normal(0, 0.5), q + rng.normal(0, 0.7), (0.0, way), 12.0)


def _crosswalkers(site: Site, rng: np.random.Generator) -> Iterator[Spot]:
    """People on the crosswalk, some who push a barrow or a bicycle's kin among them."""
    road, way = site.road, float(_side(rng))
    if road.crosswalk is None:
        return
    p = rng.uniform(road.left_edge, road.right_edge)
    for _ in range(int(min(rng.geometric(0.5), 5))):
        if model := site.model({"pedestrian": 0.88, "cyclist": 0.08, "barrow": 0.04}, rng):
            where = p + rng.normal(0, 1.2), road.crosswalk + rng.uniform(-1.2, 1.2)
            yield Spot(model, *where, (way, 0.0), 8.0)


def _sitting(site: Site, rng: np.random.Generator) -> Iterator[Spot]:
    """People who sit at the far side of the pavement and face the road."""
    road, side, q = site.road, _side(rng), site.along(rng)
    if not road.sidewalk_width:
        return
    for k in range(int(rng.integers(1, 4))):
        if model := site.model("person_sitting", rng):
            p = _edge(road, side) + side * (road.sidewalk_width - rng.uniform(0.3, 0.6))
            yield Spot(model, p, q + 0.8 * k, (-float(side), 0.0), 10.0)


def _at_kerb(site: Site, rng: np.random.Generator) -> Iterator[Spot]:
    """Barrows, and movable things that nobody rides."""
    model, road, side = site.model({"barrow": 0.5, "unknown_movable": 0.5}, rng), site.road, _side(rng)
    if model and road.kind != "motorway":
        p = _edge(road, side) + side * rng.uniform(-1.0, max(road.sidewalk_width, 1.0))
        yield Spot(model, p, site.along(rng), (0.0, float(_side(rng))), 15.0)


def _cone_row(site: Site, rng: np.random.Generator) -> Iterator[Spot]:
    """Cones or posts of one make along a kerb, or across half a crossroad's mouth."""
    model, road, side = site.model("trafficcone", rng), site.road, _side(rng)
    if model is None:
        return
    q, step = site.along(rng), rng.uniform(1.0, 3.0)
    p = _edge(road, side) + side * rng.uniform(-0.5, 0.6)
    for k in range(int(rng.integers(1, 9))):
        make = sample_model("trafficcone", models.SHAPES, rng, like=model)
        yield Spot(make, p + rng.normal(0, 0.05), q + k * step, (float(_side(rng)), 0.0), 10.0)


def _works(site: Site, rng: np.random.Generator) -> Iterator[Spot]:
    """A closed part of the road: a slanted row of cones, barriers behind it, cones along it."""
    road, cone, wall = site.road, site.model("trafficcone", rng), site.model("unknown_unmovable", rng)
    if road.works is None or cone is None or wall is None:
        return
    p0, p1, start, end = road.works
    inner, outer = (p0, p1) if abs(p0) < abs(p1) else (p1, p0)
    row = [(outer + t * (inner - outer), start + 5 * t) for t in np.linspace(0.1, 1, int(rng.integers(3, 6)))]
    row += [(inner, q) for q in np.arange(start + 7, end, rng.uniform(2, 4))]
    for p, q in row:
        make = sample_model("trafficcone", models.SHAPES, rng, like=cone)
        yield Spot(make, p, q, (0.0, 1.0), 20.0, inside=True)
    for t in (0.3, 0.75):
        make = sample_model("unknown_unmovable", models.SHAPES, rng, like=wall)
        yield Spot(make, outer + t * (inner - outer), start + 6.5, (1.0, 0.0), 5.0, inside=True)
    for mix in ({"truck": 0.7, "van": 0.3}, {"pedestrian": 1.0}):
        if (model := site.model(mix, rng)) and rng.random() < 0.4:
            q = rng.uniform(start + 8, max(end, start + 9))
            yield Spot(model, (p0 + p1) / 2, q, (0.0, 1.0 if p0 > 0 else -1.0), 4.0, inside=True)


def _fixtures(site: Site, rng: np.random.Generator) -> Iterator[Spot]:
    """Barriers, planters, bollards: in a row on the median, at the kerb or before the crossroad."""
    model, road, side = site.model("unknown_unmovable", rng), site.road, _side(rng)
    if model is None:
        return
    median = road.median > 1.2 and rng.random() < 0.5
    p = rng.normal(0, 0.2) if median else _edge(road, side) + side * rng.uniform(0.3, 1.2)
    q, way = site.along(rng), (0.0, 1.0) if rng.random() < 0.75 else (1.0, 0.0)
    for _ in range(int(rng.integers(1, 5))):
        make = sample_model("unknown_unmovable", models.SHAPES, rng, like=model)
        yield Spot(make, p, q, way, 3.0)
        q += make.size[2] + rng.uniform(0.3, 2.0)


def _tram(site: Site, rng: np.random.Generator) -> Iterator[Spot]:
    """In the innermost lane of either direction."""
    lane = int(rng.choice((-1, 0)))
    if site.road.tracks and lane in site.road.lanes and (model := site.model("tram", rng)):
        yield Spot(model, site.road.lane(lane), site.along(rng), (0.0, 1.0 if lane >= 0 else -1.0), 0.5)


#: Groups and how often each is tried; a scene has its own taste on top of that.
GROUPS: dict[Group, float] = {
    _flow: 0.24, _queue: 0.16, _parked: 0.12, _crossing: 0.09, _riders: 0.06, _between: 0.03, _walkers: 0.08,
    _crosswalkers: 0.05, _sitting: 0.03, _at_kerb: 0.035, _cone_row: 0.025, _works: 0.05, _fixtures: 0.03,
    _tram: 0.2,
}  # fmt: skip


def spots(site: Site, rng: np.random.Generator) -> Iterator[Spot]:
    """Spots without end, group by group; no care is taken that they are free."""
    groups = list(GROUPS)
    # Cars go through side streets, past rows of parked ones; poles stand at main roads.
    usual = [GROUPS[group] * (2.2 if group is _parked and site.driving else 1.0) for group in groups]
    weights = np.array(usual) * np.exp(rng.normal(0, 0.7, len(groups)))
    weights = weights / weights.sum()
    while True:
        yield from groups[int(rng.choice(len(groups), p=weights))](site, rng)


def distractor_spot(site: Site, rng: np.random.Generator) -> Spot:
    """Something beside the road that resembles a road user, its picture towards the road or the camera."""
    road, side = site.road, _side(rng)
    model = sample_model(models.DISTRACTOR, {models.DISTRACTOR: models.DISTRACTORS}, rng)
    p = _edge(road, side) + side * (rng.uniform(0.4, max(road.sidewalk_width, 1.0) + 3.0) + model.size[1] / 2)
    heading = (0.0, -1.0) if rng.random() < 0.6 else (-float(side), 0.0)
    return Spot(model, p, site.along(rng), heading, 8.0)
