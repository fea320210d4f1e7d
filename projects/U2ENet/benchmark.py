#!/usr/bin/env python3
"""Times U2ENet and its parts, and compares pairs of them in one run.

    .venv/bin/python projects/U2ENet/benchmark.py inference

Every figure is the median of repeated runs; ratios are of things timed in turns. Every benchmark writes a
Markdown table, and a plot where there is a curve, to output/bench.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # this checkout's modules, from any folder
from d2ext_cli import CommandParser, existing_folder, integer, run_command
from d2ext_cli.benchmarks import timing_arguments

#: Of the full-size models.
CONFIGS = ("mono3drefer", "monomulti3d")


def inference(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--configs", nargs="+", choices=CONFIGS, default=CONFIGS, metavar="CONFIG")
    parser.add_argument("--sentences", nargs="+", type=integer(1), default=[1, 3, 20], metavar="K")
    parser.add_argument(
        "--batch", nargs="+", type=integer(1), default=[1, 8], metavar="B", help="images at a time"
    )
    parser.add_argument(
        "--text",
        type=existing_folder,
        help="folder with RoBERTa-base's tokenizer and config; default: a stand-in",
    )
    parser.add_argument("--dtype", default="auto", help="TEST.DTYPE of the model")
    parser.add_argument("--compile", action="store_true", help="with torch.compile")


def fusion(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--pixels", nargs="+", type=integer(1), default=[3840, 7680, 15360, 30720, 61440, 122880]
    )
    parser.add_argument("--words", nargs="+", type=integer(1), default=[16, 32, 64, 128, 256, 512])
    parser.add_argument("--fixed", nargs=2, type=integer(1), default=[30720, 64], metavar=("PIXELS", "WORDS"))


def training(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sentences", nargs="+", type=integer(1), default=[1, 3, 10, 20], metavar="K")
    parser.add_argument("--workers", nargs="+", type=integer(0), default=[0, 1, 2])
    parser.add_argument("--images", type=integer(1), default=24, help="images that the loader reads")


#: By name: what is measured, and the function that adds its arguments.
BENCHMARKS = {
    "inference": ("Inference, stage by stage, against ResNet-50's forward pass.", inference),
    "fusion": ("The cross-modal SSM against softmax cross-attention, by pixels and by words.", fusion),
    "training": ("A training step by sentences an image, its switches, and the loader.", training),
}


def build_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    commands = parser.add_subparsers(dest="name", required=True)
    for name, (what, add_arguments) in BENCHMARKS.items():
        add_arguments(commands.add_parser(name, parents=[timing_arguments()], help=what, description=what))
    return parser


def main(args: argparse.Namespace) -> None:
    from d2ext.engine.benchmark import run_benchmark

    run_benchmark(importlib.import_module(f"d2ext.projects.u2enet.benchmarks.{args.name}").run, args)


if __name__ == "__main__":
    run_command(build_parser(), main)
