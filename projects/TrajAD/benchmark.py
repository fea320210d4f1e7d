#!/usr/bin/env python3
"""Times TrajAD: latency per graph, attention by tokens, streaming by new columns.

    .venv/bin/python projects/TrajAD/benchmark.py

Every figure is the median of repeated runs; ratios are of things timed in turns. Tables as Markdown, and
plots of curves, are written to output/bench.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # this checkout's modules, from any folder
from d2ext_cli import CommandParser, config_file, integer, run_command
from d2ext_cli.benchmarks import ROOT, timing_arguments

TRAJAD_CONFIG = ROOT / "configs/TrajAD/trajad_synthtraffic.yaml"


def build_parser() -> CommandParser:
    parser = CommandParser(__doc__, parents=[timing_arguments()])
    parser.add_argument("--config-file", type=config_file, default=str(TRAJAD_CONFIG))
    parser.add_argument("--dtype", default="auto", help="TEST.DTYPE of the model")
    parser.add_argument("--widths", nargs="+", type=integer(1), default=[256, 512, 1024], help="columns")
    parser.add_argument("--tokens", nargs="+", type=integer(1), default=[1024, 4096, 16384, 65536])
    parser.add_argument(
        "--softmax-tokens", type=integer(1), default=65536, help="most tokens of softmax attention"
    )
    parser.add_argument("--steps", nargs="+", type=integer(1), default=[4, 16, 64, 256], help="new columns")
    return parser


def main(args: argparse.Namespace) -> None:
    from d2ext.engine.benchmark import run_benchmark
    from d2ext.projects.trajad.benchmark import run

    run_benchmark(run, args)


if __name__ == "__main__":
    run_command(build_parser(), main)
