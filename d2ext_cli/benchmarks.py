"""Arguments that all benchmarks have."""

from __future__ import annotations

from pathlib import Path

from d2ext_cli import CommandParser, integer, output_folder

ROOT = Path(__file__).resolve().parents[1]


def timing_arguments() -> CommandParser:
    """A parent of parsers: how often things are timed, by which clock, and where the tables go."""
    parser = CommandParser(add_help=False)
    parser.add_argument("--repeats", type=integer(1), default=5, help="runs of which the median is taken")
    parser.add_argument("--cpu-time", action="store_true", help="processor time over threads, not wall time")
    parser.add_argument("--output", type=output_folder, default=ROOT / "output/bench")
    return parser
