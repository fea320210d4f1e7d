#!/usr/bin/env python3
"""Find the objects in one image, draw their 3D boxes and write them as JSON.

projects/DiffusionDet3D/demo.py --config-file C --input IMG --calib FILE [--ground FILE] --output OUT.png
    [--json OUT.json] [--strip STRIP.png] [--min-score S] [--opts MODEL.WEIGHTS file ...]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import d2ext  # noqa: F401  (first: registers datasets and models, silences import-time warnings)

# isort: split
import torch

from d2ext.data.categories import thing_classes
from d2ext.data.formats.kitti import read_calib, read_ground
from d2ext.data.image_io import read_image
from d2ext.engine import load_config, one_line_errors
from d2ext.evaluation import named_rows, write_json
from d2ext.projects.diffusion_det3d import Detection3DPredictor, add_diffusion_det3d_config
from d2ext.structures import Camera
from d2ext.visualization import check_picture_path, draw_detections, draw_steps, write_picture


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config-file", required=True, help="a file of configs/DiffusionDet3D")
    parser.add_argument("--input", required=True, type=Path, help="image")
    parser.add_argument(
        "--calib", required=True, type=Path, help="KITTI or Rope3D calibration with a P2 line"
    )
    parser.add_argument("--ground", type=Path, help="ground plane: Rope3D denorm file or KITTI planes file")
    parser.add_argument("--output", required=True, type=Path, help="picture to write")
    parser.add_argument("--json", type=Path, help="boxes to write")
    parser.add_argument("--strip", type=Path, help="picture of the boxes at each denoising step to write")
    parser.add_argument("--min-score", type=float, default=0.3, help="least score of a drawn or written box")
    parser.add_argument("--opts", nargs=argparse.REMAINDER, default=[], help="config keys and values")
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    for path in (args.output, args.strip):
        if path is not None:
            check_picture_path(path)
    image = read_image(args.input)
    camera = Camera(read_calib(args.calib), image.shape[:2])
    plane = None if args.ground is None else torch.tensor(read_ground(args.ground))
    predictor = Detection3DPredictor(load_config(add_diffusion_det3d_config, args.config_file, args.opts))
    output = predictor.detect(image, camera, plane, return_steps=True)
    found = output["instances"]
    found = found[found.scores >= args.min_score].to("cpu")
    write_picture(args.output, draw_detections(image, found, camera, thing_classes(), plane))
    if args.json is not None:
        write_json(args.json, {"image": str(args.input), "objects": named_rows(found, plane)})
    if args.strip is not None:
        steps = [step[step.scores >= args.min_score] for step in output["steps"]]
        write_picture(args.strip, draw_steps(image, output["boxes"], steps, camera))
    print(f"{len(found)} object{'s' * (len(found) != 1)}")
    print("wrote " + ", ".join(str(p) for p in (args.output, args.json, args.strip) if p is not None))


def command() -> None:
    arguments = parse_args()
    with one_line_errors():
        main(arguments)


if __name__ == "__main__":
    command()
