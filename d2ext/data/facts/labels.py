"""Labels of any dataset as the predicates of SynthRoad take them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from d2ext.data.synthroad.labels import Label

#: Share of an object that others hide, by KITTI's level of occlusion; a level of 3 says that it is not known.
HIDDEN = {0: 0.0, 1: 0.3, 2: 0.7}
_UNKNOWN = ("", "unknown", "none", "other")
_BORDER = 1.5  # pixels


def label_of(annotation: Mapping[str, Any], names: Sequence[str], image_size: tuple[int, int]) -> Label:
    """An annotation of a dataset dict; what is not known of it is NaN or empty, for which every predicate is
    None.

    Args:
        annotation: as :mod:`d2ext.data` describes them; ``hidden``, a share in [0, 1], where it has one.
        names: of the classes, by ``category_id``.
        image_size: height and width in pixels.
    """
    height, width = image_size
    location, size = tuple(annotation["location"]), tuple(annotation["dimensions"])
    yaw = annotation["yaw"]
    if not annotation["has_3d"]:
        location = size = (math.nan,) * 3
        yaw = math.nan
    x1, y1, x2, y2 = box = tuple(annotation["bbox"])
    borders = {
        "left": x1 < _BORDER,
        "top": y1 < _BORDER,
        "right": x2 > width - 1 - _BORDER,
        "bottom": y2 > height - 1 - _BORDER,
    }
    color = str(annotation.get("color") or "").lower()
    return Label(
        category=names[annotation["category_id"]],
        color="" if color in _UNKNOWN else color,
        size=size,
        location=location,
        yaw=yaw,
        alpha=math.remainder(yaw - math.atan2(location[0], location[2]), 2 * math.pi),
        box=box,
        truncated=float(annotation["truncated"]),
        hidden=annotation.get("hidden", HIDDEN.get(annotation["occluded"], math.nan)),
        border=tuple(side for side, out in borders.items() if out),
    )
