#!/usr/bin/env python3
"""Times SceneSana: linear against softmax attention by tokens, networks, and autoencoders.

    .venv/bin/python projects/SceneSana/benchmark.py --cpu-time

Every figure is the median of repeated runs; ratios are of things timed in turns. Tables as Markdown are
written to output/bench.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # this checkout's modules, from any folder
from d2ext_cli import CommandParser, integer, run_command
from d2ext_cli.benchmarks import timing_arguments


def build_parser() -> CommandParser:
    parser = CommandParser(__doc__, parents=[timing_arguments()])
    parser.add_argument("--tokens", nargs="+", type=integer(1), default=[128, 512, 2048, 8192])
    parser.add_argument("--size", type=integer(32), nargs=2, default=(128, 256), metavar=("HEIGHT", "WIDTH"))
    return parser


def main(args: argparse.Namespace) -> None:
    from d2ext.engine.benchmark import run_benchmark
    from d2ext.projects.scene_sana.benchmark import run

    run_benchmark(run, args)


if __name__ == "__main__":
    run_command(build_parser(), main)
