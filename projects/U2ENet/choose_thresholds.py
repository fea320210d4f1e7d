#!/usr/bin/env python3
"""Chooses MODEL.GROUNDING.SCORE_THRESHOLD and EXISTENCE_THRESHOLD of a checkpoint on validation data.

    .venv/bin/python projects/U2ENet/choose_thresholds.py --none 95 \\
        --config-file configs/U2ENet/u2enet_tiny_synthroad.yaml \\
        DATASETS.VAL "('synthroad_monomulti3d_val',)" \\
        MODEL.WEIGHTS projects/U2ENet/weights/u2enet_tiny_synthroad.safetensors

It prints the pair with the best F1 at IoU 0.5 as options for the other scripts, and writes it to
OUTPUT_DIR/thresholds.json. The datasets must be multi-target: with one target the best answer counts.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # this checkout's modules, from any folder
from d2ext_cli import CommandParser, add_config_file, add_options, number, run_command


def build_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    add_config_file(parser, "U2ENet")
    parser.add_argument(
        "--none",
        type=number(0, 100),
        default=0.0,
        help="per cent of sentences without target that must get no answer",
    )
    add_options(parser, "opts")
    return parser


def main(args: argparse.Namespace) -> None:
    from detectron2.utils.logger import setup_logger

    from d2ext.engine import load_config
    from d2ext.evaluation import write_json
    from d2ext.projects.u2enet import add_u2enet_config
    from d2ext.projects.u2enet.thresholds import choose

    cfg = load_config(add_u2enet_config, args.config_file, args.opts)
    for name in ("detectron2", "d2ext"):
        setup_logger(name=name)
    chosen = choose(cfg, args.none)
    write_json(Path(cfg.OUTPUT_DIR) / "thresholds.json", asdict(chosen))
    none = "" if chosen.none_acc is None else f", none answered with none {chosen.none_acc:.1f}"
    print(f"F1@0.5 {chosen.f1:.1f}{none}:")
    print(
        f"MODEL.GROUNDING.SCORE_THRESHOLD {chosen.score:g} "
        f"MODEL.GROUNDING.EXISTENCE_THRESHOLD {chosen.existence:g}"
    )


if __name__ == "__main__":
    run_command(build_parser(), main)
