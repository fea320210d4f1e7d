#!/usr/bin/env python3
"""Find in one image the objects that sentences describe, draw their 3D boxes and write them as JSON.

projects/U2ENet/demo.py --config-file C --input IMG --calib FILE [--ground FILE] --text "..." [--text "..."]
    --output OUT.png [--json OUT.json] [--single] [--opts MODEL.WEIGHTS file ...]

With --runtime onnx --onnx DIR in place of --config-file and --opts it runs what export_onnx.py wrote.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import d2ext  # noqa: F401  (first: registers datasets and models, silences import-time warnings)

# isort: split
import torch

from d2ext.data.categories import CATEGORIES
from d2ext.data.formats.kitti import read_calib, read_ground
from d2ext.data.image_io import read_image
from d2ext.engine import load_config, one_line_errors
from d2ext.evaluation import write_json
from d2ext.projects.u2enet import OnnxU2ENet, U2ENetPredictor, add_u2enet_config
from d2ext.projects.u2enet.evaluator import answer_rows
from d2ext.structures import Camera
from d2ext.visualization import check_picture_path, draw_grounding, write_picture


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config-file", help="a file of configs/U2ENet")
    parser.add_argument("--runtime", choices=("torch", "onnx"), default="torch", help="what runs the model")
    parser.add_argument("--onnx", type=Path, help="folder of export_onnx.py, for --runtime onnx")
    parser.add_argument("--input", required=True, type=Path, help="image")
    parser.add_argument(
        "--calib", required=True, type=Path, help="KITTI or Rope3D calibration with a P2 line"
    )
    parser.add_argument("--ground", type=Path, help="ground plane: Rope3D denorm file or KITTI planes file")
    parser.add_argument("--text", required=True, action="append", help="sentence; may be given several times")
    parser.add_argument("--output", required=True, type=Path, help="picture to write")
    parser.add_argument("--json", type=Path, help="boxes to write")
    parser.add_argument("--single", action="store_true", help="exactly one object a sentence")
    parser.add_argument("--opts", nargs=argparse.REMAINDER, default=[], help="config keys and values")
    args = parser.parse_args()
    if args.runtime == "onnx" and (args.onnx is None or args.config_file or args.opts):
        parser.error(
            "--runtime onnx: expected --onnx DIR, whose config holds, and no --config-file or --opts"
        )
    if args.runtime == "torch" and (args.config_file is None or args.onnx):
        parser.error("--runtime torch: expected --config-file FILE and no --onnx")
    return args


def main(args: argparse.Namespace) -> None:
    check_picture_path(args.output)
    image = read_image(args.input)
    camera = Camera(read_calib(args.calib), image.shape[:2])
    plane = None if args.ground is None else torch.tensor(read_ground(args.ground))
    answers = load_predictor(args)(image, args.text, camera, plane, single_target=args.single or None)
    names = [category.name for category in CATEGORIES]
    picture = draw_grounding(image, args.text, answers, camera, plane, class_names=names)
    write_picture(args.output, picture)
    if args.json is not None:
        write_json(args.json, {"image": str(args.input), "sentences": answer_rows(args.text, answers, plane)})
    for text, answer in zip(args.text, answers, strict=True):
        print(f"{len(answer)} object{'s' * (len(answer) != 1)}: {text}")
    print(f"wrote {args.output}" + (f" and {args.json}" if args.json else ""))


def load_predictor(args: argparse.Namespace) -> U2ENetPredictor:
    """The predictor that the arguments choose."""
    if args.runtime == "onnx":
        model = OnnxU2ENet(args.onnx)
        return U2ENetPredictor(model.cfg, model)
    return U2ENetPredictor(load_config(add_u2enet_config, args.config_file, args.opts))


def command() -> None:
    arguments = parse_args()
    with one_line_errors():
        main(arguments)


if __name__ == "__main__":
    command()
