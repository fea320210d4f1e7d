"""The rows of a recording's file, whatever its form: line number and fields, the header first."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from d2ext.reading import open_file
from d2ext.xml_reading import XmlParser

#: A row's line in the file, and its fields as text.
Row = tuple[int, list[str]]

_CHUNK = 1 << 16  # bytes of XML parsed at once
_MAX_LINE = 1 << 23  # letters; a vehicle of pNEUMA can be long
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
            reader = csv.reader(_lines(file, path), delimiter=separator, skipinitialspace=True)
            for row in reader:
                if len(row) > 1 or (row and row[0].strip()):
                    yield reader.line_num, row
        except UnicodeDecodeError as error:
            raise ValueError(f"{path}: expected UTF-8 text, got bytes that are not") from error
        except csv.Error as error:
            raise ValueError(f"{path}:{reader.line_num}: expected fields with separators: {error}") from error


def _lines(file: TextIO, path: Path) -> Iterator[str]:
    for number, line in enumerate(iter(lambda: file.readline(_MAX_LINE), ""), start=1):
        if len(line) == _MAX_LINE:
            raise ValueError(f"{path}:{number}: expected lines of fewer than {_MAX_LINE} letters")
        yield line


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
            parser.feed(file.read(_CHUNK))
            yield from parser.rows()
    if not parser.names:
        yield 1, ["timestep_time"]


def xml_root(path: Path) -> str:
    """The name of the root element of a whole XML file without a document type.

    Raises:
        FileNotFoundError, ValueError: no such file.
    """
    parser = XmlParser(path)
    parser.read()
    return parser.root


class _FcdParser(XmlParser):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.names: list[str] = []
        self._rows: list[Row] = []
        self._time = ""

    def rows(self) -> list[Row]:
        """Those that were completed since the last call."""
        rows, self._rows = self._rows, []
        return rows

    def element(self, name: str, attributes: dict[str, str]) -> None:
        if self.root != _FCD_ROOT:
            self.fail(f"expected SUMO's <{_FCD_ROOT}>, got <{self.root[:40]}>")
        if name == "timestep":
            self._time = attributes.get("time", "")
        elif name == "vehicle":
            line = self.expat.CurrentLineNumber
            if not self.names:
                self.names = list(attributes)
                self._rows.append((line, ["timestep_time", *(f"vehicle_{name}" for name in self.names)]))
            self._rows.append((line, [self._time, *(attributes.get(name, "") for name in self.names)]))
