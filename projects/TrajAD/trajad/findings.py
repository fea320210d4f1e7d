"""What was found in a recording or an image, as it is written and drawn for users."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from d2ext.data.image_io import resize
from d2ext.data.trajectories import Extent, SpaceTimeGraph, Suspect, region_extent, suspects
from d2ext.structures import Region, find_regions
from d2ext.visualization import draw_anomalies

LABELLED = 3  # vehicles in the label of a region


@dataclass(frozen=True)
class Finding:
    """An image or a recording with its heat map.

    Args:
        name: of the file, as messages and JSON have it.
        subject: (H, W, 3) uint8 BGR, or the graph of a recording.
        heat_map: (H, W), at the size of the subject.
        score: the greatest value of the model's map.
        threshold: from which on a score is abnormal.
        regions: where the map reaches it; empty if and only if the score does not.
        vehicles: of a recording those in each region, the most likely cause first.
    """

    name: str
    subject: np.ndarray | SpaceTimeGraph
    heat_map: np.ndarray
    score: float
    threshold: float
    regions: list[Region]
    vehicles: list[list[Suspect]]

    @classmethod
    def of_image(cls, name: str, image: np.ndarray, values: np.ndarray, threshold: float) -> Finding:
        """Of an image of any size, whose map (h, w) is of the size that the model looks at."""
        regions = [_scale(r, values.shape, image.shape) for r in find_regions(values, threshold)]
        heat_map = resize(values, (image.shape[0], image.shape[1]))
        return cls(name, image, heat_map, float(values.max()), threshold, regions, [[] for _ in regions])

    @classmethod
    def of_graph(cls, name: str, graph: SpaceTimeGraph, values: np.ndarray, threshold: float) -> Finding:
        """Of a recording."""
        regions = find_regions(values, threshold)
        vehicles = [suspects(graph, values, region) for region in regions]
        return cls(name, graph, values, float(values.max()), threshold, regions, vehicles)

    @property
    def verdict(self) -> str:
        """ "abnormal" or "normal"."""
        return "abnormal" if self.score >= self.threshold else "normal"

    def headline(self) -> str:
        """In one line."""
        return f"{self.name}: {self.verdict}, score {self.score:.2f}, threshold {self.threshold:.3g}"

    def content(self) -> dict[str, Any]:
        """As it is written for users: boxes in pixels of the image or graph, times in s, positions in m."""
        rows = [region_row(r, self.subject, v) for r, v in zip(self.regions, self.vehicles, strict=True)]
        content = {
            "input": self.name,
            "score": self.score,
            "threshold": self.threshold,
            "verdict": self.verdict,
            "regions": rows,
        }
        if isinstance(self.subject, SpaceTimeGraph):
            content["tracks"] = track_rows(self.subject, self.heat_map)
        return content

    def labels(self) -> list[str]:
        """A text for each region: its vehicles, or its score."""
        names = (", ".join(v.track_id for v in vehicles[:LABELLED]) for vehicles in self.vehicles)
        return [name or f"{region.score:.2f}" for name, region in zip(names, self.regions, strict=True)]

    def picture(self) -> np.ndarray:
        """(H', W', 3) uint8 BGR."""
        return draw_anomalies(
            self.subject, self.heat_map, self.threshold, self.regions, self.labels(), self.headline()
        )


def _scale(region: Region, old: Sequence[int], new: Sequence[int]) -> Region:
    """A region of a map of the size ``old`` on an image of the size ``new`` (height, width)."""
    x0, y0, x1, y1 = region.box
    down, right = new[0] / old[0], new[1] / old[1]
    box = (int(x0 * right), int(y0 * down), math.ceil(x1 * right), math.ceil(y1 * down))
    size = (box[2] - box[0], box[3] - box[1])
    mask = cv2.resize(region.mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    return Region(region.score, box, mask.astype(bool))


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
