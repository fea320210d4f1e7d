"""The folder layout of MVTec AD (Bergmann et al., CVPR 2019), one category a folder: ``train/good``,
``test/<kind>`` and ``ground_truth/<kind>/<name>_mask.png`` for every kind but "good"; MVTec LOCO AD adds
``validation/good``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from d2ext.data.image_io import IMAGE_SUFFIXES, read_image_size
from d2ext.reading import clear_errors

from .records import BrokenRows, require_records

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
_FOLDERS = {"train": "train", "val": "validation", "test": "test"}


@clear_errors
def load_mvtec_ad(root: str | Path, split: str, skip_broken: bool = False) -> list[dict[str, Any]]:
    """One record an image of a category, by kind and name.

    Args:
        root: the category's folder.
        split: "train", "val" or "test".

    Returns:
        Records with ``file_name``, ``image_id`` ("<kind>/<name>"), ``height``, ``width``, ``label`` (0 for
        "good", else 1), ``kind`` and ``mask_file`` (None for "good").

    Raises:
        FileNotFoundError, ValueError: no such folder, or no image in it; an unreadable image; a mask that is
            missing or of another size; a kind other than "good" outside of test.
    """
    root = Path(root)
    folder = root / _FOLDERS[split]
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder of images")
    records, broken = [], BrokenRows(skip_broken)
    for kind_folder in sorted(path for path in folder.iterdir() if path.is_dir()):
        kind = kind_folder.name
        if kind != GOOD and split != "test":
            raise ValueError(f"{kind_folder}: expected the folder {GOOD!r} only: {split} is of normal images")
        for path in sorted(p for p in kind_folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES):
            with broken:
                height, width = size = read_image_size(path)
                mask = None if kind == GOOD else _mask_file(root, path, size)
                records.append(
                    {
                        "file_name": str(path),
                        "image_id": f"{kind}/{path.stem}",
                        "height": height,
                        "width": width,
                        "label": int(kind != GOOD),
                        "kind": kind,
                        "mask_file": mask,
                    }
                )
    broken.report(f"{root.name} {split}")
    return require_records(records, str(folder))


def _mask_file(root: Path, image: Path, size: tuple[int, int]) -> str:
    path = root / "ground_truth" / image.parent.name / f"{image.stem}_mask.png"
    if not path.exists():
        raise FileNotFoundError(f"{path}: no mask for {image}")
    found = read_image_size(path)
    if found != size:
        raise ValueError(
            f"{path}: expected a mask of the image's size {size[1]} x {size[0]}, got {found[1]} x {found[0]}"
        )
    return str(path)
