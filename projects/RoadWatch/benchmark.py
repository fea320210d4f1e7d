#!/usr/bin/env python3
"""Times the parts of the chain on one clip, and measures its memory over hours of simulated traffic.

    .venv/bin/python projects/RoadWatch/benchmark.py --clips datasets/watched --cpu-time
    .venv/bin/python projects/RoadWatch/benchmark.py --hours 1

Every figure is the median of repeated runs. Tables as Markdown are written to output/bench.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # this checkout's modules, from any folder
from d2ext_cli import CommandParser, config_file, existing_folder, number, run_command
from d2ext_cli.benchmarks import ROOT, timing_arguments

CONFIG = ROOT / "configs/RoadWatch/road_watch_synthroad.yaml"


def build_parser() -> CommandParser:
    parser = CommandParser(__doc__, parents=[timing_arguments()])
    parser.add_argument("--config", type=config_file, default=str(CONFIG), help="of the chain")
    parser.add_argument("--clips", type=existing_folder, help="root of clips: times the parts on the first")
    parser.add_argument("--hours", type=number(above=0), help="of simulated traffic, for the memory")
    parser.add_check(check_parts)
    return parser


def check_parts(args: argparse.Namespace) -> None:
    """Raises ValueError where there is nothing to do."""
    if args.clips is None and args.hours is None:
        raise ValueError("expected --clips DIR or --hours N")


def main(args: argparse.Namespace) -> None:
    from d2ext.engine.benchmark import run_benchmark
    from d2ext.projects.road_watch.benchmark import run

    run_benchmark(run, args)


if __name__ == "__main__":
    run_command(build_parser(), main)
