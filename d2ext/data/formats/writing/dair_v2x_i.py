"""DAIR-V2X-I folders: labels in the frame of a virtual LiDAR."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from d2ext.data.formats.dair_v2x_i import SPLIT_FILE
from d2ext.data.formats.upright import ground_axes, moved, standing
from d2ext.files import write_json
from d2ext.reading import exists, read_json

from .folders import ASSUMED_GROUND
from .images import Record, own_names, place_images


def write_dair_v2x_i(
    root: str | Path, records: Sequence[Record], names: Sequence[str], split: str, link: bool = False
) -> None:
    """Write DAIR-V2X-I's layout. The virtual LiDAR of an image stands on its ground below the camera, x along
    the camera's view, z up. Where boxes are level the ground is level, at the median of their lower faces;
    where none is known it is level, 1.65 m below the camera. What a camera has in its fourth column goes into
    the places of the boxes.

    Args:
        root: folder of the dataset; the other split may be there.
        records: dataset dicts.
        names: of their classes. In the files these are capitalised, with "_" for blanks.
        split: "train" or "val".
        link: make links to the images instead of copies.

    Raises:
        ValueError: no 3D box, without which the format cannot tell the ground; two images of one name.
        OSError: a file cannot be written.
    """
    if not any(a["has_3d"] for record in records for a in record["annotations"]):
        raise ValueError(f"{root}: DAIR-V2X-I needs 3D boxes to tell the ground, the dataset has none")
    root, files = Path(root), own_names(records)
    images = place_images(records, root / "image", files, link)
    kinds = ["_".join(name.split()).capitalize() for name in names]
    infos = []
    for record, name, image in zip(map(moved, records), files, images, strict=True):
        boxes, places, plane = standing(record)
        plane = list(plane or ASSUMED_GROUND)
        axes = ground_axes(plane)
        rotation = np.stack((axes[:, 2], -axes[:, 0], -axes[:, 1]), axis=1)  # forward, left, up
        translation = -plane[3] * np.array(plane[:3])
        centers = (boxes.center.numpy() - translation) @ rotation
        headings = boxes.rotation[:, :, 0].numpy() @ rotation
        turns = np.arctan2(headings[:, 1], headings[:, 0])
        solid = dict(zip(places, zip(boxes.size.tolist(), centers, turns, strict=True), strict=True))
        labels = [_label(a, kinds, solid.get(i)) for i, a in enumerate(record["annotations"])]
        write_json(root / "label/camera" / f"{name}.json", labels)
        calib = "calib/virtuallidar_to_camera"
        lidar = {"rotation": rotation.tolist(), "translation": [[x] for x in translation.tolist()]}
        write_json(root / calib / f"{name}.json", lidar)
        K = [x for row in record["camera"] for x in row[:3]]
        write_json(root / "calib/camera_intrinsic" / f"{name}.json", {"cam_K": K})
        infos.append(
            {
                "image_path": f"image/{image}",
                "label_camera_std_path": f"label/camera/{name}.json",
                "calib_camera_intrinsic_path": f"calib/camera_intrinsic/{name}.json",
                "calib_virtuallidar_to_camera_path": f"{calib}/{name}.json",
            }
        )
    _merge(root, infos, files, split)


def _label(annotation: dict[str, Any], kinds: Sequence[str], solid: Any) -> dict[str, Any]:
    x1, y1, x2, y2 = annotation["bbox"]
    size, center, turn = solid or ([0.0] * 3, np.zeros(3), 0.0)
    return {
        "type": kinds[annotation["category_id"]],
        "truncated_state": annotation["truncated"],
        "occluded_state": annotation["occluded"],
        "2d_box": {"xmin": x1, "ymin": y1, "xmax": x2, "ymax": y2},
        "3d_dimensions": dict(zip("hwl", size, strict=True)),
        "3d_location": dict(zip("xyz", center.tolist(), strict=True)),
        "rotation": float(turn),
    }


def _merge(root: Path, infos: list[dict[str, Any]], names: list[str], split: str) -> None:
    """Write the lists of the dataset; what is there of other images and splits stays."""
    path = root / "data_info.json"
    new = {info["image_path"] for info in infos}
    old = read_json(path) if exists(path) else []
    write_json(path, [info for info in old if info["image_path"] not in new] + infos)
    splits = read_json(root / SPLIT_FILE) if exists(root / SPLIT_FILE) else {"train": [], "val": []}
    write_json(root / SPLIT_FILE, splits | {split: names})
