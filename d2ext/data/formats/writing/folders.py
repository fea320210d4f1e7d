"""Folders of KITTI and Rope3D: an image, a label file, a calibration and a ground plane for each name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from d2ext.data.formats.kitti import NOT_COMPUTED
from d2ext.data.formats.upright import label_fields, record_boxes, standing
from d2ext.files import write_bytes

from .images import Record, own_names, place_images

#: Sizes, place and yaw of objects with a 2D label only.
_KITTI_FLAT = [-1.0] * 3 + [-1000.0] * 3 + [-10.0]
_ROPE_FLAT = [0.0] * 7
_REGION = "DontCare -1 -1 -10"
#: Of images of which no ground is known and that have no 3D box: KITTI's level road.
ASSUMED_GROUND = (0.0, -1.0, 0.0, 1.65)


def write_kitti_folder(
    root: str | Path, records: Sequence[Record], names: Sequence[str], split: str, link: bool = False
) -> None:
    """Write KITTI's object layout, ``training/{image_2,label_2,calib,planes}`` and ``ImageSets/{split}.txt``.
    Boxes that stand on a tilted ground or lean are made level: their centres and sizes stay.

    Args:
        root: folder of the dataset; other splits may be there.
        records: dataset dicts.
        names: of their classes. In the files these are capitalised, with "_" for blanks.
        split: "train" or "val".
        link: make links to the images instead of copies.

    Raises:
        ValueError: two images of one name.
        OSError: a file cannot be written.
    """
    root, files = Path(root), own_names(records)
    folder = root / "training"
    place_images(records, folder / "image_2", files, link)
    kinds = [_word(name).capitalize() for name in names]
    for record, name in zip(records, files, strict=True):
        solid = [a for a in record["annotations"] if a["has_3d"]]
        fields = iter(solid if record.get("level_boxes") else label_fields(record_boxes(record, solid), None))
        rows = [_row(a, kinds, fields, _KITTI_FLAT) for a in record["annotations"]]
        for box in record.get("ignored_boxes", ()):
            rows.append(f"{_REGION} {_numbers([*box, *_KITTI_FLAT])}")
        _write_lines(folder / "label_2" / f"{name}.txt", rows)
        _write_calib(folder / "calib" / f"{name}.txt", record)
        if record["ground_plane"] is not None:
            _write_lines(folder / "planes" / f"{name}.txt", [_numbers(record["ground_plane"])])
    _write_lines(root / "ImageSets" / f"{split}.txt", files)


def write_rope3d_folder(
    root: str | Path, records: Sequence[Record], names: Sequence[str], split: str, link: bool = False
) -> None:
    """Write Rope3D's layout, ``training/{image_2,label_2,calib,denorm}`` and ``training/{split}.txt``. Where
    boxes are level the ground is level, at the median of their lower faces; where none is known it is
    ``ASSUMED_GROUND``. Arguments and errors as :func:`write_kitti_folder`; classes keep their case."""
    root, files = Path(root), own_names(records)
    folder = root / "training"
    place_images(records, folder / "image_2", files, link)
    kinds = [_word(name) for name in names]
    for record, name in zip(records, files, strict=True):
        boxes, _, plane = standing(record)
        fields = iter(label_fields(boxes, plane))
        rows = [_row(a, kinds, fields, _ROPE_FLAT) for a in record["annotations"]]
        _write_lines(folder / "label_2" / f"{name}.txt", rows)
        _write_calib(folder / "calib" / f"{name}.txt", record)
        _write_lines(folder / "denorm" / f"{name}.txt", [_numbers(plane or ASSUMED_GROUND)])
    _write_lines(folder / f"{split}.txt", files)


def _word(name: str) -> str:
    return "_".join(name.split())


def _row(annotation: dict[str, Any], kinds: Sequence[str], fields: Any, flat: Sequence[float]) -> str:
    """A label row; ``fields`` gives those of the next 3D box."""
    alpha, solid = NOT_COMPUTED, list(flat)
    if annotation["has_3d"]:
        found = next(fields)
        alpha = found["alpha"]
        solid = [*found["dimensions"], *found["location"], found["yaw"]]
    head = (
        f"{kinds[annotation['category_id']]} {_numbers([annotation['truncated']])} {annotation['occluded']}"
    )
    return f"{head} {_numbers([alpha, *annotation['bbox'], *solid])}"


def _write_calib(path: Path, record: Record) -> None:
    _write_lines(path, ["P2: " + _numbers([x for row in record["camera"] for x in row])])


def _numbers(values: Sequence[float]) -> str:
    return " ".join(f"{value:.12g}" for value in values)


def _write_lines(path: Path, lines: Sequence[str]) -> None:
    write_bytes(path, "".join(line + "\n" for line in lines).encode())
