#!/usr/bin/env python3
"""Turn a training checkpoint into a small weights file to share: half precision, no optimizer state.

    .venv/bin/python scripts/export_weights.py output/u2enet_tiny_synthroad/model_final.pth \\
        --output u2enet.safetensors
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this checkout's modules, from any folder
from d2ext_cli import CommandParser, existing_file, output_file, run_command


def build_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    parser.add_argument("checkpoint", type=existing_file, help="model_final.pth of a run")
    parser.add_argument("--output", type=output_file, required=True, help=".safetensors file to write")
    return parser


def main(args: argparse.Namespace) -> None:
    from d2ext.engine import read_checkpoint, write_safetensors

    state = read_checkpoint(args.checkpoint)["model"]
    write_safetensors(state, args.output, {"source": args.checkpoint.name}, half=True)
    print(f"{args.output}: {args.output.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    run_command(build_parser(), main)
