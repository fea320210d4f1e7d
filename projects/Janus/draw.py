#!/usr/bin/env python3
"""Draw single objects of every colour, write them as a sheet, and measure how many show the colour named.

    .venv/bin/python projects/Janus/draw.py --config-file configs/Janus/stage3_tiny_synthroad.yaml \\
        --weights output/janus_stage3/model_final.pth --output sheet.png --dataset synthroad_monomulti3d_test

The colour is measured from the pixels in the middle, beside the same figure of --dataset's own pictures.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # this checkout's modules, from any folder
from d2ext_cli import CommandParser, add_config_file, add_options, integer, output_file, run_command


def build_parser() -> CommandParser:
    """The arguments."""
    parser = CommandParser(__doc__)
    add_config_file(parser, "Janus")
    parser.add_argument("--weights", default="", help="of Janus; empty where MODEL.JANUS.NAME has them")
    parser.add_argument("--output", required=True, type=output_file, help="picture of all to write")
    parser.add_argument("--count", type=integer(1), default=4, help="of each colour (default 4)")
    parser.add_argument("--dataset", help="registered name, to compare with")
    add_options(parser)
    return parser


def main(args: argparse.Namespace) -> None:
    """Draw and measure."""
    import cv2

    from d2ext.engine import load_config
    from d2ext.engine.preflight import check_dataset
    from d2ext.projects.janus import JanusPredictor, add_janus_config
    from d2ext.projects.janus.drawn import draw_colors, rendered_colors
    from d2ext.tables import format_table

    if args.dataset:
        check_dataset(args.dataset, "--dataset", ("mono3drefer", "monomulti3d"))
    options = [*args.opts, *(["MODEL.WEIGHTS", args.weights] if args.weights else [])]
    predictor = JanusPredictor(load_config(add_janus_config, args.config_file, options))
    context = predictor.cfg.INPUT.DRAW.CONTEXT
    sheet, table = draw_colors(predictor.draw, args.count, context)
    if not cv2.imwrite(str(args.output), sheet):
        raise ValueError(f"{args.output}: the picture could not be written, expected a name such as out.png")
    print(format_table("drawn", table))
    if args.dataset:
        rendered = rendered_colors(args.dataset, context, predictor.cfg.INPUT.SIZE[0], 50)
        print(format_table(args.dataset, rendered))


if __name__ == "__main__":
    run_command(build_parser(), main)
