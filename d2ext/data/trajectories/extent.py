"""What a region of a space-time graph is about: when and where, and which vehicles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from d2ext.structures import Region

from .graph import GraphSpec, SpaceTimeGraph


@dataclass(frozen=True)
class Extent:
    """When and where something is.

    Args:
        start, end: s of the recording's clock.
        lanes: name of each lane and the range of positions in it (m), from top to bottom.
    """

    start: float
    end: float
    lanes: dict[str, tuple[float, float]]


@dataclass(frozen=True)
class Suspect:
    """A vehicle in a region.

    Args:
        track_id: its name.
        share: of what the region's vehicles have of the heat map together, from 0 to 1.
        extent: of the vehicle in the region.
    """

    track_id: str
    share: float
    extent: Extent


def region_extent(graph: SpaceTimeGraph, region: Region) -> Extent:
    """When and where a region of the graph is."""
    rows, columns = np.nonzero(region.mask)
    return _extent(graph, rows + region.box[1], columns + region.box[0])


def suspects(graph: SpaceTimeGraph, heat_map: np.ndarray, region: Region) -> list[Suspect]:
    """The vehicles in a region of a heat map (H, W) over the graph, the most likely cause first: the one that
    covers most of it, value by value."""
    inside = region.cut(heat_map)
    weights = graph.tracks_in(inside)
    total = sum(weights.values())
    in_region = inside.reshape(-1)[graph.pixel] > 0
    pixel, names = graph.pixel[in_region], graph.ids[graph.track[in_region]]
    found = []
    for name, weight in weights.items():
        rows, columns = np.divmod(pixel[names == name], graph.image.shape[1])
        found.append(Suspect(name, weight / total, _extent(graph, rows, columns)))
    return found


def _extent(graph: SpaceTimeGraph, rows: np.ndarray, columns: np.ndarray) -> Extent:
    """Of some pixels, at least one."""
    times = graph.times()
    return Extent(float(times[columns.min()]), float(times[columns.max() + 1]), _lanes(graph.spec, rows))


def _lanes(spec: GraphSpec, rows: np.ndarray) -> dict[str, tuple[float, float]]:
    lanes: dict[str, tuple[float, float]] = {}
    half = spec.metres_per_pixel / 2
    for place in map(spec.place, np.unique(rows).tolist()):
        if place is not None:
            lane, position = place
            low, high = lanes.get(lane, (np.inf, -np.inf))
            lanes[lane] = min(low, position - half), max(high, position + half)
    return lanes
