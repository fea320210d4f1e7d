#!/usr/bin/env python3
"""Draw a picture of a layout and a sentence.

    .venv/bin/python projects/SceneSana/demo.py --config-file configs/SceneSana/sana_f16_scenes.yaml \\
        --layout label.txt --calib calib.txt --ground denorm.txt --text "a red car and a white bus" \\
        --seed 3 --output out.png --opts MODEL.WEIGHTS output/scene_sana_f16/model_final.pth

The layout is a label file of KITTI or Rope3D with the calibration of its picture; --size is the picture's
WIDTHxHEIGHT, and where it is not given the camera looks at its middle. What is drawn is what of that picture
covers INPUT.SIZE. Without --text the layout in words is the caption. --boxes writes the picture with its
boxes. --image begins with a picture of the same camera, of which --strength is drawn anew.

--pretrained FOLDER draws with the published weights of a Sana pipeline folder of diffusers in place of a
config: a picture of --text, --size pixels large; of a SanaControlNetPipeline also of the layout, drawn as
boxes.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # this checkout's modules, from any folder
from d2ext_cli import (
    CommandParser,
    add_options,
    config_file,
    existing_file,
    existing_folder,
    integer,
    number,
    output_file,
    run_command,
)

if TYPE_CHECKING:
    import numpy as np

    from d2ext.structures import Camera

DEFAULT_SIZE = (1024, 1024)  # height, width of published weights


def build_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    parser.add_argument("--config-file", type=config_file, metavar="FILE", help="a file of configs/SceneSana")
    parser.add_argument("--pretrained", type=existing_folder, metavar="FOLDER", help="Sana pipeline folder")
    parser.add_argument("--layout", type=existing_file, help="label file: 15 fields a line")
    parser.add_argument("--calib", type=existing_file, help="calibration with a P2 line")
    parser.add_argument("--ground", type=existing_file, help="ground plane: denorm or planes file")
    parser.add_argument("--size", type=picture_size, metavar="WIDTHxHEIGHT", help="of the layout's picture")
    parser.add_argument("--text", default="", help="caption")
    parser.add_argument("--seed", type=integer(0), default=0)
    parser.add_argument(
        "--steps", type=integer(1), help="of the sampler (default: as the config says, or 20)"
    )
    parser.add_argument("--image", type=existing_file, help="picture of the camera to begin with")
    parser.add_argument("--strength", type=number(above=0, most=1), default=0.6, help="for --image (0.6)")
    parser.add_argument("--output", type=output_file, required=True, help="picture to write")
    parser.add_argument("--boxes", type=output_file, help="picture with its boxes to write")
    add_options(parser)
    parser.add_check(check)
    return parser


def picture_size(text: str) -> tuple[int, int]:
    """(height, width) of WIDTHxHEIGHT."""
    width, _, height = text.partition("x")
    return integer(1)(height), integer(1)(width)


def check(args: argparse.Namespace) -> None:
    """Each way has its own arguments."""
    if (args.config_file is None) is (args.pretrained is None):
        raise ValueError("expected one of --config-file and --pretrained")
    if args.config_file and not (args.layout and args.calib):
        raise ValueError("--config-file: expected --layout and --calib with it")
    if args.pretrained and (args.opts or args.image or args.boxes):
        raise ValueError("--pretrained: expected no --opts, --image and --boxes with it")
    if args.pretrained and not args.text:
        raise ValueError("--pretrained: expected --text with it")
    if args.layout and not args.calib:
        raise ValueError("--layout: expected --calib with it")


def main(args: argparse.Namespace) -> None:
    from d2ext.visualization import check_picture_path, write_picture

    for path in filter(None, (args.output, args.boxes)):
        check_picture_path(path)
    picture, drawn = draw_pretrained(args) if args.pretrained else draw(args)
    write_picture(args.output, picture)
    if args.boxes is not None and drawn is not None:
        write_picture(args.boxes, drawn)
    print(f"wrote {args.output}" + (f" and {args.boxes}" if args.boxes else ""))


def draw(args: argparse.Namespace) -> tuple[np.ndarray, np.ndarray | None]:
    """The picture, and the same with its boxes."""
    from d2ext.data.image_io import read_image
    from d2ext.engine import load_config
    from d2ext.projects.scene_sana import SceneSanaPredictor, add_scene_sana_config
    from d2ext.projects.scene_sana.uses import boxes_of
    from d2ext.visualization import draw_boxes3d

    cfg = load_config(add_scene_sana_config, args.config_file, args.opts)
    image = read_image(args.image) if args.image else None
    size = args.size or (None if image is None else image.shape[:2])
    from d2ext.modeling.box3d.config import class_names

    annotations, camera, ground = read_layout(args, class_names(cfg), size)
    predictor = SceneSanaPredictor(cfg)
    options: dict[str, Any] = {"steps": args.steps or 0}
    options |= {"strength": args.strength} if image is not None else {}
    picture = predictor(annotations, camera, ground, args.text, args.seed, image, **options)
    record = predictor.record(annotations, camera, ground, args.text, args.seed)
    print(f"caption: {record['caption']}")
    names = [predictor.class_names[a["category_id"]] for a in record["objects"] if a["has_3d"]]
    return picture, draw_boxes3d(picture, boxes_of(record), record["camera"], names)


def draw_pretrained(args: argparse.Namespace) -> tuple[np.ndarray, None]:
    """The picture of published weights."""
    import numpy as np

    from d2ext.projects.scene_sana.pretrained import PretrainedSana
    from d2ext.structures import ROAD, Boxes3D
    from d2ext.visualization import draw_boxes3d

    sana = PretrainedSana(args.pretrained)
    size, layout = args.size or DEFAULT_SIZE, None
    if args.layout:
        annotations, camera, ground = read_layout(args, ROAD.names, size)
        placed = [a for a in annotations if a["has_3d"]]
        location, dimensions, yaw = ([a[c] for a in placed] for c in ("location", "dimensions", "yaw"))
        boxes = Boxes3D.from_kitti(location, dimensions, yaw, ground)
        layout = draw_boxes3d(np.zeros((*size, 3), np.uint8), boxes, camera)
    return sana(args.text, size, args.seed, args.steps or 20, layout=layout), None


def read_layout(
    args: argparse.Namespace, names: Any, size: tuple[int, int] | None
) -> tuple[list[dict[str, Any]], Camera, list[float] | None]:
    """Annotations, camera and ground of the arguments; without a size the camera looks at the middle."""
    import torch

    from d2ext.data.formats.kitti import read_calib, read_ground, read_labels
    from d2ext.data.formats.rows import BrokenRows
    from d2ext.structures import Camera, Vocabulary

    P = read_calib(args.calib, size)
    size = size or (round(2 * P[1][2] + 1), round(2 * P[0][2] + 1))
    annotations = read_labels(args.layout, BrokenRows(False), Vocabulary.of_names(names))
    return annotations, Camera(torch.tensor(P), size), read_ground(args.ground) if args.ground else None


if __name__ == "__main__":
    run_command(build_parser(), main)
