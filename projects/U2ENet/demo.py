#!/usr/bin/env python3
"""Find in one image the objects that sentences describe, draw their 3D boxes and write them as JSON.

    .venv/bin/python projects/U2ENet/demo.py --config-file configs/U2ENet/u2enet_tiny_synthroad.yaml \\
        --input image.jpg --calib calib.txt --ground denorm.txt \\
        --text "The red bus." --text "All pedestrians." --output out.png --json out.json \\
        --opts MODEL.WEIGHTS projects/U2ENet/weights/u2enet_tiny_synthroad.safetensors

With --runtime onnx --onnx DIR in place of --config-file and --opts it runs what export_onnx.py wrote.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # this checkout's modules, from any folder
from d2ext_cli import (
    CommandParser,
    add_options,
    add_runtime,
    existing_file,
    output_file,
    run_command,
)
from d2ext_cli.camera import add_camera, add_ground, given_camera, given_ground

if TYPE_CHECKING:
    from d2ext.projects.u2enet import U2ENetPredictor


def build_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    add_runtime(parser, "U2ENet")
    parser.add_argument("--input", required=True, type=existing_file, help="image")
    add_camera(parser)
    add_ground(parser)
    parser.add_argument("--text", required=True, action="append", help="sentence; may be given several times")
    parser.add_argument("--output", required=True, type=output_file, help="picture to write")
    parser.add_argument("--json", type=output_file, help="boxes to write")
    parser.add_argument("--single", action="store_true", help="exactly one object a sentence")
    add_options(parser)
    return parser


def main(args: argparse.Namespace) -> None:
    import torch

    from d2ext.data.image_io import read_image
    from d2ext.evaluation import write_json
    from d2ext.projects.u2enet.evaluator import answer_rows
    from d2ext.visualization import check_picture_path, draw_grounding, write_picture

    check_picture_path(args.output)
    image = read_image(args.input)
    camera = given_camera(args).of(image.shape[:2], args.input)
    ground = given_ground(args).plane()
    plane = None if ground is None else torch.tensor(ground)
    predictor = load_predictor(args)
    answers = predictor(image, args.text, camera, plane, single_target=args.single or None)
    names = predictor.class_names
    picture = draw_grounding(image, args.text, answers, camera, plane, class_names=names)
    write_picture(args.output, picture)
    if args.json is not None:
        sentences = answer_rows(args.text, answers, predictor.box_plane(plane), names)
        write_json(args.json, {"image": str(args.input), "sentences": sentences})
    for text, answer in zip(args.text, answers, strict=True):
        print(f"{len(answer)} object{'s' * (len(answer) != 1)}: {text}")
    print(f"wrote {args.output}" + (f" and {args.json}" if args.json else ""))


def load_predictor(args: argparse.Namespace) -> U2ENetPredictor:
    """The predictor that the arguments choose."""
    from d2ext.engine import load_config
    from d2ext.projects.u2enet import OnnxU2ENet, U2ENetPredictor, add_u2enet_config

    if args.runtime == "onnx":
        model = OnnxU2ENet(args.onnx)
        return U2ENetPredictor(model.cfg, model)
    return U2ENetPredictor(load_config(add_u2enet_config, args.config_file, args.opts))


if __name__ == "__main__":
    run_command(build_parser(), main)
