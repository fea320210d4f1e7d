"""The rows of a recording's file, whatever its form: line number and fields, the header first."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO
from xml.parsers import expat

from d2ext.reading import open_file

#: A row's line in the file, and its fields as text.
Row = tuple[int, list[str]]

_CHUNK = 1 << 16  # bytes of XML parsed at once
_SEPARATORS = (";", ",", "\t")
_FCD_ROOT = "fcd-export"
_PNEUMA_HEAD, _PNEUMA_STEP = 4, 6  # fields of a vehicle, and of each moment after them


def text_rows(path: Path, separator: str) -> Iterator[Row]:
    """Rows of a text file with separators, without empty lines.

    Args:
        separator: between fields; "" takes what the first line has.

    Raises:
        FileNotFoundError, ValueError: no such file; not UTF-8 text; a field that is too long.
    """
    with io.TextIOWrapper(open_file(path), encoding="utf-8-sig", newline="") as file:
        try:
            separator = separator or _find_separator(file)
            file.seek(0)
            reader = csv.reader(file, delimiter=separator, skipinitialspace=True)
            for row in reader:
                if len(row) > 1 or (row and row[0].strip()):
                    yield reader.line_num, row
        except UnicodeDecodeError as error:
            raise ValueError(f"{path}: expected UTF-8 text, got bytes that are not") from error
        except csv.Error as error:
            raise ValueError(f"{path}:{reader.line_num}: expected fields with separators: {error}") from error


def _find_separator(file: TextIO) -> str:
    """What separates the fields of the first line that is not empty."""
    line = "\n"
    while line and not line.strip():
        line = file.readline(_CHUNK)
    return next((separator for separator in _SEPARATORS if separator in line), " ")


def pneuma_rows(path: Path, separator: str) -> Iterator[Row]:
    """Rows of a pNEUMA file, in which a line is a vehicle: four fields about it, then six for each moment."""
    for number, row in text_rows(path, separator):
        fields = [field.strip() for field in row]
        if fields and not fields[-1]:
            fields.pop()  # lines end with a separator
        steps, rest = divmod(len(fields) - _PNEUMA_HEAD, _PNEUMA_STEP)
        if rest or steps < 1:
            raise ValueError(f"{path}:{number}: expected 4 fields and 6 for each moment, got {len(fields)}")
        for start in range(_PNEUMA_HEAD, len(fields), _PNEUMA_STEP):
            yield number, fields[:_PNEUMA_HEAD] + fields[start : start + _PNEUMA_STEP]


def fcd_rows(path: Path) -> Iterator[Row]:
    """Rows of SUMO's FCD output: ``timestep_time`` and the attributes of each vehicle, ``vehicle_`` before
    their names. Read in a stream; a file with a document type, which could hold entities, is refused.

    Raises:
        FileNotFoundError, ValueError: no such file; no FCD output.
    """
    parser = _FcdParser(path)
    with open_file(path) as file:
        while not parser.done:
            yield from parser.feed(file.read(_CHUNK))


class _FcdParser:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.done = False
        self._rows: list[Row] = []
        self._names: list[str] = []
        self._time = ""
        self._fault = ""
        self._root = True
        self._expat = expat.ParserCreate()
        self._expat.StartElementHandler = self._start
        self._expat.StartDoctypeDeclHandler = self._doctype

    def feed(self, data: bytes) -> list[Row]:
        """The rows that ``data`` completes; no data: the end of the file."""
        try:
            self._expat.Parse(data, not data)
        except expat.ExpatError as error:
            self._fail(error.lineno, f"expected XML: {expat.ErrorString(error.code)}")
        except (ValueError, LookupError) as error:  # an encoding that is unknown or not supported
            self._fail(self._expat.CurrentLineNumber, f"expected XML in UTF-8: {str(error)[:60]}")
        self.done = not data
        if self.done and not self._names:
            self._rows.append((1, ["timestep_time"]))
        rows, self._rows = self._rows, []
        return rows

    def _fail(self, line: int, message: str) -> None:
        raise ValueError(f"{self._fault or f'{self.path}:{line}: {message}'}")

    def _doctype(self, *_: object) -> None:
        self._fault = f"{self.path}: has a document type, expected XML without one"
        raise ValueError

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if self._root and name != _FCD_ROOT:
            self._fault = f"{self.path}: expected SUMO's <{_FCD_ROOT}>, got <{name[:40]}>"
            raise ValueError
        self._root = False
        if name == "timestep":
            self._time = attributes.get("time", "")
        elif name == "vehicle":
            line = self._expat.CurrentLineNumber
            if not self._names:
                self._names = list(attributes)
                self._rows.append((line, ["timestep_time", *(f"vehicle_{name}" for name in self._names)]))
            self._rows.append((line, [self._time, *(attributes.get(name, "") for name in self._names)]))
