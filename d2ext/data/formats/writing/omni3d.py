"""Omni3D files: 2D and 3D boxes of any rotation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from d2ext.data.formats.omni3d import IGNORED_TRUNCATION, KEPT, cuboids_of
from d2ext.data.formats.upright import moved, record_boxes
from d2ext.structures import Camera

from .images import Record, annotation_ids, names_below, unique_ids, write_compact_json

#: Name of the category of regions in which objects are not labelled.
REGION = "dontcare"
_NONE = [-1.0] * 4
_NO_CUBOID = {
    "valid3D": False,
    "behind_camera": False,
    "center_cam": [-1.0] * 3,
    "dimensions": [-1.0] * 3,
    "R_cam": [[-1.0] * 3] * 3,
    "bbox3D_cam": [[-1.0] * 3] * 8,
    "bbox2D_proj": _NONE,
}


def write_omni3d(
    path: str | Path, records: Sequence[Record], names: Sequence[str], image_root: str | Path
) -> None:
    """Write an Omni3D file. ``bbox2D_trunc`` is a record's 2D box. What a camera has in its fourth column
    goes into the places of the boxes, which K alone then projects to the same pixels. An image has a
    ``ground_plane`` too where it is known and boxes stand on it, which Omni3D does not know. Truncation is
    the share that is outside of the image: levels from 1 on, as Rope3D has them, are left out.

    Args:
        path: JSON file to write.
        records: dataset dicts.
        names: of their classes.
        image_root: folder to which ``file_path`` is to be relative.

    Raises:
        ValueError: an image that is not below ``image_root``.
    """
    ids, numbers = unique_ids(records), annotation_ids(records)
    files = names_below(records, image_root)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    regions: list[dict[str, Any]] = []
    for record, image_id, file, of_record in zip(map(moved, records), ids, files, numbers, strict=True):
        size = (record["height"], record["width"])
        K = [row[:3] for row in record["camera"]]
        image: dict[str, Any] = {"id": image_id, "dataset_id": 0, "file_path": file, "K": K}
        image |= {"height": size[0], "width": size[1], "src_90_rotate": 0, "src_flagged": False}
        if record["ground_plane"] is not None and not record.get("level_boxes"):
            image["ground_plane"] = list(record["ground_plane"])
        images.append(image)
        found = _annotations(record, names, Camera(torch.tensor(K, dtype=torch.float64), size))
        for row, number in zip(found, of_record, strict=True):
            annotations.append({"id": number, "image_id": image_id, **row})
        for box in record.get("ignored_boxes", ()):
            regions.append({"image_id": image_id, **_row(box, len(names), REGION, {})})
    free = max((a["id"] for a in annotations), default=0) + 1
    annotations += [{"id": free + i, **region} for i, region in enumerate(regions)]
    every = [*names, *([REGION] if regions else [])]
    content = {
        "info": {"id": 0, "source": 0, "name": "", "split": "", "version": "", "url": ""},
        "images": images,
        "categories": [{"id": i, "name": name, "supercategory": ""} for i, name in enumerate(every)],
        "annotations": annotations,
    }
    write_compact_json(path, content)


def _annotations(record: Record, names: Sequence[str], camera: Camera) -> list[dict[str, Any]]:
    solid = [a for a in record["annotations"] if a["has_3d"]]
    cuboids = iter(cuboids_of(record_boxes(record, solid), camera))
    rows = []
    for annotation in record["annotations"]:
        category = annotation["category_id"]
        kept = annotation.get("omni3d", {})
        row = _row(annotation["bbox"], category, names[category], kept)
        if 0 <= annotation["truncated"] < IGNORED_TRUNCATION:
            row["truncation"] = float(annotation["truncated"])
        if annotation["has_3d"]:
            row |= {key: v for key, v in next(cuboids).items() if key != "bbox2D_trunc"}
        rows.append(row)
    return rows


def _row(box: Sequence[float], category: int, name: str, kept: dict[str, Any]) -> dict[str, Any]:
    return {
        "category_id": category,
        "category_name": name,
        **_NO_CUBOID,
        "bbox2D_trunc": list(box),
        "bbox2D_tight": kept.get("bbox2D_tight", _NONE),
        "truncation": -1,
        **{key: kept.get(key, -1) for key in KEPT},
    }
