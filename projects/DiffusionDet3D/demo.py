#!/usr/bin/env python3
"""Find the objects in one image, draw their 3D boxes and write them as JSON.

    .venv/bin/python projects/DiffusionDet3D/demo.py \\
        --config-file configs/DiffusionDet3D/diffusion_tiny_synthroad.yaml \\
        --input image.jpg --calib calib.txt --ground denorm.txt --output out.png --json out.json \\
        --opts MODEL.WEIGHTS projects/DiffusionDet3D/weights/diffusion_tiny_synthroad.safetensors

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
    number,
    output_file,
    run_command,
)
from d2ext_cli.camera import add_camera, add_ground, given_camera, given_ground

if TYPE_CHECKING:
    from d2ext.projects.diffusion_det3d import Detection3DPredictor


def build_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    add_runtime(parser, "DiffusionDet3D")
    parser.add_argument("--input", required=True, type=existing_file, help="image")
    add_camera(parser)
    add_ground(parser)
    parser.add_argument("--output", required=True, type=output_file, help="picture to write")
    parser.add_argument("--json", type=output_file, help="boxes to write")
    parser.add_argument(
        "--strip", type=output_file, help="picture of the boxes at each denoising step to write"
    )
    parser.add_argument(
        "--min-score", type=number(0, 1), default=0.3, help="least score of a drawn or written box"
    )
    add_options(parser)
    return parser


def main(args: argparse.Namespace) -> None:
    import torch

    from d2ext.data.image_io import read_image
    from d2ext.evaluation import named_rows, write_json
    from d2ext.visualization import check_picture_path, draw_detections, draw_steps, write_picture

    for path in (args.output, args.strip):
        if path is not None:
            check_picture_path(path)
    image = read_image(args.input)
    camera = given_camera(args).of(image.shape[:2], args.input)
    ground = given_ground(args).plane()
    plane = None if ground is None else torch.tensor(ground)
    predictor = load_predictor(args)
    output = predictor.detect(image, camera, plane, return_steps=True)
    found = output["instances"]
    found = found[found.scores >= args.min_score].to("cpu")
    write_picture(args.output, draw_detections(image, found, camera, predictor.class_names, plane))
    if args.json is not None:
        objects = named_rows(found, predictor.box_plane(plane), predictor.class_names)
        write_json(args.json, {"image": str(args.input), "objects": objects})
    if args.strip is not None:
        steps = [step[step.scores >= args.min_score] for step in output["steps"]]
        write_picture(args.strip, draw_steps(image, output["boxes"], steps, camera))
    print(f"{len(found)} object{'s' * (len(found) != 1)}")
    print("wrote " + ", ".join(str(p) for p in (args.output, args.json, args.strip) if p is not None))


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
