#!/usr/bin/env python3
"""Score the captions of a dataset by a grounding model: does the picture hold what the caption says?

    .venv/bin/python projects/SceneSana/score_captions.py \\
        --config-file configs/SceneSana/sana_f16_scenes.yaml \\
        --dataset scenes_monomulti3d_train --output scores.json \\
        --grounder configs/U2ENet/u2enet_tiny_synthroad.yaml --weights d2ext://u2enet/tiny

A sentence of the dataset has the score of the best answer, less than 0 where that is wrong: an answer is
right if its box overlaps an object that the sentence means. Other captions, and all of them without
--grounder, have 0. INPUT.CAPTIONS.SCORES reads the file.
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
    output_file,
    run_command,
)


def build_parser() -> CommandParser:
    """The arguments."""
    parser = CommandParser(__doc__)
    add_config_file(parser, "SceneSana")
    parser.add_argument("--dataset", required=True, help="registered dataset")
    parser.add_argument("--output", required=True, type=output_file, help="JSON to write")
    parser.add_argument("--grounder", type=config_file, help="config of a grounding model")
    parser.add_argument("--weights", default="", help="its weights")
    parser.add_argument("--limit", type=integer(1), help="pictures, spread over the dataset")
    add_options(parser)
    return parser


def main(args: argparse.Namespace) -> None:
    """Run the command."""
    from detectron2.data import DatasetCatalog
    from tqdm import tqdm

    from d2ext.data.scenes.build import scene_records
    from d2ext.data.scenes.captions import captions_of
    from d2ext.engine import load_config
    from d2ext.files import write_json
    from d2ext.modeling.box3d.config import class_names
    from d2ext.projects.scene_sana.config import add_scene_sana_config
    from d2ext.projects.scene_sana.scores import Grounder
    from d2ext.projects.scene_sana.trainer import spread

    cfg = load_config(add_scene_sana_config, args.config_file, args.opts)
    if args.dataset not in DatasetCatalog:
        raise ValueError(f"--dataset {args.dataset}: no registered dataset")
    grounder = Grounder(args.grounder, args.weights, cfg.MODEL.DEVICE) if args.grounder else None
    scores, names = {}, class_names(cfg)
    for record in tqdm(spread(scene_records(args.dataset), args.limit or 0), unit="image", desc="scores"):
        captions = captions_of(record, record["annotations"], names)
        known = grounder.scores(record) if grounder is not None else {}
        scores[str(record["image_id"])] = {caption: known.get(caption, 0.0) for caption in captions}
    write_json(args.output, scores)
    told = sum(score != 0 for row in scores.values() for score in row.values())
    print(f"{args.output}: {len(scores)} pictures, {told} captions with a score other than 0")


if __name__ == "__main__":
    run_command(build_parser(), main)
