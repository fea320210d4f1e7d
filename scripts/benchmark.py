#!/usr/bin/env python3
"""Times the layers that cost most: exact 3D IoU, the state-space scan, the reading of boxes from maps; or
SynthRoad's pictures or clips, on one core; or the tracker.

    .venv/bin/python scripts/benchmark.py
    .venv/bin/python scripts/benchmark.py synthroad --cpu-time

Every figure is the median of repeated runs; ratios are of things timed in turns. Tables as Markdown, and
plots of curves, are written to output/bench.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this checkout's modules, from any folder
from d2ext_cli import CommandParser, run_command
from d2ext_cli.benchmarks import timing_arguments

PARTS = ("parts", "synthroad", "synthroad_video", "tracking")


def build_parser() -> CommandParser:
    parser = CommandParser(__doc__, parents=[timing_arguments()])
    parser.add_argument("what", nargs="?", choices=PARTS, default="parts", help="is timed")
    return parser


def main(args: argparse.Namespace) -> None:
    from importlib import import_module

    from d2ext.engine.benchmark import run_benchmark

    run_benchmark(import_module(f"bench.{args.what}").run, args)


if __name__ == "__main__":
    run_command(build_parser(), main)
