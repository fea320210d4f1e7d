#!/usr/bin/env python3
"""Find in pictures or a video the objects that sentences describe, draw their 3D boxes, write them as JSON.

    .venv/bin/python projects/U2ENet/demo.py --config-file configs/U2ENet/u2enet_tiny_synthroad.yaml \\
        --input image.jpg --calib calib.txt --ground denorm.txt \\
        --text "The red bus." --text "All pedestrians." --output out.png --json out.json \\
        --opts MODEL.WEIGHTS projects/U2ENet/weights/u2enet_tiny_synthroad.safetensors

Of a folder, a 'GLOB' or several images --output is a folder, which gets a picture of each and results.jsonl,
one line each; or it is a video, out.mp4, with out.jsonl beside it. --input drive.mp4 reads a video, --every 5
looks at each fifth picture only. What cannot be read stops nothing and is told at the end, where the exit
status is then 1.

The camera: --calib, --intrinsics, --focal, --fov, else what a photograph says of itself, else 60 degrees
across. The road: --ground, or --height with --pitch and --roll, else as the config says.

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
    run_command,
)
from d2ext_cli.camera import add_camera, add_ground, given_cameras
from d2ext_cli.pictures import add_pictures, given_pictures

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from d2ext.projects.u2enet import U2ENetPredictor
    from d2ext.structures import Camera


def build_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    add_runtime(parser, "U2ENet")
    add_pictures(parser)
    add_camera(parser)
    add_ground(parser)
    parser.add_argument("--text", required=True, action="append", help="sentence; may be given several times")
    parser.add_argument("--single", action="store_true", help="exactly one object a sentence")
    add_options(parser)
    return parser


def main(args: argparse.Namespace) -> None:
    from d2ext.engine.demo import Look, run_demo
    from d2ext.projects.u2enet.ready import look

    sources, cameras = given_pictures(args), given_cameras(args)
    predictor = load_predictor(args)

    def look_at(image: np.ndarray, camera: Camera, plane: Tensor | None) -> Look:
        return look(predictor, args.text, args.single or None, (image, camera, plane))

    run_demo(sources, cameras, look_at, "U2ENet")


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
