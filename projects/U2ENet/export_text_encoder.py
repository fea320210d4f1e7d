#!/usr/bin/env python3
"""Write the text encoder of a trained U2ENet as a Hugging Face folder, for MODEL.TEXT.NAME of another model.

    .venv/bin/python projects/U2ENet/export_text_encoder.py \\
        --config-file configs/U2ENet/u2enet_tiny_synthroad.yaml --output text_encoder \\
        --opts MODEL.WEIGHTS projects/U2ENet/weights/u2enet_tiny_synthroad.safetensors
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # this checkout's modules, from any folder
from d2ext_cli import CommandParser, add_config_file, add_options, output_folder, run_command


def build_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    add_config_file(parser, "U2ENet")
    parser.add_argument("--output", required=True, type=output_folder, help="folder to write")
    add_options(parser)
    return parser


def main(args: argparse.Namespace) -> None:
    from d2ext.engine import load_config
    from d2ext.projects.u2enet import U2ENetPredictor, add_u2enet_config

    cfg = load_config(add_u2enet_config, args.config_file, args.opts)
    if not cfg.MODEL.WEIGHTS:
        raise ValueError("MODEL.WEIGHTS is empty: expected a checkpoint (--opts MODEL.WEIGHTS FILE)")
    print(f"loading {cfg.MODEL.WEIGHTS}")
    network: Any = U2ENetPredictor(cfg).model
    text = network.text_encoder
    text.encoder.save_pretrained(args.output)
    text.tokenizer.backend.save_pretrained(args.output)
    print(f"{args.output}: MODEL.TEXT.NAME {args.output} MODEL.TEXT.PRETRAINED True")


if __name__ == "__main__":
    run_command(build_parser(), main)
