#!/usr/bin/env python3
"""Evaluate a detector of fixed classes by OpenVocab3D's protocol, for comparison.

    .venv/bin/python projects/OpenVocab3D/compare.py \\
        --config-file configs/OpenVocab3D/openvocab_lite0_synthroad.yaml --dataset synthroad_rope3d_test \\
        --predictions output/closed/inference/synthroad_rope3d_test/predictions.json --output closed_as_open
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # this checkout's modules, from any folder
from d2ext_cli import CommandParser, add_config_file, add_options, existing_file, output_folder, run_command


def build_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    add_config_file(parser, "OpenVocab3D")
    parser.add_argument("--dataset", required=True, help="registered name that was predicted")
    parser.add_argument("--predictions", required=True, type=existing_file, help="predictions.json")
    parser.add_argument("--output", required=True, type=output_folder, help="folder for metrics.json")
    add_options(parser)
    return parser


def main(args: argparse.Namespace) -> None:
    from d2ext.engine import load_config
    from d2ext.engine.preflight import check_datasets
    from d2ext.projects.open_vocab3d import OpenVocabTrainer, add_open_vocab3d_config
    from d2ext.projects.open_vocab3d.evaluator import asked_prompts
    from d2ext.projects.open_vocab3d.runs import evaluate_closed

    cfg = load_config(add_open_vocab3d_config, args.config_file, args.opts)
    cfg.defrost()
    cfg.DATASETS.TEST = (args.dataset,)
    check_datasets(cfg, "TEST", OpenVocabTrainer.test_kinds)
    found = evaluate_closed(
        cfg, args.dataset, args.predictions, asked_prompts(cfg, args.dataset), args.output
    )
    for group in ("base", "novel"):
        if "3d@0.5" in found.get(group, {}):
            print(f"{group}: AP_3D@0.5 {found[group]['3d@0.5']:.1f}")
    print(f"wrote {args.output}/metrics.json")


if __name__ == "__main__":
    run_command(build_parser(), main)
