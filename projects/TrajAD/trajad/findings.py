"""What was found in a recording or an image, as it is written for users."""

from __future__ import annotations

from typing import Any

import numpy as np

from d2ext.data.trajectories import Extent, SpaceTimeGraph, Suspect, region_extent
from d2ext.structures import Region


def region_row(
    region: Region, subject: np.ndarray | SpaceTimeGraph, vehicles: list[Suspect]
) -> dict[str, Any]:
    """A region as it is written for users: box in pixels x0, y0, x1, y1, times in s, positions in m."""
    row: dict[str, Any] = {"score": region.score, "box": list(region.box)}
    if isinstance(subject, SpaceTimeGraph):
        row |= extent_row(region_extent(subject, region))
        row["tracks"] = [{"id": v.track_id, "share": v.share, **extent_row(v.extent)} for v in vehicles]
    return row


def track_rows(graph: SpaceTimeGraph, heat_map: np.ndarray) -> list[dict[str, Any]]:
    """The vehicles by their share of the whole heat map, also where it stays below the threshold."""
    weights = graph.tracks_in(heat_map.clip(0))
    total = sum(weights.values())
    return [{"id": name, "share": weight / total} for name, weight in weights.items()]


def extent_row(extent: Extent) -> dict[str, Any]:
    """Times and, lane by lane, positions."""
    lanes = [{"lane": lane, "from": low, "to": high} for lane, (low, high) in extent.lanes.items()]
    return {"start": extent.start, "end": extent.end, "positions": lanes}


def when_and_who(row: dict[str, Any], label: str) -> str:
    """A region in one line."""
    if "start" not in row:
        return "pixels " + " ".join(map(str, row["box"]))
    where = ", ".join(f"lane {p['lane']} {p['from']:g}-{p['to']:g} m" for p in row["positions"])
    who = f"vehicles {label}" if row["tracks"] else "no vehicle"
    return f"{row['start']:g}-{row['end']:g} s, {where}: {who}"
