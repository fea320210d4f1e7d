#!/usr/bin/env python3
"""Write a trained OpenVocab3D and a vocabulary as two ONNX graphs.

    .venv/bin/python projects/OpenVocab3D/export_onnx.py \\
        --config-file configs/OpenVocab3D/openvocab_tiny_synthroad.yaml --output onnx \\
        --prompts "car; truck; tipper truck, dump truck" --opts MODEL.WEIGHTS openvocab.safetensors

The embeddings of the names are kept beside the graphs, which take any of them; with --bake they are in the
graph, which then asks for all of them always. No text encoder is needed any more.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # this checkout's modules, from any folder
from d2ext_cli import (
    CommandParser,
    add_config_file,
    add_options,
    existing_file,
    output_folder,
    run_command,
)


def build_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    add_config_file(parser, "OpenVocab3D")
    parser.add_argument(
        "--output", required=True, type=output_folder, help="folder to write; made where it does not exist"
    )
    names = parser.add_mutually_exclusive_group(required=True)
    names.add_argument("--prompts", help='names: "a, b; c", a and b of one thing')
    names.add_argument("--names", type=existing_file, help="YAML file of names")
    parser.add_argument("--bake", action="store_true", help="the names become constants of the graph")
    add_options(parser)
    return parser


def main(args: argparse.Namespace) -> None:
    from d2ext.data.open_vocab.names import parse_prompts, read_names
    from d2ext.engine import load_config
    from d2ext.projects.open_vocab3d import add_open_vocab3d_config
    from d2ext.projects.open_vocab3d.onnx import export_onnx

    names = read_names(args.names) if args.names is not None else parse_prompts(args.prompts)
    cfg = load_config(add_open_vocab3d_config, args.config_file, args.opts)
    if not cfg.MODEL.WEIGHTS:
        raise ValueError("MODEL.WEIGHTS is empty: expected a checkpoint (--opts MODEL.WEIGHTS FILE)")
    export_onnx(cfg, args.output, names, args.bake)


if __name__ == "__main__":
    run_command(build_parser(), main)
