"""KITTI's text files, as Mono3DRefer, Rope3D and MonoMulti3D use them: calib, label rows, ground planes."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from detectron2.structures import BoxMode

from d2ext.data.formats.rows import BrokenRows
from d2ext.reading import clear_errors, read_text
from d2ext.structures import check_ground, check_projection, check_view
from d2ext.structures.vocabulary import ROAD, Vocabulary

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


#: Largest magnitude of each number of a row: what is beyond is in another unit, or damaged.
LABEL_LIMITS = (1e3, 1e3, 10.0, *[1e5] * 4, *[100.0] * 3, *[1e4] * 3, 10.0)
NOT_COMPUTED = -10.0  # KITTI's alpha of objects for which it was not worked out
_NO_SIZES, _NO_PLACES = ([0.0] * 3, [-1.0] * 3), ([0.0] * 3, [-1000.0] * 3)  # of objects with a 2D label only
_MAX_YAW = 2 * math.pi + 0.01
_MAX_FLOAT = 3.4e38  # of float32
_NUMBER = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*", re.ASCII)


def parse_floats(fields: Sequence[str], names: Sequence[str], where: str) -> list[float]:
    """Finite numbers, in ASCII digits and within float32.

    Raises:
        ValueError: names the field (from ``names``) that is no such number.
    """
    text = "".join(fields)
    if text.isascii() and "_" not in text:
        try:
            values = [float(field) for field in fields]
            if all(-_MAX_FLOAT < value < _MAX_FLOAT for value in values):
                return values
        except ValueError:
            pass
    for name, field in zip(names, fields, strict=False):
        if not _NUMBER.fullmatch(field[:400]) or not abs(float(field[:400])) < _MAX_FLOAT:
            raise ValueError(f"{where}: field {name!r}: expected a finite number, got {ascii(field[:40])}")
    raise ValueError(f"{where}: expected finite numbers")


@clear_errors
def read_calib(path: str | Path, size: tuple[int, int] | None = None) -> list[list[float]]:
    """P2 of a KITTI calib file as a 3x4 nested list; other lines may be missing.

    Args:
        size: (height, width) of the image, to be checked against; None: not known yet.

    Raises:
        FileNotFoundError, ValueError: no such file; no P2 line; not 12 finite numbers that make a projection
            matrix (``check_projection``), or that of another image size (``check_view``).
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
        P = [values[0:4], values[4:8], values[8:12]]
        try:
            check_projection(P)
            if size is not None:
                check_view(P, size)
        except ValueError as error:
            raise ValueError(f"{where}: field 'P2': {error}") from None
        return P
    raise ValueError(f"{path}: field 'P2': expected a line 'P2:' with 12 numbers, found none")


@clear_errors
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
    try:
        check_ground(plane)
    except ValueError as error:
        raise ValueError(f"{where}: field 'd': {error}") from None
    return plane


