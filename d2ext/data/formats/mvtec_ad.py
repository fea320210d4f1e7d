"""The folder layout of MVTec AD (Bergmann et al., CVPR 2019), one category a folder: ``train/good``,
``test/<kind>`` and ``ground_truth/<kind>/<name>_mask.png`` for every kind but "good".

Others' variants of it are read too: ``validation/good``, and one folder of masks for each image,
``ground_truth/<kind>/<name>/*.png`` (MVTec LOCO AD, IJCV 2022); masks without ``_mask`` in their names, of
any image type (VisA, as its authors convert it); a category without ``ground_truth``, which has no pixel
figures.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from d2ext.data.formats.rows import BrokenRows, require_records
from d2ext.data.image_io import IMAGE_SUFFIXES, mask_files, read_image_size
from d2ext.reading import clear_errors, exists, is_folder

GOOD = "good"
CATEGORIES = (
    "bottle",
    "cable",
    "capsule",
    "carpet",
    "grid",
    "hazelnut",
    "leather",
    "metal_nut",
    "pill",
    "screw",
    "tile",
    "toothbrush",
    "transistor",
    "wood",
    "zipper",
)
_MASK_SUFFIXES = tuple(cased for suffix in sorted(IMAGE_SUFFIXES) for cased in (suffix, suffix.upper()))
_FOLDERS = {"train": "train", "val": "validation", "test": "test"}


@clear_errors
def load_mvtec_ad(root: str | Path, split: str, skip_broken: bool = False) -> list[dict[str, Any]]:
    """One record an image of a category, by kind and name.

    Args:
        root: the category's folder.
        split: "train", "val" or "test".

    Returns:
        Records with ``file_name``, ``image_id`` ("<kind>/<name>"), ``height``, ``width``, ``label`` (0 for
        "good", else 1), ``kind`` and ``mask_file`` (file or folder for :func:`d2ext.data.image_io.read_mask`;
        None for "good", and where the category has no masks).

    Raises:
        FileNotFoundError, ValueError: no such folder, or no image in it; an unreadable image; a mask that is
            missing or of another size; a kind other than "good" outside of test.
    """
    root = Path(root)
    folder = root / _FOLDERS[split]
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder of images")
    records, broken = [], BrokenRows(skip_broken)
    masks = root / "ground_truth"
    for kind_folder in sorted(path for path in folder.iterdir() if not path.is_file() and is_folder(path)):
        kind = kind_folder.name
        if kind != GOOD and split != "test":
            raise ValueError(f"{kind_folder}: expected the folder {GOOD!r} only: {split} is of normal images")
        files = sorted(p for p in kind_folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
        stems = Counter(path.stem for path in files)
        for path in files:
            with broken:
                mask = _mask_file(masks / kind, path) if kind != GOOD and is_folder(masks) else None
                name = path.stem if stems[path.stem] == 1 else path.name  # a.png beside a.tif
                records.append(image_record(path, kind, mask) | {"image_id": f"{kind}/{name}"})
    broken.report(f"{root.name} {split}")
    return require_records(records, str(folder))


def image_record(path: Path, kind: str, mask: Path | None) -> dict[str, Any]:
    """The record of an image without its ``image_id``.

    Args:
        mask: its file, or a folder of several.

    Raises:
        FileNotFoundError, ValueError: an unreadable image or mask, or a mask of another size.
    """
    height, width = size = read_image_size(path)
    for part in [] if mask is None else mask_files(mask):
        found = read_image_size(part)
        if found != size:
            sizes = f"{width} x {height}, got {found[1]} x {found[0]}"
            raise ValueError(f"{part}: expected a mask of the image's size {sizes}")
    return {
        "file_name": str(path),
        "height": height,
        "width": width,
        "label": int(kind != GOOD),
        "kind": kind,
        "mask_file": None if mask is None else str(mask),
    }


def _mask_file(folder: Path, image: Path) -> Path:
    """The mask of an image, or the folder of its masks."""
    names = [f"{image.stem}{end}{suffix}" for end in ("_mask", "") for suffix in _MASK_SUFFIXES]
    found = next((folder / name for name in names if exists(folder / name)), folder / image.stem)
    if found.suffix == "" and not found.is_dir():
        raise FileNotFoundError(f"{folder / f'{image.stem}_mask.png'}: no mask for {image}")
    return found
