#!/usr/bin/env python3
"""Times the parts that cost most and compares pairs of them in one run: `make bench`.

    .venv/bin/python scripts/benchmark.py parts

Every figure is the median of repeated runs; ratios are of things timed in turns. Every benchmark writes a
Markdown table, and a plot where there is a curve, to output/bench.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this checkout's modules, from any folder
from bench.arguments import BENCHMARKS, ROOT

from d2ext_cli import CommandParser, integer, output_folder, run_command


def build_parser() -> CommandParser:
    common = CommandParser(add_help=False)
    common.add_argument("--repeats", type=integer(1), default=5, help="runs of which the median is taken")
    common.add_argument("--cpu-time", action="store_true", help="processor time over threads, not wall time")
    common.add_argument("--output", type=output_folder, default=ROOT / "output/bench")
    parser = CommandParser(__doc__)
    commands = parser.add_subparsers(dest="name", required=True)
    for name, (what, add_arguments) in BENCHMARKS.items():
        add_arguments(commands.add_parser(name, parents=[common], help=what, description=what))
    return parser


def main(args: argparse.Namespace) -> None:
    benchmark = importlib.import_module(f"bench.{args.name}")
    from bench.report import Clock

    args.output.mkdir(parents=True, exist_ok=True)
    benchmark.run(args, Clock(args.repeats, args.cpu_time))


if __name__ == "__main__":
    run_command(build_parser(), main)
