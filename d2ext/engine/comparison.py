"""Runs of a project's train_net.py that are compared: each is done once, and a table of what they reach."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from d2ext.reading import one_line


class Column(NamedTuple):
    """A figure of ``inference/<dataset>/metrics.json`` in a run's folder, with its title."""

    title: str
    dataset: str
    section: str
    metric: str

    def read(self, folder: Path) -> float:
        """The metric out of the files of a run."""
        file = folder / metrics_file(self.dataset)
        return json.loads(file.read_text())[self.section][self.metric]


def metrics_file(dataset: str) -> str:
    """What an evaluation of ``dataset`` writes into its OUTPUT_DIR."""
    return f"inference/{dataset}/metrics.json"


def run_once(command: Sequence[str | Path], folder: Path, result: str, root: Path) -> None:
    """Run a Python script that writes the file ``result`` into its OUTPUT_DIR, which is made ``folder``.

    Nothing is done where that file is there. A script that fails ends this program with its status.

    Args:
        command: script and options; with ``--resume`` what was interrupted goes on.
        root: folder to run in.
    """
    if (folder / result).is_file():
        return
    arguments = [sys.executable, *map(str, command), "OUTPUT_DIR", str(folder)]
    status = subprocess.run(arguments, cwd=root).returncode
    if status:
        sys.exit(status)


def run_script(command: Sequence[str | Path]) -> str:
    """Run a Python script with its arguments, and wait for its end; what it prints is seen.

    Returns:
        "" where it succeeded, else its error in one line.
    """
    arguments = [sys.executable, *map(str, command)]
    last = ""
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True, errors="replace") as process:
        for line in process.stderr or ():
            sys.stderr.write(line)
            last = line.strip() or last
    if not process.returncode:
        return ""
    ended = f"{Path(command[0]).name} ended with status {process.returncode}"
    return one_line(last.removeprefix("error: ") if process.returncode > 0 and last else ended)


def markdown_table(first: str, rows: Mapping[str, Sequence[Path]], columns: Sequence[Column]) -> str:
    """Mean over the folders of a row and, from two up, standard deviation of every column.

    Args:
        first: title of the rows' names.
        rows: by name the folders of runs that differ in their seed only.
    """
    lines = [f"| {first} | " + " | ".join(c.title for c in columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for name, folders in rows.items():
        cells = []
        for column in columns:
            values = [column.read(folder) for folder in folders]
            spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
            cells.append(f"{statistics.mean(values):.1f}{spread}")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
