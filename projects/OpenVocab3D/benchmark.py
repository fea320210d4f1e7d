#!/usr/bin/env python3
"""Times OpenVocab3D's inference by the number of prompts.

    .venv/bin/python projects/OpenVocab3D/benchmark.py

Every figure is the median of repeated runs, in turns. The table is written to output/bench.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # this checkout's modules, from any folder
from d2ext_cli import CommandParser, config_file, integer, run_command
from d2ext_cli.benchmarks import ROOT, timing_arguments

CONFIG = ROOT / "configs/OpenVocab3D/openvocab_tiny_synthroad.yaml"


def build_parser() -> CommandParser:
    parser = CommandParser(__doc__, parents=[timing_arguments()])
    parser.add_argument("--config", type=config_file, default=str(CONFIG), help="weights are random")
    parser.add_argument("--prompts", nargs="+", type=integer(1), default=[1, 20, 200])
    parser.add_argument("--steps", type=integer(1), default=1)
    parser.add_argument("--dtype", default="float32", help="TEST.DTYPE of the model")
    return parser


def main(args: argparse.Namespace) -> None:
    from d2ext.engine.benchmark import run_benchmark
    from d2ext.projects.open_vocab3d.benchmark import run

    run_benchmark(run, args)


if __name__ == "__main__":
    run_command(build_parser(), main)
