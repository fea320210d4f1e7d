#!/usr/bin/env python3
"""Turn a training checkpoint into a small weights file to share: half precision, no optimizer state.

scripts/export_weights.py output/u2enet_tiny_synthroad/model_final.pth --output u2enet.safetensors
"""

from __future__ import annotations

import argparse
from pathlib import Path

import d2ext  # noqa: F401  (first: silences import-time warnings)

# isort: split
from d2ext.engine import one_line_errors, read_checkpoint, write_safetensors


def main(args: argparse.Namespace) -> None:
    state = read_checkpoint(args.checkpoint)["model"]
    write_safetensors(state, args.output, {"source": args.checkpoint.name}, half=True)
    print(f"{args.output}: {args.output.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    with one_line_errors():
        main(arguments)
