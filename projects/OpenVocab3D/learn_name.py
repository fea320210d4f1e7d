#!/usr/bin/env python3
"""Learn one new name from a few labelled pictures, without losing those that are known.

    .venv/bin/python projects/OpenVocab3D/learn_name.py \\
        --config-file configs/OpenVocab3D/openvocab_tiny_synthroad.yaml --name bus --pictures 10 \\
        --dataset synthroad_rope3d_train --output output/with_bus --opts MODEL.WEIGHTS openvocab.safetensors

--name is a class of the dataset; of its pictures with such objects --pictures are used, and only the labels
of these objects. --way embedding learns where the name lies among words and boxes, and changes no other
answer; low-rank also changes the decoder a little. Half of the batches rehearse DATASETS.TRAIN. The folder
gets the weights and a config.yaml with MODEL.OPEN_VOCAB.LEARNT, which names what was learnt.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # this checkout's modules, from any folder
from d2ext_cli import CommandParser, add_config_file, add_options, integer, number, output_folder, run_command


def build_parser() -> CommandParser:
    """The arguments."""
    parser = CommandParser(__doc__)
    add_config_file(parser, "OpenVocab3D")
    parser.add_argument("--name", required=True, help="class of the dataset")
    parser.add_argument("--dataset", required=True, help="registered name of labelled pictures")
    parser.add_argument("--pictures", type=integer(1), default=10, help="pictures to learn from")
    parser.add_argument("--way", choices=("embedding", "low-rank"), default="embedding")
    parser.add_argument("--steps", type=integer(1), default=300)
    parser.add_argument("--rate", type=number(above=0), default=0.003, help="learning rate")
    parser.add_argument("--output", required=True, type=output_folder, help="folder to write")
    add_options(parser)
    return parser


def main(args: argparse.Namespace) -> None:
    """Learn and save."""
    from detectron2.utils.logger import setup_logger

    from d2ext.engine import load_config
    from d2ext.projects.open_vocab3d import add_open_vocab3d_config
    from d2ext.projects.open_vocab3d.learning import few_records, learn_name, save_learnt

    setup_logger(name="d2ext")
    cfg = load_config(add_open_vocab3d_config, args.config_file, args.opts)
    if not cfg.MODEL.WEIGHTS:
        raise ValueError("MODEL.WEIGHTS is empty: expected a checkpoint (--opts MODEL.WEIGHTS FILE)")
    records = few_records(args.dataset, args.name, args.pictures, max(cfg.SEED, 0))
    model = learn_name(cfg, args.name, records, args.way, args.steps, args.rate)
    save_learnt(model, cfg, args.output)
    print(f"wrote {args.output}: {args.name} from {len(records)} pictures, by {args.way}")


if __name__ == "__main__":
    run_command(build_parser(), main)
