#!/usr/bin/env python3
"""Find whatever is named in pictures or a video, draw its 3D boxes and write them as JSON.

    .venv/bin/python projects/OpenVocab3D/demo.py \\
        --config-file configs/OpenVocab3D/openvocab_tiny_synthroad.yaml --prompts "car; truck, lorry" \\
        --input image.jpg --calib calib.txt --ground denorm.txt --output out.png --json out.json \\
        --opts MODEL.WEIGHTS openvocab.safetensors

--prompts "a, b; c" names two things, the first by two prompts of which the mean is taken. --names FILE has
them with sizes, colours, thresholds and exemplars. --exemplar IMAGE X1 Y1 X2 Y2 looks for what is like the
object in the box: alone, or beside the one name of --prompts. Negations are refused: ask for the others too.

Folders, several images and videos, the camera and the road are given as in DiffusionDet3D's demo.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # this checkout's modules, from any folder
from d2ext_cli import CommandParser, add_options, add_runtime, existing_file, number, run_command
from d2ext_cli.camera import add_camera, add_ground, given_camera, given_cameras
from d2ext_cli.pictures import add_pictures, given_pictures

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from d2ext.data.open_vocab.names import Name
    from d2ext.projects.open_vocab3d import OpenVocabPredictor
    from d2ext.structures import Camera


def build_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    add_runtime(parser, "OpenVocab3D")
    add_pictures(parser)
    add_camera(parser)
    add_ground(parser)
    add_names(parser)
    parser.add_argument("--min-score", type=number(0, 1), help="least score (default TEST.SCORE_THRESHOLD)")
    add_options(parser)
    return parser


def add_names(parser: CommandParser) -> None:
    """What is to be found."""
    parser.add_argument("--prompts", help='names: "a, b; c", a and b of one thing')
    parser.add_argument("--names", type=existing_file, help="YAML file of names")
    parser.add_argument(
        "--exemplar", nargs=5, metavar=("IMAGE", "X1", "Y1", "X2", "Y2"), help="an object in a picture"
    )
    parser.add_check(check_names)


def check_names(args: argparse.Namespace) -> None:
    """Something is to be found, and each box is four numbers."""
    if args.names is not None and (args.prompts or args.exemplar):
        raise ValueError("--names: expected no --prompts or --exemplar with it, the file can have both")
    if args.names is None and not args.prompts and not args.exemplar:
        raise ValueError("expected --prompts, --names or --exemplar: what is to be found")
    if args.exemplar:
        try:
            [float(x) for x in args.exemplar[1:]]
        except ValueError:
            shown = " ".join(args.exemplar[1:])
            raise ValueError(f"--exemplar: expected a file and 4 numbers, got {shown!r}") from None


def main(args: argparse.Namespace) -> None:
    from d2ext.engine.demo import Look, run_demo
    from d2ext.projects.open_vocab3d.ready import look
    from d2ext.visualization import draw_detections, draw_frame

    sources, cameras, names = given_pictures(args), given_cameras(args), given_names(args)
    predictor = load_predictor(args, names)
    colors = {i: n.color[::-1] for i, n in enumerate(names) if n.color is not None}
    draw = draw_frame if sources.to_video else partial(draw_detections, asked=True)

    def look_at(image: np.ndarray, camera: Camera, plane: Tensor | None) -> Look:
        found = predictor(image, camera, plane)
        if args.min_score is not None:
            found = predictor.detect(image, camera, plane)["instances"]
            found = found[found.scores >= args.min_score]
        return look(predictor, (image, camera, plane), found, draw=draw, colors=colors)

    run_demo(sources, cameras, look_at, "OpenVocab3D")


def given_names(args: argparse.Namespace) -> list[Name]:
    """The arguments of :func:`add_names`.

    Raises:
        FileNotFoundError, ValueError: names that are none.
    """
    from d2ext.data.open_vocab.names import ExemplarBox, Name, parse_prompts, read_names

    if args.names is not None:
        return read_names(args.names)
    names = parse_prompts(args.prompts) if args.prompts else []
    if args.exemplar:
        if len(names) > 1:
            raise ValueError("--exemplar: expected one name in --prompts beside it, or a file of --names")
        image, *numbers = args.exemplar
        x1, y1, x2, y2 = map(float, numbers)
        one = names[0] if names else Name("like the exemplar")
        names = [replace(one, exemplars=(ExemplarBox(image, (x1, y1, x2, y2)),))]
    return names


def load_predictor(args: argparse.Namespace, names: list[Name]) -> OpenVocabPredictor:
    """The predictor that the arguments choose."""
    from d2ext.engine import load_config
    from d2ext.projects.open_vocab3d import OpenVocabPredictor, add_open_vocab3d_config

    if args.runtime == "onnx":
        from d2ext.projects.open_vocab3d.onnx import OnnxOpenVocab

        model = OnnxOpenVocab(args.onnx)
        return OpenVocabPredictor(model.cfg, names, model)
    cfg = load_config(add_open_vocab3d_config, args.config_file, args.opts)
    # what is counted in pixels may be of other pictures than the exemplar's
    of_exemplar = replace(given_camera(args), calib=None, intrinsics=None, focal=None)
    return OpenVocabPredictor(cfg, names, exemplar_camera=of_exemplar)


if __name__ == "__main__":
    run_command(build_parser(), main)
