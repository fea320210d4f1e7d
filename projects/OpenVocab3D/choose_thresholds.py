#!/usr/bin/env python3
"""Choose thresholds by prompts that are absent, so that one half means the same for every prompt.

    .venv/bin/python projects/OpenVocab3D/choose_thresholds.py \\
        --config-file configs/OpenVocab3D/openvocab_tiny_synthroad.yaml --dataset synthroad_rope3d_val \\
        --output calibration.json --opts MODEL.WEIGHTS openvocab.safetensors

Every picture of the dataset, which must be no test data, is asked the prompts of an evaluation. Conformal
risk control finds the threshold at which a prompt that is absent is answered by at most --risk boxes a
picture, for each prompt with enough pictures and for all others together. MODEL.OPEN_VOCAB.CALIBRATION names
the file.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # this checkout's modules, from any folder
from d2ext_cli import CommandParser, add_config_file, add_options, number, output_file, run_command


def build_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    add_config_file(parser, "OpenVocab3D")
    parser.add_argument("--dataset", required=True, help="registered name of labelled pictures")
    parser.add_argument("--output", required=True, type=output_file, help="JSON file to write")
    parser.add_argument(
        "--risk", type=number(above=0), default=0.02, help="boxes a picture for an absent prompt"
    )
    add_options(parser)
    return parser


def main(args: argparse.Namespace) -> None:
    from d2ext.engine import load_config
    from d2ext.files import write_json
    from d2ext.projects.open_vocab3d import add_open_vocab3d_config
    from d2ext.projects.open_vocab3d.calibration import calibrate
    from d2ext.projects.open_vocab3d.runs import absent_scores

    cfg = load_config(add_open_vocab3d_config, args.config_file, args.opts)
    found = calibrate(absent_scores(cfg, args.dataset), args.risk)
    write_json(args.output, found)
    print(
        f"{args.output}: {len(found['shifts'])} prompts of their own, shift of others {found['default']:.2f}"
    )


if __name__ == "__main__":
    run_command(build_parser(), main)
