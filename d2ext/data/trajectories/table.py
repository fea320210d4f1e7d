"""Columns of a CSV file as arrays, fast, with errors that name the row."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np


class Table:
    """A CSV file with a header.

    Args:
        path: the file; UTF-8, commas.

    Raises:
        FileNotFoundError, ValueError: no such file; not UTF-8 text.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.header = next((row for _, row in self._rows()), [])

    def require(self, names: Sequence[str]) -> None:
        """Raise ValueError where the header lacks one of the names."""
        for name in names:
            if name not in self.header:
                self.fail(None, f"no column {name!r} in the header: {', '.join(self.header) or 'nothing'}")

    def numbers(self, names: Sequence[str]) -> np.ndarray:
        """(N, number of names) float64 columns.

        Raises:
            ValueError: no rows; a field that is missing or no finite number (names line and column).
        """
        if not next((True for i, _ in enumerate(self._rows()) if i == 1), False):
            raise ValueError(f"{self.path}: expected rows below the header")
        try:
            values = self._load(names, float)
        except ValueError:
            self._find_fault(names)
            raise
        if not np.isfinite(values).all():
            row, column = np.argwhere(~np.isfinite(values))[0]
            self.fail(row, f"column {names[column]!r}: expected a finite number, got {values[row, column]}")
        return values

    def labels(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """The different values of a column of numbers or names, sorted, as text (T,), and each row's index
        into them (N,)."""
        try:
            values, index = np.unique(self._load([name], float), return_inverse=True)
            if not np.isfinite(values).all():
                raise ValueError("a name that reads as a number that is none")
            whole = values == np.floor(values)
            texts = [
                str(int(v)) if w else str(v) for v, w in zip(values.tolist(), whole.tolist(), strict=True)
            ]
            return np.array(texts, dtype=str), index.reshape(-1)
        except ValueError:
            values, index = np.unique(self._load([name], str), return_inverse=True)
            index = index.reshape(-1)
            if (values == "").any():
                self.fail(
                    np.flatnonzero(values[index] == "")[0], f"column {name!r}: expected a name, got nothing"
                )
            return values, index

    def fail(self, row: int | np.integer | None, message: str) -> NoReturn:
        """Raise ValueError at a data row, counted from 0, or at the header (None)."""
        line = next(self._rows(), (1, []))[0] if row is None else self._line(int(row))
        raise ValueError(f"{self.path}:{line}: {message}")

    def _load(self, names: Sequence[str], dtype: Any) -> np.ndarray:
        columns = [self.header.index(name) for name in names]
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", message="Input line .* contained no data"
            )  # empty lines are fine
            return np.loadtxt(
                self.path, dtype, comments=None, delimiter=",", skiprows=1, usecols=columns, ndmin=2,
                encoding="utf-8-sig", quotechar='"',
            )  # fmt: skip

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        """Line numbers and fields of the rows that are not empty, header first."""
        try:
            with open(self.path, encoding="utf-8-sig", newline="") as file:
                reader = csv.reader(file)
                for row in reader:
                    if row:
                        yield reader.line_num, [field.strip() for field in row]
        except FileNotFoundError as error:
            raise FileNotFoundError(f"{self.path}: no such file") from error
        except UnicodeDecodeError as error:
            raise ValueError(f"{self.path}: expected UTF-8 text, got bytes that are not") from error

    def _line(self, row: int) -> int:
        return next(line for i, (line, _) in enumerate(self._rows()) if i == row + 1)

    def _find_fault(self, names: Sequence[str]) -> None:
        """Raise at the first field that is no number."""
        columns = [self.header.index(name) for name in names]
        for i, (line, fields) in enumerate(self._rows()):
            if i == 0:
                continue
            for name, column in zip(names, columns, strict=True):
                if column >= len(fields):
                    raise ValueError(
                        f"{self.path}:{line}: no column {name!r}: the row has {len(fields)} fields"
                    )
                try:
                    float(fields[column])
                except ValueError:
                    found = repr(fields[column][:40]) if fields[column] else "nothing"
                    raise ValueError(
                        f"{self.path}:{line}: column {name!r}: expected a number, got {found}"
                    ) from None
