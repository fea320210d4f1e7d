#!/usr/bin/env python3
"""Answer sentences about millions of images with U2ENet, on all GPUs of a machine or a Ray cluster.

    .venv/bin/python projects/U2ENet/batch_predict.py \\
        --config-file configs/U2ENet/u2enet_tiny_synthroad.yaml --list images.jsonl --output answers \\
        --opts MODEL.WEIGHTS projects/U2ENet/weights/u2enet_tiny_synthroad.safetensors
    .venv/bin/python projects/U2ENet/batch_predict.py \\
        --config-file configs/U2ENet/u2enet_tiny_synthroad.yaml \\
        --folder datasets/synthroad/monomulti3d/test --text "All cars." --output answers \\
        --opts MODEL.WEIGHTS projects/U2ENet/weights/u2enet_tiny_synthroad.safetensors

A line of the list is {"image": PATH, "calib": PATH, "ground": PATH or null, "sentences": [TEXT, ...]}, paths
relative to the list. With --folder, images are those of images/ or image_2/, with calib/NAME.txt and, where
there is one, denorm/NAME.txt or planes/NAME.txt.

DIR gets shard-NNNNNN.jsonl, one line an image in the order of the list: {"image", "sentences": [{"text",
"objects"}]}, or {"image", "error"} for an image that cannot be used. Started again, the command does only the
shards that are missing. On a cluster all machines must see the list, the images and DIR under the same paths.
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
    run_command,
)
from d2ext_cli.shards import add_shards


def build_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    add_config_file(parser, "U2ENet")
    parser.add_argument(
        "--text",
        action="append",
        default=[],
        help="with --folder: sentence about every image; may be given several times",
    )
    parser.add_argument("--single", action="store_true", help="exactly one object a sentence")
    add_shards(parser)
    add_options(parser)
    parser.add_check(check_source)
    return parser


def check_source(args: argparse.Namespace) -> None:
    """The sentences are in the list, or the same for a folder."""
    if bool(args.folder) != bool(args.text):
        raise ValueError("--folder and --text belong together")


def main(args: argparse.Namespace) -> None:
    from d2ext.engine import load_config
    from d2ext.engine.shard_run import on_cpu, predict_list
    from d2ext.projects.u2enet import U2ENetPredictor, add_u2enet_config
    from d2ext.projects.u2enet.batch import SentencePredictor

    cfg = load_config(add_u2enet_config, args.config_file, args.opts)
    print(f"loading {cfg.MODEL.WEIGHTS}")
    U2ENetPredictor(on_cpu(cfg))  # weights that do not fit are an error here and not in every actor
    predict_list(SentencePredictor, cfg, args, {"single_target": args.single or None}, "U2ENet")


if __name__ == "__main__":
    run_command(build_parser(), main)
