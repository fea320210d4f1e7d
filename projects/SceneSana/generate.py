#!/usr/bin/env python3
"""Draw pictures of new layouts, which follow the layout statistics of a dataset.

    .venv/bin/python projects/SceneSana/generate.py --config-file configs/SceneSana/sana_f16_scenes.yaml \\
        --dataset scenes_monomulti3d_train --root datasets/generated --images 300 --sheet sheet.jpg \\
        --opts MODEL.WEIGHTS output/scene_sana_f16/model_final.pth

Cameras and grounds are those of pictures of the dataset; how many objects, of which class, size and colour,
where and how turned are drawn. --text goes in front of every caption. The folder becomes datasets such as
generated_rope3d_train, if it lies in DETECTRON2_DATASETS.
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
    parser = drawing_parser(__doc__, None, "registered dataset whose layouts new ones are to be like")
    parser.add_argument("--images", type=integer(1), required=True, help="pictures to draw")
    parser.add_argument("--text", default="", help="goes in front of every caption")
    return parser


def main(args: argparse.Namespace) -> None:
    """Run the command."""
    from d2ext.projects.scene_sana.commands import run_drawing
    from d2ext.projects.scene_sana.uses import invented

    run_drawing(args, "generate", lambda p, r, rng: invented(p, r, args.images, rng, args.text))


if __name__ == "__main__":
    run_command(build_parser(), main)
