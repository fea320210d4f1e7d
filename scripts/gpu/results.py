"""What was measured so far, as JSON and Markdown that are whole at every moment. Standard library only."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Table:
    """A table of text cells under a title."""

    title: str
    header: list[str]
    rows: list[list[str]] = field(default_factory=list)

    def markdown(self) -> str:
        lines = ["| " + " | ".join(self.header) + " |", "|---" * len(self.header) + "|"]
        lines += ["| " + " | ".join(row) + " |" for row in self.rows]
        return "\n".join([self.title, "", *lines, ""])


@dataclass
class Part:
    """What one part has found.

    Attributes:
        name: of the part.
        status: "running", "done", or why it ended otherwise.
        seconds: it took.
        machine: what only the part could see of the machine, such as the card's name.
        notes: a sentence each.
        tables: in the order they were begun.
        path: JSON file that is written anew at every change; None for none.
    """

    name: str
    status: str = "running"
    seconds: float = 0.0
    machine: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    path: Path | None = None

    def note(self, text: str) -> None:
        self.notes.append(text)
        print(text, flush=True)
        self.save()

    def table(self, title: str, *header: str) -> Table:
        """Begin a table."""
        self.tables.append(Table(title, list(header)))
        print(f"{title}\n  {', '.join(header)}", flush=True)
        return self.tables[-1]

    def row(self, *cells: object) -> None:
        """Add a row to the last table."""
        self.tables[-1].rows.append([str(cell) for cell in cells])
        print("  " + ", ".join(self.tables[-1].rows[-1]), flush=True)
        self.save()

    def save(self) -> None:
        if self.path is not None:
            write_whole(self.path, json.dumps(self.content()))

    def content(self) -> dict[str, Any]:
        """The part without its path, as plain containers."""
        return {key: value for key, value in asdict(self).items() if key != "path"}

    @classmethod
    def load(cls, path: Path) -> Part:
        """A part that :meth:`save` has written."""
        content = json.loads(path.read_text())
        return cls(**content | {"tables": [Table(**table) for table in content["tables"]]})

    def markdown(self) -> str:
        lines = [f"## {self.name}", "", f"{self.status}, {self.seconds:.0f} s", ""]
        lines += [f"- {note}" for note in self.notes]
        return "\n".join([*lines, *[""] * bool(self.notes), *(table.markdown() for table in self.tables)])


@dataclass
class Report:
    """All parts and what they were run with, in the folder ``output``."""

    output: Path
    about: dict[str, str]
    parts: list[Part] = field(default_factory=list)

    def save(self) -> None:
        """Write gpu_check.json and gpu_check.md."""
        about = dict(self.about)
        for part in self.parts:
            about |= part.machine
        content = {"about": about, "parts": [part.content() for part in self.parts]}
        write_whole(self.output / "gpu_check.json", json.dumps(content, indent=1, ensure_ascii=False) + "\n")
        head = ["# gpu_check", "", *(f"- {key}: {value}" for key, value in about.items()), ""]
        write_whole(self.output / "gpu_check.md", "\n".join([*head, *(p.markdown() for p in self.parts)]))


def write_whole(path: Path, text: str) -> None:
    """Write a file so that a reader, or whoever cuts the power, finds the old text or the new one."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text)
    os.replace(temporary, path)
