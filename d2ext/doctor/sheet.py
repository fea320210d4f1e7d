"""A page of a dataset's pictures with their labels: what a person looks at first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import torch

from d2ext.data.image_io import read_image
from d2ext.data.synthroad.sheet import page
from d2ext.structures import Boxes3D, Camera
from d2ext.visualization import check_picture_path, draw_boxes3d, write_picture

from .dataset import Checked, Record

COUNT = 12


def write_sheet(path: Path, checked: Sequence[Checked], count: int = COUNT) -> int:
    """Write a page of ``count`` pictures, spread over all splits; returns how many it has.

    Raises:
        ValueError: a file name of no image format.
        OSError: it cannot be written.
    """
    check_picture_path(path)
    pictures = list(islice(_pictures(checked, count), count))
    if pictures:
        write_picture(path, page(pictures))
    return len(pictures)


def _pictures(checked: Sequence[Checked], count: int) -> Iterator[np.ndarray]:
    with_images = [one for one in checked if one.records and "road_file" not in one.records[0]]
    share = -(-count // max(len(with_images), 1))
    for one in with_images:
        chosen = np.linspace(0, len(one.records) - 1, min(share, len(one.records))).round().astype(int)
        for index in chosen:
            yield labelled_picture(one.records[index], one.class_names)


def labelled_picture(record: Record, class_names: Sequence[str]) -> np.ndarray:
    """(H, W, 3) uint8 BGR with boxes in 3D, or where an object has none in 2D."""
    image = read_image(record["file_name"])
    if "annotations" not in record:
        return image
    solid = [a for a in record["annotations"] if a["has_3d"]]
    flat = [a for a in record["annotations"] if not a["has_3d"]]
    if solid:
        camera = Camera(record["camera"], (record["height"], record["width"]))
        ground = None if record.get("level_boxes") else record.get("ground_plane")
        location, size, yaw = (
            torch.tensor([a[key] for a in solid], dtype=torch.float64)
            for key in ("location", "dimensions", "yaw")
        )
        boxes = Boxes3D.from_kitti(location, size, yaw, ground)
        image = draw_boxes3d(image, boxes, camera, [class_names[a["category_id"]] for a in solid])
    for annotation in flat:
        x1, y1, x2, y2 = (round(float(x)) for x in annotation["bbox"])
        cv2.rectangle(image, (x1, y1), (x2, y2), (60, 230, 60), 2, cv2.LINE_AA)
    return image
