#!/usr/bin/env python3
"""Write sentences for the boxes of a dataset and keep those that are verified, to train grounding on them.

    .venv/bin/python projects/Janus/annotate.py --dataset kitti_train --output annotated \\
        --config-file configs/Janus/stage3_tiny_synthroad.yaml \\
        --weights output/janus_stage3/model_final.pth \\
        --grounder-config configs/U2ENet/u2enet_tiny_synthroad.yaml --grounder-weights d2ext://u2enet/tiny

Of every object, and with --groups of every group of one class and colour, --candidates sentences are drawn.
Kept are those whose facts (class, distances, sides, sizes, facing, ...) no label contradicts, that no other
labelled object fits, and that the grounder, which never saw them, leads back to the same box (exact IoU of
at least 0.5). Level boxes are written as Mono3DRefer, others as MonoMulti3D; DETECTRON2_DATASETS=annotated
then has them as mono3drefer_train or monomulti3d_train. What was interrupted goes on; review/index.html shows
every sentence with the reason why it was dropped. --keep-all verifies nothing, for comparison.
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
    config_file,
    integer,
    output_folder,
    run_command,
)


def build_parser() -> CommandParser:
    """The arguments."""
    parser = CommandParser(__doc__)
    parser.add_argument("--dataset", required=True, help="registered name of images with 3D boxes")
    parser.add_argument("--output", required=True, type=output_folder, help="folder to write")
    add_config_file(parser, "Janus")
    parser.add_argument("--weights", default="", help="of Janus; empty where MODEL.JANUS.NAME has them")
    parser.add_argument("--grounder-config", type=config_file, metavar="FILE", help="of what leads back")
    parser.add_argument("--grounder-weights", default="", help="of what leads back")
    parser.add_argument("--candidates", type=integer(1), default=8, help="for each object (default 8)")
    parser.add_argument("--language", choices=("en", "zh", "both"), default="en")
    parser.add_argument("--groups", action="store_true", help="describe groups, too (MonoMulti3D)")
    parser.add_argument("--limit", type=integer(0), default=0, help="images (default all)")
    parser.add_argument("--seed", type=integer(0), default=0)
    parser.add_argument("--keep-all", action="store_true", help="verify nothing")
    add_options(parser)
    parser.add_check(_verifies_or_not)
    return parser


def _verifies_or_not(args: argparse.Namespace) -> None:
    if args.keep_all is bool(args.grounder_config):
        raise ValueError("expected either --grounder-config FILE or --keep-all")


def main(args: argparse.Namespace) -> None:
    """Annotate."""
    from d2ext.engine import load_config
    from d2ext.engine.preflight import check_dataset
    from d2ext.projects.janus import JanusPredictor, add_janus_config
    from d2ext.projects.janus.annotate import Order, annotate
    from d2ext.projects.janus.grounder import Grounder

    kinds = ("kitti", "mono3drefer", "monomulti3d", "rope3d")
    check_dataset(args.dataset, "--dataset", kinds)
    options = [*args.opts, *(["MODEL.WEIGHTS", args.weights] if args.weights else [])]
    predictor = JanusPredictor(load_config(add_janus_config, args.config_file, options))
    weights = ["MODEL.WEIGHTS", args.grounder_weights] if args.grounder_weights else []
    grounder = Grounder(args.grounder_config, weights) if args.grounder_config else None
    languages = ("en", "zh") if args.language == "both" else (args.language,)
    order = Order(
        args.dataset, args.candidates, languages, args.limit, args.groups, not args.keep_all, args.seed
    )
    print(annotate(order, args.output, predictor.describe, grounder, predictor.cfg))


if __name__ == "__main__":
    run_command(build_parser(), main)
