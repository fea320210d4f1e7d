"""What objects look like, beside the labels of a layout that has no place for it: ``looks.jsonl``.

A line is of one image: ``{"image": its id, "objects": [{"bbox": [x1, y1, x2, y2], "color": TEXT, "shape":
TEXT}, ...]}``. A label is found by its 2D box. Colours and shapes that are "" are not known. SynthRoad writes
the file for its datasets; one of your own goes into the root folder of any layout, and may have ``phrases``,
a list of texts that are true of the object.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from d2ext.reading import parse_json, require

LOOKS_FILE = "looks.jsonl"
#: Pixels that a box may differ from that of its label, which is rounded.
_TOLERANCE = 0.02


def add_looks(records: list[dict[str, Any]], path: Path) -> list[dict[str, Any]]:
    """The records of a dataset, whose annotations get ``color``, ``shape`` and ``phrases`` from a file; as
    they are without it.

    Raises:
        ValueError: one line that names the file and the line or field.
    """
    if not path.is_file():
        return records
    looks = read_looks(path)
    for record in records:
        found = looks.get(str(record["image_id"]))
        if found and record.get("annotations"):
            _add(record["annotations"], found)
    return records


def read_looks(path: Path) -> dict[str, list[dict[str, Any]]]:
    """The objects of each image by its id.

    Raises:
        ValueError: one line that names the file and the line or field.
    """
    images = {}
    with open(path, "rb") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                where = f"{path}:{number}"
                row = parse_json(line, where)
                objects = require(row, "objects", list, where)
                images[require(row, "image", str, where)] = [
                    _checked(one, f"{where}: objects[{i}]") for i, one in enumerate(objects)
                ]
    return images


def _checked(one: Any, where: str) -> dict[str, Any]:
    box = require(one, "bbox", list, where)
    if len(box) != 4 or not all(isinstance(x, int | float) for x in box):
        raise ValueError(f"{where}: field 'bbox': expected 4 numbers, got {str(box)[:60]}")
    for key in ("color", "shape"):
        if not isinstance(one.get(key, ""), str):
            raise ValueError(f"{where}: field {key!r}: expected a text, got {str(one[key])[:60]}")
    phrases = one.get("phrases", [])
    if not isinstance(phrases, list) or not all(isinstance(text, str) and text.strip() for text in phrases):
        raise ValueError(f"{where}: field 'phrases': expected a list of texts, got {str(phrases)[:60]}")
    return one


def _add(annotations: Sequence[dict[str, Any]], objects: Sequence[Mapping[str, Any]]) -> None:
    boxes = np.array([a["bbox"] for a in annotations], dtype=float).reshape(-1, 4)
    known = np.array([o["bbox"] for o in objects], dtype=float).reshape(-1, 4)
    apart = np.abs(boxes[:, None] - known).max(-1)
    for annotation, row in zip(annotations, apart, strict=True):
        best = int(row.argmin())
        if row[best] <= _TOLERANCE:
            one = objects[best]
            annotation["color"] = one.get("color") or annotation.get("color")
            annotation["shape"] = one.get("shape", "")
            if one.get("phrases"):
                annotation["phrases"] = list(one["phrases"])
