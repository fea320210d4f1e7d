#!/usr/bin/env python3
"""Write a trained U2ENet as ONNX graphs, with all else that inference without the checkpoint needs.

    .venv/bin/python projects/U2ENet/export_onnx.py --config-file configs/U2ENet/u2enet_tiny_synthroad.yaml \\
        --output onnx --opts MODEL.WEIGHTS projects/U2ENet/weights/u2enet_tiny_synthroad.safetensors
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # this checkout's modules, from any folder
from d2ext_cli import CommandParser, add_config_file, add_options, output_folder, run_command


def build_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    add_config_file(parser, "U2ENet")
    parser.add_argument(
        "--output", required=True, type=output_folder, help="folder to write; made where it does not exist"
    )
    add_options(parser)
    return parser


def main(args: argparse.Namespace) -> None:
    from d2ext.engine import load_config
    from d2ext.projects.u2enet import add_u2enet_config, export_onnx

    cfg = load_config(add_u2enet_config, args.config_file, args.opts)
    if not cfg.MODEL.WEIGHTS:
        raise ValueError("MODEL.WEIGHTS is empty: expected a checkpoint (--opts MODEL.WEIGHTS FILE)")
    export_onnx(cfg, args.output)


if __name__ == "__main__":
    run_command(build_parser(), main)
