#!/usr/bin/env python3
"""Cut the pictures of datasets into crops of one small size, each with its camera, labels and sentences.

    .venv/bin/python projects/SceneSana/make_crops.py --root datasets/scenes --crops 3 \\
        --train synthroad_monomulti3d_train --test synthroad_monomulti3d_test

The folder becomes datasets such as scenes_monomulti3d_train and scenes_rope3d_test, if it lies in
DETECTRON2_DATASETS.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # this checkout's modules, from any folder
from d2ext_cli import CommandParser, integer, number, output_folder, run_command

SPLITS = ("train", "val", "test")


def build_parser() -> CommandParser:
    """The arguments."""
    parser = CommandParser(__doc__)
    parser.add_argument("--root", required=True, type=output_folder, help="folder to write; empty or new")
    for split in SPLITS:
        parser.add_argument(f"--{split}", nargs="*", default=[], help=f"registered datasets for {split}")
    parser.add_argument("--size", type=integer(8), nargs=2, default=(128, 256), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--crops", type=integer(1), default=1, help="of each picture (default 1)")
    parser.add_argument("--zoom", type=number(1), nargs=2, default=(1.0, 2.5), metavar=("LEAST", "MOST"))
    parser.add_argument("--min-visible", type=number(0, 1), default=0.5, help="share of a box that is kept")
    parser.add_argument("--limit", type=integer(1), help="pictures of each dataset, spread over it")
    parser.add_argument("--ascii", action="store_true", help="leave out sentences in other letters")
    parser.add_argument("--seed", type=integer(0), default=0)
    parser.add_check(_check)
    return parser


def _check(args: argparse.Namespace) -> None:
    if not any(getattr(args, split) for split in SPLITS):
        raise ValueError("expected datasets: --train, --val or --test")
    if args.zoom[0] > args.zoom[1]:
        raise ValueError(f"--zoom: expected the least first, got {args.zoom}")


def main(args: argparse.Namespace) -> None:
    """Run the command."""
    from detectron2.data import DatasetCatalog, MetadataCatalog

    from d2ext.data.scenes.crops import write_crops
    from d2ext.data.scenes.writing import SceneFiles
    from d2ext.structures import ROAD, Vocabulary

    datasets = [(split, name) for split in SPLITS for name in getattr(args, split)]
    for _, name in datasets:
        if name not in DatasetCatalog:
            raise ValueError(f"{name}: no registered dataset")
    names = {(Vocabulary.of_metadata(MetadataCatalog.get(name)) or ROAD).names for _, name in datasets}
    if len(names) > 1:
        raise ValueError("expected datasets of the same classes")
    settings = {key: value for key, value in vars(args).items() if key != "root"}
    files = SceneFiles(args.root, settings, names.pop())
    if files.done:
        print(f"{args.root}: already there")
        return
    counts = write_crops(
        files,
        datasets,
        (args.size[0], args.size[1]),
        (args.zoom[0], args.zoom[1]),
        crops=args.crops,
        min_visible=args.min_visible,
        limit=args.limit or 0,
        ascii_only=args.ascii,
        seed=args.seed,
    )
    print(f"{args.root}: {counts[0]} crops; {counts[1]} without an object were left out")


if __name__ == "__main__":
    run_command(build_parser(), main)
