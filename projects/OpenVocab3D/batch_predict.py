#!/usr/bin/env python3
"""Look for names in millions of images with OpenVocab3D, on all GPUs of a machine or a Ray cluster.

    .venv/bin/python projects/OpenVocab3D/batch_predict.py \\
        --config-file configs/OpenVocab3D/openvocab_tiny_synthroad.yaml --list images.jsonl \\
        --output answers --prompts "car; tipper truck, dump truck" --opts MODEL.WEIGHTS openvocab.safetensors
    .venv/bin/python projects/OpenVocab3D/batch_predict.py \\
        --config-file configs/OpenVocab3D/openvocab_tiny_synthroad.yaml \\
        --folder datasets/synthroad/rope3d/training --names names.yaml --output answers \\
        --opts MODEL.WEIGHTS openvocab.safetensors

A line of the list is {"image": PATH, "calib": PATH, "ground": PATH or null}, paths relative to the list. With
--folder, images are those of images/ or image_2/, with calib/NAME.txt and, where there is one,
denorm/NAME.txt or planes/NAME.txt.

DIR gets shard-NNNNNN.jsonl, one line an image in the order of the list: {"image", "objects"}, or {"image",
"error"} for an image that cannot be used. Started again, the command does only the shards that are missing.
On a cluster all machines must see the list, the images and DIR under the same paths.
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
    run_command,
)
from d2ext_cli.shards import add_shards


def build_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    add_config_file(parser, "OpenVocab3D")
    names = parser.add_mutually_exclusive_group(required=True)
    names.add_argument("--prompts", help='names: "a, b; c", a and b of one thing')
    names.add_argument("--names", type=existing_file, help="YAML file of names")
    add_shards(parser)
    add_options(parser)
    return parser


def main(args: argparse.Namespace) -> None:
    from d2ext.data.open_vocab.names import parse_prompts, read_names
    from d2ext.engine import load_config
    from d2ext.engine.shard_run import on_cpu, predict_list
    from d2ext.projects.open_vocab3d import OpenVocabPredictor, add_open_vocab3d_config
    from d2ext.projects.open_vocab3d.batch import NamePredictor, as_rows

    names = read_names(args.names) if args.names is not None else parse_prompts(args.prompts)
    cfg = load_config(add_open_vocab3d_config, args.config_file, args.opts)
    print(f"loading {cfg.MODEL.WEIGHTS}")
    OpenVocabPredictor(on_cpu(cfg), names)  # what does not fit is an error here and not in every actor
    predict_list(NamePredictor, cfg, args, {"names": as_rows(names)}, "OpenVocab3D")


if __name__ == "__main__":
    run_command(build_parser(), main)
