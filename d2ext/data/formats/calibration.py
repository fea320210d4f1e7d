"""What a camera is calibrated from, out of files: points, lane lines, boxes of vehicles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from d2ext.data.formats.kitti import LABEL_LIMITS, parse_floats, read_labels
from d2ext.data.formats.rows import BrokenRows
from d2ext.reading import clear_errors, parse_json, read_bytes, read_text, require
from d2ext.structures.calibration.geography import east_north
from d2ext.structures.calibration.lanes import LaneLine
from d2ext.structures.vocabulary import ROAD

_PLACES = ("u", "v")
#: Other names of columns.
_NAMES = {
    "east": "x", "north": "y", "up": "z", "latitude": "lat", "longitude": "lon", "lng": "lon", "long": "lon",
    "altitude": "z", "alt": "z", "height": "z", "elevation": "z",
}  # fmt: skip
#: Of label rows: how much may be cut or hidden.
_MOST_CUT, _MOST_HIDDEN = 0.05, 1


@clear_errors
def read_points(path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """Points of the road from a table with a header: u, v in pixels; x, y and perhaps z in metres, x to the
    right of y seen from above; or lat, lon in degrees and perhaps alt in metres.

    Returns:
        pixels (N, 2), and positions (N, 2) or (N, 3) in metres.

    Raises:
        FileNotFoundError, ValueError: no such file, column or number; names file and line.
    """
    columns = _read_table(Path(path))
    degrees = {"lat", "lon"} <= columns.keys()
    if not degrees and not {"x", "y"} <= columns.keys():
        raise ValueError(
            f"{path}:1: expected the columns u, v and x, y[, z] (metres) or lat, lon[, alt], "
            f"got {_list(columns)}"
        )
    try:
        flat = east_north(columns["lat"], columns["lon"]) if degrees else np.c_[columns["x"], columns["y"]]
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return np.c_[columns["u"], columns["v"]], np.c_[flat, columns["z"]] if "z" in columns else flat


@clear_errors
def read_lanes(path: str | Path) -> list[LaneLine]:
    """Lane lines from a table with a header: offset (metres of the line to the right of the first), u, v
    (pixels on it), and perhaps along (metres along the line, where the point is a mark such as the beginning
    of a dash; else empty).

    Raises:
        FileNotFoundError, ValueError: no such file, column or number; names file and line.
    """
    columns = _read_table(Path(path), ("offset",), ("along",))
    pixels, along = (
        np.c_[columns["u"], columns["v"]],
        columns.get("along", np.full(len(columns["u"]), np.nan)),
    )
    lines = []
    for offset in np.unique(columns["offset"]):
        mine = columns["offset"] == offset
        marked = mine & np.isfinite(along)
        lines.append(LaneLine(pixels[mine], float(offset), pixels[marked], along[marked]))
    return lines


def _read_table(path: Path, more: Sequence[str] = (), gaps: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """Columns of numbers by their names in lower case; those of ``gaps`` may have empty cells, which are NaN.
    Fields are separated by commas, semicolons, tabs or blanks."""
    lines = [(number, line) for number, line in enumerate(read_text(path).splitlines(), 1) if line.strip()]
    if not lines:
        raise ValueError(f"{path}: expected a table with a header, got an empty file")
    mark = next((mark for mark in ",;\t" if mark in lines[0][1]), None)
    rows = [(number, [cell.strip(" \"'") for cell in line.split(mark)]) for number, line in lines]
    names = [_NAMES.get(cell.lower(), cell.lower()) for cell in rows[0][1]]
    missing = [name for name in (*_PLACES, *more) if name not in names]
    if missing or len(set(names)) < len(names):
        expected = ", ".join((*_PLACES, *more))
        raise ValueError(
            f"{path}:{rows[0][0]}: expected a header with the columns {expected}, got {_list(names)}"
        )
    values = [_row(cells, names, gaps, f"{path}:{number}") for number, cells in rows[1:]]
    if not values:
        raise ValueError(f"{path}: expected rows below the header")
    return dict(zip(names, np.array(values).T, strict=True))


def _row(cells: Sequence[str], names: Sequence[str], gaps: Sequence[str], where: str) -> np.ndarray:
    if len(cells) != len(names):
        raise ValueError(f"{where}: expected {len(names)} fields ({_list(names)}), got {len(cells)}")
    filled = [i for i, cell in enumerate(cells) if cell or names[i] not in gaps]
    row = np.full(len(names), np.nan)
    row[filled] = parse_floats([cells[i] for i in filled], [names[i] for i in filled], where)
    return row


@clear_errors
def read_vehicles(path: str | Path, least_score: float = 0.0) -> tuple[list[str], np.ndarray]:
    """Classes and 2D boxes (N, 4) of road users, from JSON or JSON lines as the demos write them, or from a
    folder of label files in KITTI's layout, of which cut and hidden objects are left out.

    Raises:
        FileNotFoundError, ValueError: no such file; a row that is wrong; no box at all.
    """
    path = Path(path)
    found = _boxes_of_labels(path) if path.is_dir() else _boxes_of_json(path, least_score)
    if not found:
        raise ValueError(f"{path}: expected boxes of vehicles, found none")
    unique = list(dict.fromkeys(found))  # an object that several sentences name
    return [name for name, _ in unique], np.array([box for _, box in unique])


def _boxes_of_labels(folder: Path) -> list[tuple[str, tuple[float, ...]]]:
    files = sorted(folder.glob("*.txt"))
    if not files:
        raise FileNotFoundError(f"{folder}: expected a folder of label files (.txt)")
    rows = [row for file in files for row in read_labels(file, BrokenRows(False))]
    return [
        (ROAD.names[row["category_id"]], tuple(row["bbox"]))
        for row in rows
        if row["truncated"] <= _MOST_CUT and row["occluded"] <= _MOST_HIDDEN
    ]


def _boxes_of_json(path: Path, least_score: float) -> list[tuple[str, tuple[float, ...]]]:
    data = read_bytes(path)
    lines = [(f"{path}:{number}", line) for number, line in enumerate(data.split(b"\n"), 1) if line.strip()]
    if not lines or lines[0][1].strip() in (b"{", b"["):
        lines = [(str(path), data)]  # JSON over many lines
    rows = [(where, parse_json(line, where)) for where, line in lines]
    return [box for where, row in rows for box in _boxes_of_row(row, where, least_score)]


def _boxes_of_row(row: Any, where: str, least_score: float) -> list[tuple[str, tuple[float, ...]]]:
    if isinstance(row, Mapping) and "error" in row:
        return []
    if isinstance(row, Mapping) and "sentences" in row:
        groups = [require(item, "objects", list, where) for item in require(row, "sentences", list, where)]
        objects = [item for group in groups for item in group]
    else:
        objects = require(row, "objects", list, where)
    found = []
    for item in objects:
        box = require(item, "bbox", list, where)
        numbers = parse_floats([str(value) for value in box], ("x1", "y1", "x2", "y2"), where)
        if len(numbers) != 4 or max(map(abs, numbers)) > LABEL_LIMITS[3]:
            raise ValueError(f"{where}: field 'bbox': expected x1, y1, x2, y2 in pixels, got {str(box)[:60]}")
        if item.get("score", 1.0) >= least_score:
            found.append((require(item, "class", str, where).lower(), tuple(numbers)))
    return found


def _list(names: Any) -> str:
    return ", ".join(str(name)[:20] for name in names)[:80]
