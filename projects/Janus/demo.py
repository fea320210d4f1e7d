#!/usr/bin/env python3
"""Describe a box of a picture, ask about a picture, or draw a picture of a sentence.

    .venv/bin/python projects/Janus/demo.py --config-file configs/Janus/stage3_tiny_synthroad.yaml \\
        --weights output/janus_stage3/model_final.pth --input image.png --labels label.txt --output out.png
    .venv/bin/python projects/Janus/demo.py --config-file configs/Janus/stage3_tiny_synthroad.yaml \\
        --weights output/janus_stage3/model_final.pth --input image.png --ask "How many cars are there?"
    .venv/bin/python projects/Janus/demo.py --config-file configs/Janus/stage3_tiny_synthroad.yaml \\
        --weights output/janus_stage3/model_final.pth --draw "a red car on a road." --output drawn.png

--labels is a KITTI label file: every object in it is described (--object N: only that of line N), and what
the labels say of each sentence is printed beside it. --ask may be given several times; --output then shows
the boxes that the answers name.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # this checkout's modules, from any folder
from d2ext_cli import (
    CommandParser,
    add_config_file,
    add_options,
    existing_file,
    integer,
    output_file,
    run_command,
)

if TYPE_CHECKING:
    import numpy as np

    from d2ext.projects.janus import JanusPredictor


def build_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    add_config_file(parser, "Janus")
    parser.add_argument("--weights", default="", help="of Janus; empty where MODEL.JANUS.NAME has them")
    parser.add_argument("--input", type=existing_file, help="picture to describe or ask about")
    parser.add_argument("--labels", type=existing_file, help="KITTI label file of the boxes to describe")
    parser.add_argument("--object", type=integer(1), help="line of the only object to describe")
    parser.add_argument("--language", choices=("en", "zh"), default="en", help="of descriptions")
    parser.add_argument("--ask", action="append", default=[], metavar="QUESTION")
    parser.add_argument("--draw", metavar="TEXT", help="what a picture is to show")
    parser.add_argument("--seed", type=integer(0), default=0, help="of the drawn picture")
    parser.add_argument("--output", type=output_file, help="picture to write")
    add_options(parser)
    parser.add_check(_wants_one_thing)
    return parser


def _wants_one_thing(args: argparse.Namespace) -> None:
    if sum(map(bool, (args.labels, args.ask, args.draw))) != 1:
        raise ValueError("expected one of --labels, --ask and --draw")
    if (args.draw is None) is (args.input is None):
        raise ValueError("expected --input with --labels and --ask, and none with --draw")
    if args.draw and not args.output:
        raise ValueError("--draw: expected --output FILE")


def main(args: argparse.Namespace) -> None:
    import cv2

    from d2ext.data.image_io import read_image
    from d2ext.engine import load_config
    from d2ext.projects.janus import JanusPredictor, add_janus_config

    options = [*args.opts, *(["MODEL.WEIGHTS", args.weights] if args.weights else [])]
    predictor = JanusPredictor(load_config(add_janus_config, args.config_file, options))
    if args.draw:
        picture = predictor.draw(args.draw, args.seed)
    else:
        image = read_image(args.input)
        picture = describe(predictor, image, args) if args.labels else ask(predictor, image, args)
    if args.output and not cv2.imwrite(str(args.output), picture):
        raise ValueError(f"{args.output}: the picture could not be written, expected a name such as out.png")


def describe(predictor: JanusPredictor, image: np.ndarray, args: argparse.Namespace) -> np.ndarray:
    from d2ext.data.describe.box_input import outline
    from d2ext.data.facts import check_sentence, wrong_facts
    from d2ext.data.facts.labels import label_of
    from d2ext.data.formats.kitti import read_labels
    from d2ext.data.formats.rows import BrokenRows
    from d2ext.structures.vocabulary import ROAD

    size = image.shape[:2]
    rows = [row for row in read_labels(args.labels, BrokenRows(False)) if row["has_3d"]]
    labels = {row["id"] + 1: label_of(row, ROAD.names, size) for row in rows}
    if args.object is not None and args.object not in labels:
        raise ValueError(
            f"--object {args.object}: {args.labels} has objects {', '.join(map(str, labels))}"[:299]
        )
    chosen = {n: label for n, label in labels.items() if args.object in (None, n)}
    for number, label in chosen.items():
        text = predictor.describe(image, [label], args.language)[0]
        wrong = wrong_facts(check_sentence(text, [label], list(labels.values()), size))
        print(f"{number} {label.category}: {text}", *(f"    {fact}" for fact in wrong), sep="\n")
    return outline(image, [label.box for label in chosen.values()], max(size) // 2)


def ask(predictor: JanusPredictor, image: np.ndarray, args: argparse.Namespace) -> np.ndarray:
    from d2ext.data.describe.box_input import outline
    from d2ext.data.describe.questions import read_places

    boxes = []
    for question, answer in zip(args.ask, predictor.ask(image, args.ask), strict=True):
        print(f"{question} {answer}")
        boxes += read_places(answer, image.shape[:2])
    return outline(image, boxes, max(image.shape[:2]) // 2)


if __name__ == "__main__":
    run_command(build_parser(), main)
