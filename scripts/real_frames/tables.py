"""The table as Markdown and JSON, and a log of how it changed."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path

from d2ext.evaluation import write_json
from d2ext.files import write_bytes
from d2ext.reading import read_text

from .frames import ROWS, Row

Figures = Mapping[str, Mapping[str, float]]  # key of a row -> title of a figure -> value

LOG_HEAD = [["date", "change", *(f"{row.key}" for row in ROWS)], ["---"] * (len(ROWS) + 2)]


def cell(figures: Mapping[str, float] | None) -> str:
    """The figures of a row in short: ``22.2 / 5.6``."""
    if figures is None:
        return "-"
    return " / ".join(f"{v:.2f}" if title.endswith("score") else f"{v:.1f}" for title, v in figures.items())


def markdown(rows: Sequence[Row], found: Figures, about: Mapping[str, str]) -> str:
    """The table, and below it what was evaluated."""
    lines = [["real frames", "figures", "found"], ["---"] * 3]
    for row in rows:
        figures = found.get(row.key)
        lines.append([row.title, " / ".join(figures or row.figures), cell(figures)])
    below = [f"- {name}: {value}" for name, value in about.items()]
    return "\n".join([*map(_line, lines), "", *below, ""])


def write_tables(folder: Path, rows: Sequence[Row], found: Figures, about: Mapping[str, str]) -> None:
    """Write ``real.md`` and ``real.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    write_bytes(folder / "real.md", markdown(rows, found, about).encode())
    write_json(folder / "real.json", {"about": dict(about), "figures": found})


def append_log(path: Path, note: str, found: Figures) -> None:
    """Add a line to a log, a Markdown table: date, change, figures; a new log gets its head.

    Raises:
        ValueError: the file is there and no such log.
    """
    head = "\n".join(map(_line, LOG_HEAD)) + "\n"
    text = read_text(path) if path.exists() else ""
    if text and head not in text:
        raise ValueError(f"{path}: expected a log with the columns {', '.join(LOG_HEAD[0])}"[:299])
    cells = [cell(found.get(row.key)) for row in ROWS]
    line = _line([datetime.date.today().isoformat(), " ".join(note.replace("|", "/").split()), *cells])
    write_bytes(path, f"{(text or head).rstrip()}\n{line}\n".encode())


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
