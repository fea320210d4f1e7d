"""New layouts drawn from the layout statistics of a dataset: how many, which, where, how large, how
turned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from d2ext.structures import NEAR_PLANE, Boxes3D, Camera, bev_iou, ground_rotation

LEVEL_GROUND = (0.0, -1.0, 0.0, 1.65)
_TRIES = 40  # of an object until it has a place
_SHIFT, _SHIFT_SHARE, _TURN = 0.5, 0.03, 0.05  # metres, share of the distance, radians
_GAP = 0.4  # metres between two objects, on either side
_HIDDEN = 0.7  # of a box that others may cover
_LEAST_HEIGHT = 5.0  # pixels


@dataclass(frozen=True)
class _Object:
    """right, forward: metres on the ground."""

    category_id: int
    color: str | None
    right: float
    forward: float
    yaw: float
    dimensions: tuple[float, float, float]


class LayoutStatistics:
    """What layouts of records are like; :meth:`draw` gives new ones.

    A layout takes the view (camera, ground, level boxes) of a record and as many objects as another one has.
    Each stands where one of a record with a similar view does, shifted and turned a little, with the size and
    colour of yet another of its class; objects neither touch nor hide each other nearly.

    Args:
        records: dataset dicts; at least one has an object with a 3D box.

    Raises:
        ValueError: none has.
    """

    def __init__(self, records: Sequence[Mapping[str, Any]]) -> None:
        self.records = list(records)
        self.objects = [_objects(record) for record in self.records]
        self.counts = [len(found) for found in self.objects]
        pool = [item for found in self.objects for item in found]
        if not pool:
            raise ValueError("layout statistics: expected records with 3D boxes, got none")
        self.by_class: dict[int, list[_Object]] = {}
        for item in pool:
            self.by_class.setdefault(item.category_id, []).append(item)
        self._heights = np.array([_ground(record)[3].item() for record in self.records])
        self._levels = np.array([bool(record.get("level_boxes", False)) for record in self.records])

    def draw(self, rng: np.random.Generator) -> dict[str, Any]:
        """A record without sentences whose annotations are new; its other keys are those of a record."""
        index = int(rng.integers(len(self.records)))
        record = self.records[index]
        wanted = self.counts[int(rng.integers(len(self.counts)))]
        pool = [item for i in self._similar(index) for item in self.objects[i]]
        placed: list[dict[str, Any]] = []
        for _ in range(wanted):
            for _ in range(_TRIES if pool else 0):
                annotation = self._place(record, pool[int(rng.integers(len(pool)))], rng)
                if annotation is not None and not _collides(record, placed, annotation):
                    placed.append(annotation | {"id": len(placed)})
                    break
        return dict(record) | {"annotations": placed, "sentences": []}

    def _similar(self, index: int) -> list[int]:
        """Records of cameras about as high, with boxes that stand alike."""
        near = np.abs(np.log(self._heights / self._heights[index])) < 0.25
        return np.flatnonzero(near & (self._levels == self._levels[index])).tolist()

    def _place(
        self, record: Mapping[str, Any], item: _Object, rng: np.random.Generator
    ) -> dict[str, Any] | None:
        """An annotation where ``item`` stands, nearly; None out of the picture or too small in it."""
        like = self.by_class[item.category_id]
        other = like[int(rng.integers(len(like)))]
        distance = np.hypot(item.right, item.forward)
        right, forward = np.array([item.right, item.forward]) + rng.normal(
            0, _SHIFT + _SHIFT_SHARE * distance, 2
        )
        ground = _ground(record)
        location = ground_rotation(ground) @ torch.tensor(
            [right, ground[3].item(), forward], dtype=torch.float64
        )
        yaw = item.yaw + rng.normal(0, _TURN)
        annotation = {
            "category_id": item.category_id,
            "color": other.color,
            "location": location.tolist(),
            "dimensions": list(other.dimensions),
            "yaw": float(np.arctan2(np.sin(yaw), np.cos(yaw))),
            "has_3d": True,
            "truncated": 0.0,
            "occluded": 0,
        }
        box = _box(record, annotation)
        camera = Camera(
            torch.tensor(record["camera"], dtype=torch.float64), (record["height"], record["width"])
        )
        whole, _, valid = box.project(camera)
        inside, _, _ = box.project(camera, clipped=True)
        (x1, y1, x2, y2), area = inside[0].tolist(), float((whole[0, 2:] - whole[0, :2]).prod())
        seen = (x2 - x1) * (y2 - y1)
        if not valid[0] or location[2] < 2 * NEAR_PLANE or y2 - y1 < _LEAST_HEIGHT or seen < 0.5 * area:
            return None
        alpha = float(Boxes3D.alpha_from_yaw(torch.tensor(annotation["yaw"]), location))
        return annotation | {"bbox": [x1, y1, x2, y2], "alpha": alpha, "truncated": 1 - seen / area}


def _ground(record: Mapping[str, Any]) -> Tensor:
    plane = record.get("ground_plane")
    return torch.tensor(LEVEL_GROUND if plane is None else plane, dtype=torch.float64)


def _objects(record: Mapping[str, Any]) -> list[_Object]:
    axes = ground_rotation(_ground(record))
    found = []
    for a in record["annotations"]:
        if a["has_3d"]:
            right, _, forward = (torch.tensor(a["location"], dtype=torch.float64) @ axes).tolist()
            size = (a["dimensions"][0], a["dimensions"][1], a["dimensions"][2])
            found.append(_Object(a["category_id"], a.get("color"), right, forward, a["yaw"], size))
    return found


def _box(record: Mapping[str, Any], *annotations: Mapping[str, Any], margin: float = 0.0) -> Boxes3D:
    plane = None if record.get("level_boxes", False) else _ground(record)
    columns = ("location", "dimensions", "yaw")
    location, size, yaw = (torch.tensor([a[c] for a in annotations], dtype=torch.float64) for c in columns)
    return Boxes3D.from_kitti(location, size + margin, yaw, plane)


def _collides(record: Mapping[str, Any], placed: Sequence[Mapping[str, Any]], new: Mapping[str, Any]) -> bool:
    """Whether a new object touches others, or one of two hides most of the other in the picture."""
    if not placed:
        return False
    others, own = _box(record, *placed, margin=_GAP), _box(record, new, margin=_GAP)
    if bool((bev_iou(own, others) > 0).any()):
        return True
    boxes = np.array([a["bbox"] for a in placed])
    mine = np.array(new["bbox"])
    overlap = np.minimum(boxes[:, 2:], mine[2:]) - np.maximum(boxes[:, :2], mine[:2])
    shared = np.clip(overlap, 0, None).prod(1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    behind = np.array([a["location"][2] for a in placed]) > new["location"][2]
    hidden = np.where(behind, areas, (mine[2:] - mine[:2]).prod())
    return bool((shared > _HIDDEN * hidden).any())
