"""Result tables: text for the log (tabulate's), flat names for Detectron2's results.

Not fvcore's or Detectron2's tables (``create_small_table``, ``print_csv_format``), which know one row only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from tabulate import tabulate

#: Columns that hold numbers of things.
COUNT_COLUMNS = (
    "sentences", "targets", "pairs", "TP", "FP", "FN", "evaluated", "left out",
    "IDSW", "Frag", "MT", "PT", "ML", "GT",
)  # fmt: skip
#: Columns that are not per cent.
OTHER_UNITS = (*COUNT_COLUMNS, "threshold", "fixed threshold")


class Printed(dict[str, float]):
    """Figures of a protocol that are in the log as a table: nobody need print them again."""


def format_table(title: str, table: Mapping[str, Mapping[str, float]], style: str = "simple") -> str:
    """Text of a table {row: {column: value}}; rows need not share their columns.

    Args:
        style: a format of tabulate, such as "html" (which escapes names).
    """
    columns = list(dict.fromkeys(column for row in table.values() for column in row))
    body = [[name, *(_cell(column, row.get(column)) for column in columns)] for name, row in table.items()]
    return tabulate(body, headers=[title, *columns], tablefmt=style, disable_numparse=True, stralign="right")


def flatten_table(table: Mapping[str, Mapping[str, float]], whole: str = "Overall") -> dict[str, float]:
    """{row: {column: value}} -> {"row/column": value}; the row ``whole`` comes first and without its name."""
    flat = dict(table.get(whole, {}))
    for name, row in table.items():
        if name != whole:
            flat |= {f"{name}/{column}": value for column, value in row.items()}
    return flat


def nest_table(flat: Mapping[str, float], whole: str = "Overall") -> dict[str, dict[str, float]]:
    """The table that :func:`flatten_table` made ``flat`` of."""
    table: dict[str, dict[str, float]] = {}
    for name, value in flat.items():
        row, _, column = name.rpartition("/")
        table.setdefault(row or whole, {})[column] = value
    return table


def _cell(column: str, value: float | None) -> str:
    if value is None or math.isnan(value):
        return "-"
    return f"{value:.0f}" if column in COUNT_COLUMNS else f"{value:.2f}"
