#!/usr/bin/env python3
"""Compute the figures of the model zoo anew and compare them with those that d2ext/zoo.yaml tells.

    .venv/bin/python scripts/check_zoo.py
    .venv/bin/python scripts/check_zoo.py --only trajad/small_quarter

Of each model it makes the scenes that its figures are of, where they are not there, evaluates the weights on
them in float32, and prints a table. The exit status is 1 where a figure is not told or differs by more than
the model's tolerance. --output keeps scenes and evaluations: started again, it does only what is missing.

--write puts what was found into the file, with date and commit; --sums only the hashes of weights that are
others now. --list says what is measured, and how.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this checkout's modules, from any folder
from d2ext_cli import CommandParser, output_folder, run_command
from d2ext_cli.shipped import CONFIGS, RESOURCES, SHIPPED
from d2ext_cli.zoo import PREFIX, ZOO, find_model, models, project_of, read_zoo

ROOT = Path(__file__).resolve().parents[1]
Entry = dict[str, Any]
DIGITS = 1  # of a figure in the file


class Row(NamedTuple):
    """A figure as the file tells it, None where it does not yet, and as it was found."""

    figure: str
    told: float | None
    found: float
    tolerance: float
    holds: bool


def build_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    parser.add_argument("--only", nargs="+", type=model_name, metavar="NAME", help="of the zoo (default all)")
    parser.add_argument(
        "--output", type=output_folder, default=ROOT / "output/zoo", help="scenes and results"
    )
    parser.add_argument("--workers", type=int, default=2, help="processes that make scenes (default 2)")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--list", action="store_true", help="say what would be measured")
    what.add_argument("--write", action="store_true", help="write figures, hashes, date and commit")
    what.add_argument("--sums", action="store_true", help="write the hashes of the weights only")
    return parser


def model_name(text: str) -> str:
    """A name of the zoo."""
    try:
        return find_model(text)[0]
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def main(args: argparse.Namespace) -> None:
    from tabulate import tabulate

    names = [name for name in args.only or models() if models()[name].get("figures")]
    if args.list:
        print("\n".join(line for name in names for line in plan(name, models()[name], args)))
        return
    if args.write or args.sums:
        write_sums()
    if args.sums:
        return
    rows: list[Row] = []
    for name in names:
        found = measure(name, models()[name], args)
        if args.write:
            write_figures(name, found)
        rows += compare(name, models()[name], found)
    print(tabulate(rows, headers=Row._fields, tablefmt="github", floatfmt=f".{DIGITS}f", missingval="-"))
    wrong = [row.figure for row in rows if not row.holds]
    if wrong:
        raise ValueError(f"{len(wrong)} of {len(rows)} figures do not hold: {', '.join(wrong)}"[:299])


def measure(name: str, entry: Entry, args: argparse.Namespace) -> dict[str, float]:
    """The figures of a model by their names, from its evaluation in ``args.output``.

    Raises:
        ValueError: a command failed, or did not measure what a figure is to be.
    """
    from d2ext.engine import Column

    datasets = scenes_folder(entry, args.output)
    for words in scenes(entry, args):
        run(words, datasets)
    found: dict[str, float] = {}
    for options, figures in by_options(entry).items():
        folder = evaluation_folder(name, entry, args.output, options)
        columns = [Column(f["name"], f["dataset"], f["section"], f["metric"]) for f in figures]
        if not all(has(column, folder) for column in columns):
            run(evaluation(name, entry, args, options), datasets)
        try:
            found |= {column.title: column.read(folder) for column in columns}
        except KeyError as error:
            raise ValueError(f"{ZOO}: {name}: no metric {error} in {folder}") from None
    return found


def by_options(entry: Entry) -> dict[str, list[dict[str, Any]]]:
    """The figures of each evaluation."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for figure in entry["figures"]:
        groups.setdefault(figure.get("options", ""), []).append(figure)
    return groups


def has(column: Any, folder: Path) -> bool:
    """Whether a figure was measured before."""
    try:
        column.read(folder)
    except FileNotFoundError:
        return False
    return True


def scenes(entry: Entry, args: argparse.Namespace) -> Iterator[list[str]]:
    """Commands that make what is measured on."""
    datasets = scenes_folder(entry, args.output)
    for command in entry["scenes"]:
        words = shlex.split(command.format(datasets=datasets))
        if words[0].endswith(".py"):
            yield [sys.executable, str(SHIPPED / words[0]), *words[1:]]
        else:
            yield [sys.executable, "-m", *words, "--workers", str(args.workers)]


