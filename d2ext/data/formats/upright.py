"""3D boxes of dataset dicts: the plane that boxes of any rotation stand on, and cameras without a fourth
column."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from d2ext.structures import Boxes3D, check_ground, ground_rotation

#: Radians by which boxes may lean and still stand on the camera's x-z plane.
LEVEL = 2e-3
#: Largest difference of an entry between the rotation of a box and that of an upright one.
_UPRIGHT = 1e-6
#: Cosine of the angle between a box's down axis and the image's, below which its axes are named anew.
_MIN_DOWN = 0.5


def record_boxes(record: Mapping[str, Any], annotations: Sequence[Mapping[str, Any]]) -> Boxes3D:
    """Boxes (float64) of annotations of a dataset dict that have 3D labels, with their full rotations."""
    rows = [[*a["location"], *a["dimensions"], a["yaw"]] for a in annotations]
    table = torch.tensor(rows, dtype=torch.float64).reshape(-1, 7)
    plane = None if record.get("level_boxes") else record["ground_plane"]
    boxes = Boxes3D.from_kitti(table[:, :3], table[:, 3:6], table[:, 6], plane)
    for i, annotation in enumerate(annotations):
        if "rotation" in annotation:
            boxes.rotation[i] = torch.tensor(annotation["rotation"], dtype=torch.float64)
    return boxes


def with_y_down(boxes: Boxes3D) -> Boxes3D:
    """The same solids, each with its second axis nearest to the camera's down axis.

    A box whose down axis is within 60 degrees of it stays as it is. Of the others the heading stays, as far
    as it is not the axis that points down.
    """
    rotation, size = boxes.rotation.clone(), boxes.size.clone()
    for i, down in enumerate(rotation[:, 1].tolist()):  # how far each of its axes points down
        if down[1] >= _MIN_DOWN:
            continue
        nearest = max(range(3), key=lambda axis: abs(down[axis]))
        sign = math.copysign(1.0, down[nearest])
        x, y, z = boxes.rotation[i].unbind(1)
        h, w, l = boxes.size[i].tolist()  # noqa: E741
        if nearest == 1:  # upside down: half a turn about the heading
            columns, sizes = (x, sign * y, sign * z), (h, w, l)
        elif nearest == 2:
            columns, sizes = (x, sign * z, -sign * y), (w, h, l)
        else:
            columns, sizes = (-sign * y, sign * x, z), (l, w, h)
        rotation[i] = torch.stack(columns, dim=1)
        size[i] = size.new_tensor(sizes)
    return Boxes3D(boxes.center, size, rotation)


def plane_below(boxes: Boxes3D) -> list[float] | None:
    """The plane [a, b, c, d] that boxes stand on: across their mean down axis, at the median height of their
    lower faces. None where that is none below the camera."""
    if not len(boxes):
        return None
    down = boxes.rotation[:, :, 1].mean(dim=0)
    up = -down / down.norm()
    plane = [*up.tolist(), -float((boxes.bottom_center() @ up).median())]
    try:
        if not plane[1] < 0:
            raise ValueError("no ground below the camera")
        check_ground(plane)
    except ValueError:
        return None
    return plane


def are_level(boxes: Boxes3D) -> bool:
    """Whether all boxes stand on the camera's x-z plane."""
    return bool((boxes.rotation[:, 1, 1] >= math.cos(LEVEL)).all())


def label_fields(boxes: Boxes3D, plane: Sequence[float] | None) -> list[dict[str, Any]]:
    """``location``, ``dimensions``, ``yaw`` and ``alpha`` of each box, for a dataset dict whose boxes stand
    on ``plane`` (None: level); of one that leans ``rotation``, its full one, too. The centre is kept."""
    _, hwl, yaw = boxes.to_kitti(plane)
    down = torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64) if plane is None else -_normal(plane)
    location = boxes.center + down * hwl[:, :1] / 2
    alpha = Boxes3D.alpha_from_yaw(yaw, location)
    upright = Boxes3D.from_kitti(location, hwl, yaw, plane)
    lean = (upright.rotation - boxes.rotation).abs().amax(dim=(1, 2))
    rows = []
    for i in range(len(boxes)):
        row: dict[str, Any] = {
            "location": location[i].tolist(),
            "dimensions": hwl[i].tolist(),
            "yaw": float(yaw[i]),
            "alpha": float(alpha[i]),
        }
        rows.append(row | ({"rotation": boxes.rotation[i].tolist()} if lean[i] > _UPRIGHT else {}))
    return rows


def _normal(plane: Sequence[float]) -> torch.Tensor:
    normal = torch.tensor(plane[:3], dtype=torch.float64)
    return normal / normal.norm()


def without_offset(record: Mapping[str, Any]) -> tuple[list[list[float]], list[float]]:
    """Intrinsics K (3, 3) of a dataset dict's camera, and the metres (3,) by which to move every point so
    that K alone maps it to the pixels that P (3, 4) maps it to: P (X, 1) = K (X + t), t = K^-1 p."""
    P = np.array(record["camera"], dtype=np.float64)
    return P[:, :3].tolist(), np.linalg.solve(P[:, :3], P[:, 3]).tolist()


def moved(record: Mapping[str, Any]) -> dict[str, Any]:
    """A dataset dict whose camera has no fourth column; its boxes and ground are moved instead."""
    K, offset = without_offset(record)
    if not any(offset):
        return dict(record)
    plane = record["ground_plane"]
    if plane is not None:
        plane = [*plane[:3], plane[3] - sum(n * t for n, t in zip(plane[:3], offset, strict=True))]
    annotations = []
    for annotation in record["annotations"]:
        if annotation["has_3d"]:
            location = [x + t for x, t in zip(annotation["location"], offset, strict=True)]
            annotation = annotation | {"location": location}
        annotations.append(annotation)
    camera = [[*row, 0.0] for row in K]
    return {**record, "camera": camera, "ground_plane": plane, "annotations": annotations}


def standing(record: Mapping[str, Any]) -> tuple[Boxes3D, list[int], list[float] | None]:
    """Boxes with 3D labels of a dataset dict, their positions in ``annotations``, and the plane that they
    stand on: level ones on a level plane at the median of their lower faces. None: no ground is known."""
    places = [i for i, a in enumerate(record["annotations"]) if a["has_3d"]]
    boxes = record_boxes(record, [record["annotations"][i] for i in places])
    if record.get("level_boxes"):
        heights = [record["annotations"][i]["location"][1] for i in places]
        known = record["ground_plane"]
        height = float(np.median(heights)) if heights else known[3] if known is not None else 0.0
        return boxes, places, [0.0, -1.0, 0.0, height] if height > 0 else None
    plane = record["ground_plane"]
    return boxes, places, list(plane) if plane is not None else plane_below(boxes)


def ground_axes(plane: Sequence[float]) -> np.ndarray:
    """Columns (3, 3) of a frame that stands on a plane: right, down, forward, in the camera's."""
    return ground_rotation(torch.tensor(plane, dtype=torch.float64)).numpy()
