#!/usr/bin/env python3
"""Times the parts that cost most and compares pairs of them in one run: `make bench`.

Every figure is the median of repeated runs; ratios are of things timed in turns. Every benchmark writes a
Markdown table, and a plot where there is a curve, to output/bench.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import d2ext  # noqa: F401  (first: registers models and silences import-time warnings)

# isort: split
from bench import diffusion, fusion, parts, training, trajad, u2enet
from bench.report import Clock

from d2ext.engine import one_line_errors

ROOT = Path(__file__).resolve().parents[1]
BENCHMARKS = {
    "parts": parts,
    "u2enet": u2enet,
    "fusion": fusion,
    "training": training,
    "diffusion": diffusion,
    "trajad": trajad,
}


def main() -> None:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--repeats", type=int, default=5, help="runs of which the median is taken")
    common.add_argument("--cpu-time", action="store_true", help="processor time over threads, not wall time")
    common.add_argument("--output", type=Path, default=ROOT / "output/bench")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="name", required=True)
    for name, module in BENCHMARKS.items():
        command = commands.add_parser(name, parents=[common], help=module.__doc__, description=module.__doc__)
        module.add_arguments(command)
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    with one_line_errors():
        BENCHMARKS[args.name].run(args, Clock(args.repeats, args.cpu_time))


if __name__ == "__main__":
    main()
