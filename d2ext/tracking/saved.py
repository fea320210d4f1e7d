"""A tracker's state as bytes: NumPy's format for arrays, with the settings as JSON. Nothing runs as code."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import numpy as np

from .table import Table

_FORMAT = 1
_COLUMN = "table_"


def pack(about: dict[str, Any], time: float, table: Table) -> bytes:
    """Bytes of settings and counters (as JSON has them), a time and a table; the same for the same."""
    file = io.BytesIO()
    arrays: dict[str, Any] = {f"{_COLUMN}{name}": column for name, column in table.items()}
    text = np.frombuffer(json.dumps({"format": _FORMAT, **about}).encode(), np.uint8)
    np.savez(file, about=text, time=np.float64(time), **arrays)
    return file.getvalue()


def unpack(data: bytes) -> tuple[dict[str, Any], float, Table]:
    """The inverse of :func:`pack`.

    Raises:
        ValueError: other bytes.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        about = json.loads(bytes(arrays["about"]))
        if about["format"] != _FORMAT:
            raise ValueError(f"format {about['format']}, expected {_FORMAT}")
        table = {name[len(_COLUMN) :]: a for name, a in arrays.items() if name.startswith(_COLUMN)}
        return about, float(arrays["time"]), table
    except (KeyError, TypeError, AttributeError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(str(error) or type(error).__name__) from None
