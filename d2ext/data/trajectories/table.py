"""Columns of a recording as arrays, in one pass over its file, with errors that name the row."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import NoReturn

import numpy as np

from .columns import ColumnMap
from .rows import Row, fcd_rows, pneuma_rows, text_rows

#: Rows that are turned into arrays at once. More lists alive than this start Python's garbage collector again
#: and again, which takes four times as long as the reading.
_BATCH = 1 << 8
#: Letters of the longest name of a vehicle or lane.
MAX_NAME = 200
#: No time, place or speed in any unit is greater.
MAX_NUMBER = 1e15
_NUMBER_LETTERS = frozenset("0123456789+-.eE \t")
_UNWRITABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")  # control letters, halves of letters
_SHOWN = 40  # letters of a field, and names of a header, in a message

#: Names of a column that holds names, sorted (T,), and the index into them of each row (N,).
Labels = tuple[np.ndarray, np.ndarray]


class Table:
    """A file of rows.

    Args:
        path: the file.
        columns: how it is read: reader, separator, headers and conditions.

    Raises:
        FileNotFoundError, ValueError: no such file; not of this form.
    """

    def __init__(self, path: Path, columns: ColumnMap) -> None:
        self.path = path
        self._source = _source(path, columns)
        line, first = next(self._source(), (1, []))
        self.header = [name.strip() for name in first]
        self._header_line = line
        self._first = 1  # the first row that holds data
        if columns.headers and columns.track_id not in self.header:
            lengths = sorted(columns.headers, key=len)
            self.header = list(next((h for h in lengths if len(h) >= len(first)), lengths[-1]))
            self._first = 0
        self._conditions = [self._condition(text) for text in columns.where]

    def require(self, names: Sequence[str]) -> None:
        """Raise ValueError where the header lacks one of the names, or has it twice."""
        for name in names:
            if self.header.count(name) > 1:
                self.fail(None, f"the column {name!r} twice in the header")
            if name not in self.header:
                found = ", ".join(name[:_SHOWN] for name in self.header[:10]) or "nothing"
                self.fail(None, f"no column {name!r} in the header: {found[:150]}")

    def read(self, numbers: Sequence[str], names: Sequence[str]) -> tuple[np.ndarray, list[Labels]]:
        """Columns of numbers, (N, ``numbers``) float64, and columns of names.

        Raises:
            ValueError: no rows; a field that is missing, no finite number, or too long (names line and
                column).
        """
        pick = itemgetter(*(self.header.index(name) for name in (*numbers, *names)))
        values: list[np.ndarray] = []
        indices: list[list[int]] = [[] for _ in names]
        known: list[dict[str, int]] = [{} for _ in names]
        rows = self._rows()
        while batch := list(islice(rows, _BATCH)):
            try:
                columns = list(zip(*(pick(fields) for _, fields in batch), strict=True))
                values.append(_floats(columns[: len(numbers)]))
            except (IndexError, ValueError):
                self._fail_at_fault(batch, numbers, names)
            for index, codes, column in zip(indices, known, columns[len(numbers) :], strict=True):
                stripped = list(map(str.strip, column))
                if any(map(name_fault, set(stripped))):
                    self._fail_at_fault(batch, numbers, names)
                index += [codes.setdefault(name, len(codes)) for name in stripped]
        if not values:
            raise ValueError(f"{self.path}: expected rows below the header")
        return np.concatenate(values), [_sorted(*pair) for pair in zip(known, indices, strict=True)]

    def fail(self, row: int | np.integer | None, message: str) -> NoReturn:
        """Raise ValueError at a row that was read, counted from 0, or at the header (None)."""
        line = self._header_line
        if row is not None:
            line = next(islice(self._rows(), int(row), None))[0]
        raise ValueError(f"{self.path}:{line}: {message}")

    def _rows(self) -> Iterator[Row]:
        """The rows of data that meet the conditions."""
        rows = islice(self._source(), self._first, None)
        if not self._conditions:
            return rows
        return (row for row in rows if all(met(row[1]) for met in self._conditions))

    def _condition(self, text: str) -> Callable[[list[str]], bool]:
        name, _, value = text.partition("=")
        equal = not name.endswith("!")
        name = name.removesuffix("!")
        self.require([name])
        column = self.header.index(name)
        return lambda fields: column < len(fields) and (fields[column].strip() == value) == equal

    def _fail_at_fault(self, batch: Sequence[Row], numbers: Sequence[str], names: Sequence[str]) -> NoReturn:
        """Raise at the first of some rows that lacks a field, or in which one is not what it must be."""
        for line, fields in batch:
            for name in (*numbers, *names):
                column = self.header.index(name)
                where = f"{self.path}:{line}: "
                if column >= len(fields):
                    raise ValueError(f"{where}no column {name!r}: the row has {len(fields)} fields")
                wrong = (number_fault if name in numbers else name_fault)(fields[column].strip())
                if wrong:
                    raise ValueError(f"{where}column {name!r}: expected {wrong}")
        raise AssertionError("no fault in the rows")


def _source(path: Path, columns: ColumnMap) -> Callable[[], Iterator[Row]]:
    if path.suffix.lower() == ".xml":
        return lambda: fcd_rows(path)
    reader = pneuma_rows if columns.reader == "pneuma" else text_rows
    return lambda: reader(path, columns.separator)


def _floats(columns: Sequence[Sequence[str]]) -> np.ndarray:
    """(N, columns).

    Raises:
        ValueError: a field is no decimal number, or too large a one.
    """
    # float() takes more than numbers as they are written in files: 0_0, digits of other scripts, nan.
    if not all(_NUMBER_LETTERS.issuperset("".join(column)) for column in columns):
        raise ValueError("letters")
    values = np.array([list(map(float, column)) for column in columns]).T
    if not (np.abs(values) <= MAX_NUMBER).all():
        raise ValueError("range")
    return values


def number_fault(field: str) -> str:
    """What is wrong with a field that is to hold a number, "" for nothing."""
    found = repr(field[:_SHOWN]) if field else "nothing"
    try:
        value = float(field)
    except ValueError:
        return f"a number, got {found}"
    if not np.isfinite(value):
        return f"a finite number, got {field[:_SHOWN]}"
    if abs(value) > MAX_NUMBER:
        return f"a number up to {MAX_NUMBER:g}, got {found}"
    return "" if _NUMBER_LETTERS.issuperset(field) else f"a number, got {found}"


def name_fault(field: str) -> str:
    """What is wrong with the name of a vehicle or lane, "" for nothing."""
    if not field:
        return "a name, got nothing"
    if len(field) > MAX_NAME:
        return f"a name of at most {MAX_NAME} letters, got {len(field)}"
    return f"a name, got {field[:_SHOWN]!r}" if _UNWRITABLE.search(field) else ""


def _sorted(known: dict[str, int], index: list[int]) -> Labels:
    names, place = np.unique(np.array(list(known), dtype=str), return_inverse=True)
    return names, place.reshape(-1)[np.array(index, np.int64)]
