#!/usr/bin/env python3
"""Times DiffusionDet3D's inference by steps and boxes, and the shares of encoder and decoder.

    .venv/bin/python projects/DiffusionDet3D/benchmark.py

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

DIFFUSION_CONFIG = ROOT / "configs/DiffusionDet3D/diffusion_r50_rope3d.yaml"


def build_parser() -> CommandParser:
    parser = CommandParser(__doc__, parents=[timing_arguments()])
    parser.add_argument(
        "--config",
        type=config_file,
        default=str(DIFFUSION_CONFIG),
        help="of a DiffusionDet3D; weights are random",
    )
    parser.add_argument("--steps", nargs="+", type=integer(1), default=[1, 2, 4, 8])
    parser.add_argument("--boxes", nargs="+", type=integer(1), default=[25, 50, 100, 300])
    parser.add_argument("--dtype", default="auto", help="TEST.DTYPE of the model")
    return parser


def main(args: argparse.Namespace) -> None:
    from d2ext.engine.benchmark import run_benchmark
    from d2ext.projects.diffusion_det3d.benchmark import run

    run_benchmark(run, args)


if __name__ == "__main__":
    run_command(build_parser(), main)
