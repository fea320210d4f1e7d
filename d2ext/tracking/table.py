"""Rows of many tracks: arrays by name, chosen from and added to together."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

Table = dict[str, np.ndarray]


def select(table: Mapping[str, np.ndarray], rows: np.ndarray) -> Table:
    """The rows of a mask or of indices."""
    return {name: column[rows] for name, column in table.items()}


def join(first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]) -> Table:
    """The rows of both, which have the same columns."""
    return {name: np.concatenate([column, second[name]]) for name, column in first.items()}
