"""Frames in KITTI's folders: ``image_2``, ``label_2`` and ``calib``, one file each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from d2ext.data.image_io import read_image_size

from .kitti import read_calib, read_labels
from .records import BrokenRows, read_names, require_records

IMAGE_SUFFIXES = (".jpg", ".png", ".jpeg")


def load_frames(
    folder: Path,
    split_file: Path,
    skip_broken: bool,
    more: Callable[[str], dict[str, Any]],
) -> list[dict[str, Any]]:
    """Records of the frames that a split file names.

    Args:
        folder: holds image_2, label_2 and calib.
        split_file: image names, one a line.
        skip_broken: skip and count broken rows and images instead of raising.
        more: name of a frame -> further keys of its record.

    Raises:
        FileNotFoundError, ValueError: one line that names the file and the line or field.
    """
    broken = BrokenRows(skip_broken)
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
                "annotations": read_labels(folder / "label_2" / f"{name}.txt", broken),
                "sentences": [],
                **more(name),
            }
            records.append(record)
    broken.report(str(split_file))
    return require_records(records, str(split_file))
