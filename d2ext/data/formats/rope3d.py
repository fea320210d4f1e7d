"""Rope3D: roadside images with 3D boxes on a tilted ground plane.

X. Ye et al., "Rope3D: The Roadside Perception Dataset for Autonomous Driving and Monocular 3D Object
Detection Task", CVPR 2022.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from d2ext.data.image_io import read_image_size

from .kitti import read_calib, read_ground, read_labels
from .records import BrokenRows, read_names, require_records

IMAGE_SUFFIXES = (".jpg", ".png", ".jpeg")


def load_rope3d(root: str | Path, split: str, skip_broken: bool = False) -> list[dict[str, Any]]:
    """Records of ``root/training``: {image_2,label_2,calib,denorm}/NAME.*, names from ``{split}.txt``.

    Args:
        root: the dataset's folder.
        split: "train" or "val".
        skip_broken: skip and count broken rows and images instead of raising.

    Raises:
        FileNotFoundError, ValueError: one line that names the file and the line or field.
    """
    folder = Path(root) / "training"
    broken = BrokenRows(skip_broken)
    split_file = folder / f"{split}.txt"
    images = {
        path.stem: path for path in sorted((folder / "image_2").glob("*")) if path.suffix in IMAGE_SUFFIXES
    }
    records = []
    for name in read_names(split_file):
        with broken:
            if name not in images:
                raise FileNotFoundError(f"{split_file}: image {name!r} is not in {folder / 'image_2'}")
            height, width = read_image_size(images[name])
            record = {
                "file_name": str(images[name]),
                "image_id": name,
                "height": height,
                "width": width,
                "camera": read_calib(folder / "calib" / f"{name}.txt"),
                "ground_plane": read_ground(folder / "denorm" / f"{name}.txt"),
                "annotations": read_labels(folder / "label_2" / f"{name}.txt", broken),
                "sentences": [],
            }
            records.append(record)
    broken.report(f"rope3d {split}")
    return require_records(records, str(split_file))
