#!/usr/bin/env python3
"""Find the objects in pictures or a video, draw their 3D boxes and write them as JSON.

    .venv/bin/python projects/DiffusionDet3D/demo.py \\
        --config-file configs/DiffusionDet3D/diffusion_tiny_synthroad.yaml \\
        --input image.jpg --calib calib.txt --ground denorm.txt --output out.png --json out.json \\
        --opts MODEL.WEIGHTS projects/DiffusionDet3D/weights/diffusion_tiny_synthroad.safetensors

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
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # this checkout's modules, from any folder
from d2ext_cli import (
    CommandParser,
    add_options,
    add_runtime,
    number,
    output_file,
    run_command,
)
from d2ext_cli.camera import add_camera, add_ground, given_cameras
from d2ext_cli.pictures import add_pictures, given_pictures

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from d2ext.projects.diffusion_det3d import Detection3DPredictor
    from d2ext.structures import Camera


def build_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    add_runtime(parser, "DiffusionDet3D")
    add_pictures(parser)
    add_camera(parser)
    add_ground(parser)
    parser.add_argument(
        "--strip", type=output_file, help="of one image: picture of the boxes at each denoising step to write"
    )
    parser.add_argument(
        "--min-score", type=number(0, 1), default=0.3, help="least score of a drawn or written box"
    )
    add_options(parser)
    return parser


def main(args: argparse.Namespace) -> None:
    from d2ext.engine.demo import Look, run_demo
    from d2ext.predictor import look_at_objects
    from d2ext.visualization import check_picture_path, draw_detections, draw_frame, draw_steps, write_picture

    sources, cameras = given_pictures(args), given_cameras(args)
    if args.strip is not None:
        check_picture_path(args.strip)
        if not sources.is_one:
            raise ValueError("--strip: expected one image with it")
    predictor = load_predictor(args)
    draw = draw_frame if sources.to_video else draw_detections

    def look_at(image: np.ndarray, camera: Camera, plane: Tensor | None) -> Look:
        output = predictor.detect(image, camera, plane, return_steps=args.strip is not None)
        found = output["instances"]
        found = found[found.scores >= args.min_score].to("cpu")
        if args.strip is not None:
            steps = [step[step.scores >= args.min_score] for step in output["steps"]]
            write_picture(args.strip, draw_steps(image, output["boxes"], steps, camera))
        look = look_at_objects(predictor, (image, camera, plane), found, draw)
        return replace(look, said=[*look.said, f"wrote {args.strip}"]) if args.strip is not None else look

    run_demo(sources, cameras, look_at, "DiffusionDet3D")


def load_predictor(args: argparse.Namespace) -> Detection3DPredictor:
    """The predictor that the arguments choose."""
    from d2ext.engine import load_config
    from d2ext.projects.diffusion_det3d import (
        Detection3DPredictor,
        OnnxDetector3D,
        add_diffusion_det3d_config,
    )

    if args.runtime == "onnx":
        model = OnnxDetector3D(args.onnx)
        return Detection3DPredictor(model.cfg, model)
    return Detection3DPredictor(load_config(add_diffusion_det3d_config, args.config_file, args.opts))


if __name__ == "__main__":
    run_command(build_parser(), main)