def evaluation(name: str, entry: Entry, args: argparse.Namespace, options: str) -> list[str]:
    """The command that measures the figures with these options."""
    tests = tuple(dict.fromkeys(figure["dataset"] for figure in by_options(entry)[options]))
    script = SHIPPED / "projects" / project_of(entry) / "train_net.py"
    words = [sys.executable, str(script), "--config-file", str(SHIPPED / CONFIGS / entry["config"])]
    folder = evaluation_folder(name, entry, args.output, options)
    words += ["--eval-only", "MODEL.WEIGHTS", PREFIX + name, "DATASETS.TEST", str(tests)]
    return [*words, "TEST.DTYPE", "float32", *shlex.split(options), "OUTPUT_DIR", str(folder)]


def scenes_folder(entry: Entry, output: Path) -> Path:
    """Of the scenes of a model: models that have the same share them."""
    return output.resolve() / "datasets" / digest("\n".join(entry["scenes"]).encode())[:8]


def evaluation_folder(name: str, entry: Entry, output: Path, options: str) -> Path:
    """Of the evaluation of these very weights with these options."""
    folder = output.resolve() / name.replace("/", "-") / str(entry["sha256"])[:8]
    return folder / digest(options.encode())[:8] if options else folder


def run(words: list[str], datasets: Path) -> None:
    """Raises ValueError: the command failed."""
    print(f"$ DETECTRON2_DATASETS={datasets} {shlex.join(words)}", flush=True)
    environment = os.environ | {"DETECTRON2_DATASETS": str(datasets)}
    status = subprocess.run(words, env=environment).returncode
    if status:
        raise ValueError(f"{shlex.join(words)[:200]} ended with status {status}")


def plan(name: str, entry: Entry, args: argparse.Namespace) -> Iterator[str]:
    """What is measured, in lines."""
    yield f"{name}: {', '.join(figure['name'] for figure in entry['figures'])}"
    for words in scenes(entry, args):
        yield f"  {shlex.join(words)}"
    for options in by_options(entry):
        yield f"  {shlex.join(evaluation(name, entry, args, options))}"


def compare(name: str, entry: Entry, found: Mapping[str, float]) -> Iterator[Row]:
    """A row of the table for each figure."""
    for figure in entry["figures"]:
        told, value, tolerance = figure["value"], found[figure["name"]], float(entry["tolerance"])
        # what is told was rounded
        holds = told is not None and abs(value - told) <= tolerance + 0.5 * 10**-DIGITS
        yield Row(f"{name}: {figure['name']}", told, value, tolerance, holds)


def write_sums() -> None:
    """Write the hashes of all weights that are here."""
    for name, entry in read_zoo().items():
        paths = [top / entry["weights"] for top in (SHIPPED, RESOURCES) if "weights" in entry]
        for path in filter(Path.is_file, paths):
            rewrite(name, {"sha256": digest(path.read_bytes())}, {})
            break


def write_figures(name: str, found: Mapping[str, float]) -> None:
    """Write what was measured, with today's date and this commit."""
    git = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(git, capture_output=True, text=True).stdout.strip()
    rewrite(name, {"date": date.today().isoformat(), "commit": f'"{commit}"'}, found)


def rewrite(name: str, values: Mapping[str, str], figures: Mapping[str, float]) -> None:
    """Write an entry's values into the file, whose comments and form stay."""
    from d2ext.files import write_bytes

    write_bytes(ZOO, rewritten(ZOO.read_text(encoding="utf-8"), name, values, figures).encode())


def rewritten(text: str, name: str, values: Mapping[str, str], figures: Mapping[str, float]) -> str:
    """The file's text with other values of keys, and of figures by their names, in one entry."""
    lines, inside = text.splitlines(), False
    for i, line in enumerate(lines):
        if line[:1] not in ("", " ", "#"):
            inside = line.rstrip(":") == name
        if not inside:
            continue
        key = re.match(r"  (\w+): ", line)
        if key and key[1] in values:
            lines[i] = f"  {key[1]}: {values[key[1]]}"
        figure = re.match(r"    - \{name: (\"[^\"]*\"|[^,]*), ", line)
        if figure and (title := figure[1].strip('"')) in figures:
            lines[i] = re.sub(r"value: [^,}]+", f"value: {figures[title]:.{DIGITS}f}", line)
    return "\n".join(lines) + "\n"


def digest(data: bytes) -> str:
    """SHA-256."""
    return hashlib.sha256(data).hexdigest()


if __name__ == "__main__":
    run_command(build_parser(), main)
