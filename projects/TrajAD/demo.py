#!/usr/bin/env python3
"""Score an image or a recording, or a folder of them; draw heat maps and write what was found as JSON.

    .venv/bin/python projects/TrajAD/demo.py --config-file configs/TrajAD/trajad_synthtraffic.yaml \\
        --input tracks.csv --output out.png --json out.json \\
        --opts MODEL.WEIGHTS projects/TrajAD/weights/trajad_synthtraffic.safetensors

Of a recording (.csv, .txt, .xml) the JSON names the vehicles of each region, the most likely cause first,
with times and positions, and the vehicles of the whole recording. Of an image, such as a graph that was drawn
before, it has the regions only.

Of a folder --input takes the images in it and below, or where there are none the recordings; --output is then
a folder too. It gets a picture of each, and results.jsonl (or the file of --json), one line each: {"input",
"score", "threshold", "verdict", "regions"}, or {"input", "error"} of one that cannot be used.

With --runtime onnx --onnx DIR in place of --config-file it runs what export_onnx.py wrote.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # this checkout's modules, from any folder
from d2ext_cli import (
    LAYOUTS,
    CommandParser,
    add_options,
    config_file,
    existing_file,
    existing_folder,
    existing_path,
    output_file,
    output_folder,
    run_command,
)

if TYPE_CHECKING:
    from d2ext.projects.trajad import TrajADPredictor
    from d2ext.projects.trajad.files import FileFinder


def build_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    parser.add_argument("--config-file", type=config_file, metavar="FILE", help="a file of configs/TrajAD")
    parser.add_argument("--runtime", choices=("torch", "onnx"), default="torch", help="what runs the model")
    parser.add_argument("--onnx", type=existing_folder, help="folder of export_onnx.py, for --runtime onnx")
    parser.add_argument(
        "--input",
        required=True,
        type=existing_path,
        help="recording (.csv, .txt, .xml), image, or folder of either",
    )
    parser.add_argument("--road", type=existing_file, help="road.json of a recording with x and y")
    parser.add_argument("--layout", "--columns", choices=LAYOUTS, help="INPUT.RECORDING.LAYOUT")
    parser.add_argument("--output", required=True, type=Path, help="picture to write; of a folder, a folder")
    parser.add_argument("--json", type=output_file, help="score, regions and vehicles to write")
    add_options(parser)
    parser.add_check(check_runtime)
    parser.add_check(check_output)
    return parser


def check_runtime(args: argparse.Namespace) -> None:
    """Each runtime has its own arguments."""
    if args.runtime == "onnx" and (args.onnx is None or args.config_file):
        raise ValueError("--runtime onnx: expected --onnx DIR, whose config holds, and no --config-file")
    if args.runtime == "torch" and (args.config_file is None or args.onnx):
        raise ValueError("--runtime torch: expected --config-file FILE and no --onnx")


def check_output(args: argparse.Namespace) -> None:
    """A folder for a folder, a file for a file."""
    try:
        (output_folder if args.input.is_dir() else output_file)(str(args.output))
    except argparse.ArgumentTypeError as e:
        raise ValueError(f"argument --output: {e}") from None


def main(args: argparse.Namespace) -> None:
    from d2ext.projects.trajad.files import FileFinder

    if not args.input.is_dir():
        check_picture(args.output)
    finder = FileFinder(load_predictor(args), args.road)
    (find_in_folder if args.input.is_dir() else find_in_file)(finder, args)


def check_picture(path: Path) -> None:
    """Raises ValueError for a name that is no picture's."""
    import cv2

    if cv2.haveImageWriter(str(path)) is False:
        raise ValueError(f"{path}: expected a picture name such as out.png")


def load_predictor(args: argparse.Namespace) -> TrajADPredictor:
    """The model of the config, or of an export, with the command's layout of recordings."""
    from d2ext.engine import load_config
    from d2ext.projects.trajad import OnnxTrajAD, TrajADPredictor, add_trajad_config

    layout = ["INPUT.RECORDING.LAYOUT", args.layout] if args.layout else []
    options = [*layout, *args.opts]
    if args.runtime == "onnx":
        model = OnnxTrajAD(args.onnx, options)
        return TrajADPredictor(model.cfg, model)
    return TrajADPredictor(load_config(add_trajad_config, args.config_file, options))


def find_in_file(finder: FileFinder, args: argparse.Namespace) -> None:
    """Picture, JSON and lines about one image or recording."""
    from d2ext.evaluation import write_json
    from d2ext.files import write_bytes
    from d2ext.projects.trajad.files import encode
    from d2ext.projects.trajad.findings import when_and_who

    finding = finder.find(args.input.name, finder.read(args.input))
    content = finding.content() | {"input": str(args.input)}
    write_bytes(args.output, encode(finding.picture(), args.output.suffix))
    if args.json is not None:
        write_json(args.json, content)
    print(finding.headline())
    for row, label in zip(content["regions"], finding.labels(), strict=True):
        print(f"  {row['score']:.2f}: " + when_and_who(row, label))
    print(f"wrote {args.output}" + (f" and {args.json}" if args.json else ""))


def find_in_folder(finder: FileFinder, args: argparse.Namespace) -> None:
    """The same for every file of a folder, with a line of JSON for each.

    Raises:
        ValueError: none of the files could be used.
    """
    from tqdm import tqdm

    from d2ext.projects.trajad.files import RESULTS, list_inputs

    files = list_inputs(args.input, args.output)
    lines = args.json or args.output / RESULTS
    with tqdm(total=len(files), unit="file", desc="TrajAD") as bar:
        abnormal, errors = finder.folder(args.input, files, args.output, lines, bar.update)
    if len(errors) == len(files):
        raise ValueError(f"none of {len(files)} files in {args.input} could be used: {errors[0]}")
    print(f"{len(files)} files: {abnormal} abnormal; {len(errors)} could not be used")
    print(f"wrote {lines}, and pictures to {args.output}")


if __name__ == "__main__":
    run_command(build_parser(), main)
