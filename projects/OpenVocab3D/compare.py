#!/usr/bin/env python3
"""Evaluate a detector of fixed classes by OpenVocab3D's protocol, or print what train_all.sh has measured.

    .venv/bin/python projects/OpenVocab3D/compare.py \\
        --config-file configs/OpenVocab3D/openvocab_tiny_synthroad.yaml --dataset synthroad_rope3d_test \\
        --predictions output/closed/inference/synthroad_rope3d_test/predictions.json --output as_open
    .venv/bin/python projects/OpenVocab3D/compare.py \\
        --config-file configs/OpenVocab3D/openvocab_tiny_synthroad.yaml --dataset unseen_rope3d_test \\
        --tables output/openvocab

--predictions are read as if every class were the prompt of its name; --output gets metrics.json. --tables DIR
prints tables of the folder of train_all.sh, and writes them to DIR/tables.md.
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
    existing_folder,
    output_folder,
    run_command,
)


def build_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    add_config_file(parser, "OpenVocab3D")
    parser.add_argument("--dataset", required=True, help="registered name of what was predicted")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--predictions", type=existing_file, help="predictions.json")
    what.add_argument("--tables", type=existing_folder, help="folder of train_all.sh")
    parser.add_argument("--output", type=output_folder, help="folder for metrics.json")
    add_options(parser)
    parser.add_check(check_output)
    return parser


def check_output(args: argparse.Namespace) -> None:
    """An evaluation has a folder."""
    if (args.predictions is None) != (args.output is None):
        raise ValueError("--predictions and --output belong together")


def main(args: argparse.Namespace) -> None:
    from d2ext.engine import load_config
    from d2ext.engine.preflight import check_datasets
    from d2ext.files import write_bytes
    from d2ext.projects.open_vocab3d import OpenVocabTrainer, add_open_vocab3d_config
    from d2ext.projects.open_vocab3d.evaluator import asked_prompts
    from d2ext.projects.open_vocab3d.runs import evaluate_closed
    from d2ext.projects.open_vocab3d.tables import tables

    if args.tables is not None:
        text = tables(args.tables, args.dataset)
        write_bytes(args.tables / "tables.md", (text + "\n").encode())
        print(text)
        return
    cfg = load_config(add_open_vocab3d_config, args.config_file, args.opts)
    cfg.defrost()
    cfg.DATASETS.TEST = (args.dataset,)
    check_datasets(cfg, "TEST", OpenVocabTrainer.test_kinds)
    prompts = asked_prompts(cfg, args.dataset)
    found = evaluate_closed(cfg, args.dataset, args.predictions, prompts, args.output)
    for group in ("base", "novel"):
        if "3d@0.5" in found.get(group, {}):
            print(f"{group}: AP_3D@0.5 {found[group]['3d@0.5']:.1f}")
    print(f"wrote {args.output}/metrics.json")


if __name__ == "__main__":
    run_command(build_parser(), main)
