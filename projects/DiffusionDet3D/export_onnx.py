#!/usr/bin/env python3
"""Write a trained 3D detector as two ONNX graphs, with its config.

    .venv/bin/python projects/DiffusionDet3D/export_onnx.py \\
        --config-file configs/DiffusionDet3D/diffusion_tiny_synthroad.yaml --output onnx \\
        --opts MODEL.WEIGHTS projects/DiffusionDet3D/weights/diffusion_tiny_synthroad.safetensors
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # this checkout's modules, from any folder
from d2ext_cli import CommandParser, add_config_file, add_options, output_folder, run_command


def build_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    add_config_file(parser, "DiffusionDet3D")
    parser.add_argument(
        "--output", required=True, type=output_folder, help="folder to write; made where it does not exist"
    )
    add_options(parser)
    return parser


def main(args: argparse.Namespace) -> None:
    from d2ext.engine import load_config
    from d2ext.projects.diffusion_det3d import add_diffusion_det3d_config, export_onnx

    cfg = load_config(add_diffusion_det3d_config, args.config_file, args.opts)
    if not cfg.MODEL.WEIGHTS:
        raise ValueError("MODEL.WEIGHTS is empty: expected a checkpoint (--opts MODEL.WEIGHTS FILE)")
    export_onnx(cfg, args.output)


if __name__ == "__main__":
    run_command(build_parser(), main)