def parse_label(fields: Sequence[str], where: str, vocabulary: Vocabulary = ROAD) -> dict[str, Any] | None:
    """One label row as an annotation without ``id``; None for rows that mark no object (DontCare, Misc).

    An object whose sizes and location are all 0 (Rope3D), or -1 and -1000 (KITTI), has a 2D label only:
    ``has_3d`` is False, sizes, location and yaw are 0. An alpha of -10 (KITTI: not computed) follows from yaw
    and place, and stays where there are none. A 16th field that is no number is the colour
    (MonoMulti3D).

    Args:
        fields: the 15 or more texts of the row.
        where: ``file:line`` for messages.
        vocabulary: gives the ``category_id``.

    Raises:
        ValueError: too few fields; an unknown class; a number that is not finite or beyond its
            ``LABEL_LIMITS``; a size that is not positive.
    """
    if len(fields) < len(LABEL_FIELDS):
        raise ValueError(
            f"{where}: expected at least 15 fields ({' '.join(LABEL_FIELDS)}), got {len(fields)}"
        )
    if fields[0].lower() in vocabulary.ignored:
        return None
    try:
        category = vocabulary.id_of(fields[0])
    except ValueError as error:
        raise ValueError(f"{where}: field 'type': {error}") from error
    numbers = parse_floats(fields[1:15], LABEL_FIELDS[1:], where)
    for name, value, limit in zip(LABEL_FIELDS[1:], numbers, LABEL_LIMITS, strict=True):
        if abs(value) > limit:
            raise ValueError(f"{where}: field {name!r}: expected at most {limit:g}, got {value:g}")
    box, dimensions, location = numbers[3:7], numbers[7:10], numbers[10:13]
    _check_box(box, where)
    has_3d = dimensions not in _NO_SIZES or location not in _NO_PLACES
    if has_3d:
        for name, value in zip("hwl", dimensions, strict=True):
            if value <= 0:
                raise ValueError(f"{where}: field {name!r}: expected a positive size, got {value:g}")
        if abs(numbers[13]) > _MAX_YAW:
            raise ValueError(f"{where}: field 'ry': expected radians, got {numbers[13]:g}")
        if numbers[2] == NOT_COMPUTED:
            numbers[2] = _wrap(numbers[13] - math.atan2(location[0], location[2]))
    else:
        dimensions, location, numbers[13] = [0.0] * 3, [0.0] * 3, 0.0
    return {
        "bbox": box,
        "bbox_mode": BoxMode.XYXY_ABS,
        "category_id": category,
        "name": vocabulary.names[category],
        "truncated": numbers[0],
        "occluded": int(numbers[1]),
        "alpha": numbers[2],
        "has_3d": has_3d,
        "location": location,
        "dimensions": dimensions,
        "yaw": numbers[13],
        "color": _color(fields[15]) if len(fields) > 15 else None,
    }


def parse_region(fields: Sequence[str], where: str) -> list[float]:
    """The 2D box (x1, y1, x2, y2) of a region whose objects are not labelled.

    Args:
        fields: the four numbers.

    Raises:
        ValueError: names the field that is no number, or corners that are not in order.
    """
    box = parse_floats(fields, LABEL_FIELDS[4:8], where)
    if len(box) < 4 or max(map(abs, box)) > LABEL_LIMITS[3]:
        raise ValueError(f"{where}: fields 'x1 y1 x2 y2': expected four pixels, got {box}")
    return _check_box(box, where)


def _check_box(box: list[float], where: str) -> list[float]:
    if box[2] < box[0] or box[3] < box[1]:
        raise ValueError(f"{where}: fields 'x1 y1 x2 y2': expected x1 <= x2 and y1 <= y2, got {box}")
    return box


def _wrap(angle: float) -> float:
    return (angle + math.pi) % (2 * math.pi) - math.pi


@clear_errors
def read_regions(path: Path, broken: BrokenRows) -> list[list[float]]:
    """2D boxes (x1, y1, x2, y2) of the DontCare rows of a KITTI label file: their objects are not labelled.

    Raises:
        FileNotFoundError, ValueError: no such file; as :func:`parse_region`, unless ``broken`` skips the row.
    """
    regions = []
    for number, fields in enumerate(map(str.split, read_text(path).splitlines()), start=1):
        if fields and fields[0].lower() == "dontcare":
            with broken:
                regions.append(parse_region(fields[4:8], f"{path}:{number}"))
    return regions


def _color(field: str) -> str | None:
    try:
        float(field)
    except ValueError:
        return field[:40].lower()
    return None  # a score


@clear_errors
def read_labels(path: Path, broken: BrokenRows, vocabulary: Vocabulary = ROAD) -> list[dict[str, Any]]:
    """Annotations of a KITTI label file; ``id`` is the row's position in the file, from 0, blank lines not
    counted.

    Raises:
        FileNotFoundError, ValueError: as ``parse_label``, unless ``broken`` skips the row.
    """
    annotations = []
    rows = [(n, line.split()) for n, line in enumerate(read_text(path).splitlines(), start=1) if line.strip()]
    for index, (number, fields) in enumerate(rows):
        with broken:
            annotation = parse_label(fields, f"{path}:{number}", vocabulary)
            if annotation is not None:
                annotations.append({"id": index, **annotation})
    return annotations
