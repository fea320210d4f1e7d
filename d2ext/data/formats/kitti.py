"""KITTI's text files, as Mono3DRefer, Rope3D and MonoMulti3D use them: calib, label rows, ground planes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from detectron2.structures import BoxMode

from d2ext.data.categories import IGNORED_TYPES, category_id

from .records import BrokenRows, read_text

#: The 15 fields of a label row. Sizes in metres; x, y, z is the centre of the bottom face in the camera
#: frame.
LABEL_FIELDS = (
    "type",
    "truncated",
    "occluded",
    "alpha",
    "x1",
    "y1",
    "x2",
    "y2",
    "h",
    "w",
    "l",
    "x",
    "y",
    "z",
    "ry",
)


def parse_floats(fields: Sequence[str], names: Sequence[str], where: str) -> list[float]:
    """Finite numbers.

    Raises:
        ValueError: names the field (from ``names``) that is no finite number.
    """
    try:
        values = [float(field) for field in fields]
    except ValueError:
        values = [math.nan]
    if all(map(math.isfinite, values)):
        return values
    for name, field in zip(names, fields, strict=False):
        try:
            good = math.isfinite(float(field))
        except ValueError:
            good = False
        if not good:
            raise ValueError(f"{where}: field {name!r}: expected a finite number, got {field!r}")
    raise ValueError(f"{where}: expected finite numbers")


def read_calib(path: str | Path) -> list[list[float]]:
    """P2 of a KITTI calib file as a 3x4 nested list; other lines may be missing.

    Raises:
        FileNotFoundError, ValueError: no such file; no P2 line; not 12 finite numbers that make a projection
            matrix.
    """
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        name, colon, rest = line.partition(":")
        if not colon or name.strip() != "P2":
            continue
        where = f"{path}:{number}"
        fields = rest.split()
        if len(fields) != 12:
            raise ValueError(f"{where}: field 'P2': expected 12 numbers, got {len(fields)}")
        values = parse_floats(fields, [f"P2[{i // 4},{i % 4}]" for i in range(12)], where)
        if values[8:11] != [0.0, 0.0, 1.0] or values[0] <= 0 or values[5] <= 0:
            raise ValueError(f"{where}: field 'P2': expected positive focal lengths and a third row 0 0 1 t")
        return [values[0:4], values[4:8], values[8:12]]
    raise ValueError(f"{path}: field 'P2': expected a line 'P2:' with 12 numbers, found none")


def read_ground(path: str | Path) -> list[float]:
    """Ground plane [a, b, c, d]: unit normal pointing up, d the camera height in metres.

    Reads Rope3D's ``denorm`` files (4 numbers) and KITTI's ``planes`` files (header lines, then 4 numbers).

    Raises:
        FileNotFoundError, ValueError: no such file; not 4 finite numbers; no ground below the camera.
    """
    rows = [(number, line.split()) for number, line in enumerate(read_text(path).splitlines(), start=1)]
    rows = [(number, fields) for number, fields in rows if fields]
    if not rows or len(rows[-1][1]) != 4:
        raise ValueError(f"{path}: expected a last line with the 4 numbers a b c d of the ground plane")
    number, fields = rows[-1]
    return _ground_plane(fields, f"{path}:{number}")


def _ground_plane(fields: list[str], where: str) -> list[float]:
    plane = parse_floats(fields, "abcd", where)
    norm = math.hypot(*plane[:3])
    if norm == 0 or plane[1] == 0:
        raise ValueError(f"{where}: field 'b': expected a ground normal that points up, got {plane}")
    scale = -math.copysign(1 / norm, plane[1])
    plane = [value * scale for value in plane]
    if plane[3] <= 0:
        raise ValueError(
            f"{where}: field 'd': expected the ground below the camera, got a height of {plane[3]:g} m"
        )
    return plane


def parse_label(fields: Sequence[str], where: str) -> dict[str, Any] | None:
    """One label row as an annotation without ``id``; None for rows that mark no object (DontCare, Misc).

    An object whose sizes and location are all 0 has a 2D label only (Rope3D): ``has_3d`` is False. A 16th
    field that is no number is the colour (MonoMulti3D).

    Args:
        fields: the 15 or more texts of the row.
        where: ``file:line`` for messages.

    Raises:
        ValueError: too few fields; an unknown class; a number that is not finite; a size that is not
            positive.
    """
    if len(fields) < len(LABEL_FIELDS):
        raise ValueError(
            f"{where}: expected at least 15 fields ({' '.join(LABEL_FIELDS)}), got {len(fields)}"
        )
    if fields[0].lower() in IGNORED_TYPES:
        return None
    try:
        category = category_id(fields[0])
    except ValueError as error:
        raise ValueError(f"{where}: field 'type': {error}") from error
    numbers = parse_floats(fields[1:15], LABEL_FIELDS[1:], where)
    box, dimensions, location = numbers[3:7], numbers[7:10], numbers[10:13]
    if box[2] < box[0] or box[3] < box[1]:
        raise ValueError(f"{where}: fields 'x1 y1 x2 y2': expected x1 <= x2 and y1 <= y2, got {box}")
    has_3d = any(dimensions) or any(location)
    if has_3d:
        for name, value in zip("hwl", dimensions, strict=True):
            if value <= 0:
                raise ValueError(f"{where}: field {name!r}: expected a positive size, got {value:g}")
    return {
        "bbox": box,
        "bbox_mode": BoxMode.XYXY_ABS,
        "category_id": category,
        "truncated": numbers[0],
        "occluded": int(numbers[1]),
        "alpha": numbers[2],
        "has_3d": has_3d,
        "location": location,
        "dimensions": dimensions,
        "yaw": numbers[13],
        "color": _color(fields[15]) if len(fields) > 15 else None,
    }


def read_regions(path: Path) -> list[list[float]]:
    """2D boxes (x1, y1, x2, y2) of the DontCare rows of a KITTI label file: their objects are not labelled.

    Raises:
        FileNotFoundError, ValueError: no such file; names the row and field that is no finite number.
    """
    return [
        parse_floats(fields[4:8], LABEL_FIELDS[4:8], f"{path}:{number}")
        for number, fields in enumerate(map(str.split, read_text(path).splitlines()), start=1)
        if fields and fields[0].lower() == "dontcare"
    ]


def _color(field: str) -> str | None:
    try:
        float(field)
    except ValueError:
        return field.lower()
    return None  # a score


def read_labels(path: Path, broken: BrokenRows) -> list[dict[str, Any]]:
    """Annotations of a KITTI label file; ``id`` is the row's position in the file, from 0, blank lines not
    counted.

    Raises:
        FileNotFoundError, ValueError: as ``parse_label``, unless ``broken`` skips the row.
    """
    annotations = []
    rows = [(n, line.split()) for n, line in enumerate(read_text(path).splitlines(), start=1) if line.strip()]
    for index, (number, fields) in enumerate(rows):
        with broken:
            annotation = parse_label(fields, f"{path}:{number}")
            if annotation is not None:
                annotations.append({"id": index, **annotation})
    return annotations
