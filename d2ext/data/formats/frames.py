"""Frames in KITTI's folders: ``image_2``, ``label_2`` and ``calib``, one file each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from d2ext.data.formats.rows import BrokenRows, read_names, require_records
from d2ext.data.image_io import IMAGE_SUFFIXES, read_image_size
from d2ext.structures.vocabulary import ROAD, Vocabulary

from .kitti import read_calib, read_labels


def images_by_name(folder: Path) -> dict[str, Path]:
    """The image files of a folder by their names without suffix."""
    return {p.stem: p for p in sorted(folder.glob("*")) if p.suffix.lower() in IMAGE_SUFFIXES}


def load_frames(
    folder: Path,
    split_file: Path,
    skip_broken: bool,
    more: Callable[[str, BrokenRows], dict[str, Any]],
    vocabulary: Vocabulary = ROAD,
) -> list[dict[str, Any]]:
    """Records of the frames that a split file names.

    Args:
        folder: holds image_2, label_2 and calib.
        split_file: image names, one a line.
        skip_broken: skip and count broken rows and images instead of raising.
        more: name of a frame, and what skips its broken rows -> further keys of its record.
        vocabulary: classes of the labels.

    Raises:
        FileNotFoundError, ValueError: one line that names the file and the line or field.
    """
    broken = BrokenRows(skip_broken)
    images = images_by_name(folder / "image_2")
    records = []
    for name in read_names(split_file):
        with broken:
            if name not in images:
                raise FileNotFoundError(f"{split_file}: image {name[:60]!r} is not in {folder / 'image_2'}")
            height, width = size = read_image_size(images[name])
            record = {
                "file_name": str(images[name]),
                "image_id": name,
                "height": height,
                "width": width,
                "camera": read_calib(folder / "calib" / f"{name}.txt", size),
                "annotations": read_labels(folder / "label_2" / f"{name}.txt", broken, vocabulary),
                "sentences": [],
                **more(name, broken),
            }
            records.append(record)
    broken.report(str(split_file))
    return require_records(records, str(split_file))
