"""``predictions.json`` read back: every number in it is checked, the file may be anyone's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from d2ext.reading import read_json

LARGEST = 1e6  # metres, pixels: whatever is larger is no prediction, and nothing that can be drawn
#: Numbers in each field of a predicted box; 1: the number itself.
FIELDS = {"score": 1, "location": 3, "dimensions": 3, "yaw": 1}
FIELDS_2D = {"bbox": 4, "alpha": 1}


def read_predictions(path: str | Path) -> dict[str, dict[str, Any]]:
    """Image id -> what was predicted for the image.

    Raises:
        FileNotFoundError, ValueError: no such file; not a JSON list of objects with an ``image_id``.
    """
    try:
        content = read_json(Path(path))
    except RecursionError as e:
        raise ValueError(f"{path}: expected predictions, got JSON nested too deeply") from e
    if not isinstance(content, list):
        raise ValueError(f"{path}: expected a list of images, got {type(content).__name__}")
    for number, row in enumerate(content):
        if not isinstance(row, dict) or not isinstance(row.get("image_id"), str):
            raise ValueError(f"{path}: item {number}: expected an object with a text as 'image_id'")
    return {row["image_id"]: row for row in content}


def check_number(value: Any, where: str) -> float:
    """``value`` itself.

    Raises:
        ValueError: it is no number, or none between -``LARGEST`` and ``LARGEST``.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not -LARGEST <= value <= LARGEST:
        raise ValueError(f"{where}: expected a number of at most {LARGEST:g} in size, got {_short(value)}")
    return value


def check_boxes(
    rows: Any, where: str, classes: int, fields: Mapping[str, int] = FIELDS
) -> Sequence[Mapping[str, Any]]:
    """``rows`` itself: predicted boxes as :func:`~d2ext.evaluation.instance_rows` makes them.

    Args:
        where: the file and the image, for the message.
        classes: how many the dataset has.
        fields: how many numbers each field holds.

    Raises:
        ValueError: a field that is missing or of another kind.
    """
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError(f"{where}: expected a list of predictions")
    for number, row in enumerate(rows):
        for name, count in fields.items():
            values = [row.get(name)] if count == 1 else row.get(name)
            if not isinstance(values, list) or len(values) != count:
                raise ValueError(f"{where}, prediction {number}: field {name!r}: expected {count} numbers")
            for value in values:
                check_number(value, f"{where}, prediction {number}: field {name!r}")
        category = row.get("category_id")
        if type(category) is not int or not 0 <= category < classes:
            raise ValueError(
                f"{where}, prediction {number}: field 'category_id': expected 0 to {classes - 1}, "
                f"got {_short(category)}"
            )
    return rows


def _short(value: Any) -> str:
    """A number or text, not a long one: Python refuses to print integers of thousands of digits."""
    if isinstance(value, int) and abs(value) > LARGEST:
        return "a large whole number"
    return repr(str(value)[:40])
