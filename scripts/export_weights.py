#!/usr/bin/env python3
"""Turn a training checkpoint into a small weights file to share: half precision, no optimizer state.

    .venv/bin/python scripts/export_weights.py output/u2enet_tiny_synthroad/model_final.pth \\
        --output u2enet.safetensors

--list FILE --name NAME also writes file and digest under the name into a list like
d2ext/resources/weights.json.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this checkout's modules, from any folder
from d2ext_cli import CommandParser, existing_file, number, output_file, run_command


def build_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    parser.add_argument("checkpoint", type=existing_file, help="model_final.pth of a run")
    parser.add_argument("--output", type=output_file, required=True, help=".safetensors file to write")
    parser.add_argument("--list", type=output_file, help="JSON file that gets name, file and digest")
    parser.add_argument("--name", default="", help="such as u2enet/tiny")
    parser.add_argument("--most", type=number(above=0), help="MB that the file may have")
    parser.add_check(_check_name)
    return parser


def _check_name(args: argparse.Namespace) -> None:
    if (args.list is None) is bool(args.name):
        raise ValueError("--list and --name belong together")


def main(args: argparse.Namespace) -> None:
    from d2ext.engine import read_checkpoint, write_safetensors
    from d2ext.files import write_json
    from d2ext.reading import read_json
    from d2ext.weights import sha256

    state = read_checkpoint(args.checkpoint)["model"]
    write_safetensors(state, args.output, {"source": args.checkpoint.name}, half=True)
    size = args.output.stat().st_size / 1e6
    if args.most and size > args.most:
        args.output.unlink()
        raise ValueError(f"{args.output}: {size:.1f} MB, expected at most {args.most:g}: a smaller model")
    if args.list:
        known = read_json(args.list) if args.list.is_file() else {}
        digest = sha256(str(args.output), args.output.stat().st_mtime_ns)
        write_json(args.list, known | {args.name: {"file": args.output.name, "sha256": digest}})
    print(f"{args.output}: {size:.1f} MB")


if __name__ == "__main__":
    run_command(build_parser(), main)
