#!/usr/bin/env python3
"""Draw the objects of pictures again that were pasted onto them, so that they fit in; the rest stays.

    .venv/bin/python -m d2ext.data.synthroad --root datasets/yard --seed 0 --train 300 --val 0 --test 0 \\
        --background yard.jpg --calib yard_calib.txt --ground yard_ground.txt
    .venv/bin/python projects/SceneSana/harmonise.py --config-file configs/SceneSana/sana_f16_scenes.yaml \\
        --dataset yard_monomulti3d_train --root datasets/yard_in_light --strength 0.4 --sheet sheet.jpg \\
        --opts MODEL.WEIGHTS output/scene_sana_f16/model_final.pth

What is drawn again are the boxes of the objects and a little around them, from --strength noise on. The
folder becomes datasets such as yard_in_light_rope3d_train, if it lies in DETECTRON2_DATASETS.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # this checkout's modules, from any folder
from d2ext_cli import CommandParser, run_command
from d2ext_cli.scenes import drawing_parser


def build_parser() -> CommandParser:
    """The arguments."""
    return drawing_parser(__doc__, 0.4, "registered dataset, such as one of synthroad --background")


def main(args: argparse.Namespace) -> None:
    """Run the command."""
    from d2ext.projects.scene_sana.commands import run_drawing
    from d2ext.projects.scene_sana.uses import harmonised

    run_drawing(args, "harmonise", harmonised)


if __name__ == "__main__":
    run_command(build_parser(), main)
