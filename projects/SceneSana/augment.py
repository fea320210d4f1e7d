#!/usr/bin/env python3
"""Draw new appearance for the pictures of a dataset: each is noised to --strength and drawn from there.

    .venv/bin/python projects/SceneSana/augment.py --config-file configs/SceneSana/sana_f16_scenes.yaml \\
        --dataset scenes_monomulti3d_train --root datasets/augmented --strength 0.6 --count 2 \\
        --sheet sheet.jpg --opts MODEL.WEIGHTS output/scene_sana_f16/model_final.pth

Labels, cameras, grounds and sentences are those of the dataset, cut to the size of the pictures. --text goes
in front of every caption. The folder becomes datasets such as augmented_rope3d_train, if it lies in
DETECTRON2_DATASETS.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # this checkout's modules, from any folder
from d2ext_cli import CommandParser, integer, run_command
from d2ext_cli.scenes import drawing_parser


def build_parser() -> CommandParser:
    """The arguments."""
    parser = drawing_parser(__doc__, 0.6, "registered dataset whose pictures get new appearance")
    parser.add_argument("--count", type=integer(1), default=1, help="pictures of each (default 1)")
    parser.add_argument("--text", default="", help="goes in front of every caption")
    return parser


def main(args: argparse.Namespace) -> None:
    """Run the command."""
    from d2ext.projects.scene_sana.commands import run_drawing
    from d2ext.projects.scene_sana.uses import augmented

    run_drawing(args, "augment", lambda p, r, rng: augmented(p, r, args.count, rng, args.text))


if __name__ == "__main__":
    run_command(build_parser(), main)
