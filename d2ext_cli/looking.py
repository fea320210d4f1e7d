"""``d2ext ask``, ``find`` and ``detect``: the projects' demos with the zoo's weights and short arguments."""

from __future__ import annotations

import argparse
import mimetypes
from collections.abc import Callable
from pathlib import Path

from d2ext_cli import CommandParser, add_options, number, run_command
from d2ext_cli.camera import add_camera, add_ground
from d2ext_cli.pictures import add_results, picture_paths
from d2ext_cli.scripts import load_script
from d2ext_cli.shipped import CONFIGS, SHIPPED
from d2ext_cli.zoo import PREFIX, find_model, project_of

_CAMERA = """

The camera: --calib, --intrinsics, --focal, --fov, else what a photograph says of itself, else 60 degrees
across. The road: --ground, or --height with --pitch and --roll, else as the model's config says."""
ASK = f"""Find in a picture what sentences mean, draw its 3D boxes, print how many there are.

    d2ext ask street.jpg "The red bus." "All cars." --fov 70 --out found.png --json found.json{_CAMERA}"""
FIND = f"""Find whatever is named in a picture, draw its 3D boxes, print how many there are.

    d2ext find road.jpg car "van, minibus" --fov 43 --height 7 --pitch 11 --out found.png

"van, minibus" are two words for one thing.{_CAMERA}"""
DETECT = f"""Find the objects in pictures or a video, draw their 3D boxes, print how many there are.

    d2ext detect road.jpg --fov 43 --height 7 --pitch 11 --out found.png{_CAMERA}"""


def ask(words: list[str]) -> None:
    """``d2ext ask IMAGE SENTENCE...``."""
    run_command(ask_parser(), _demo, words)


def find(words: list[str]) -> None:
    """``d2ext find IMAGE NAME...``."""
    run_command(find_parser(), _demo, words)


def detect(words: list[str]) -> None:
    """``d2ext detect IMAGE...``."""
    run_command(detect_parser(), _demo, words)


def ask_parser() -> CommandParser:
    """Arguments of ``d2ext ask``."""
    parser = CommandParser(ASK, prog="d2ext ask")
    parser.add_argument("input", type=picture_paths, metavar="IMAGE", help="picture, folder, 'GLOB' or video")
    parser.add_argument("text", nargs="+", metavar="SENTENCE", help="what to look for")
    parser.add_argument("--single", action="store_true", help="exactly one object a sentence")
    return _add_rest(parser, "u2enet/tiny", "U2ENet")


def find_parser() -> CommandParser:
    """Arguments of ``d2ext find``."""
    parser = CommandParser(FIND, prog="d2ext find")
    parser.add_argument("input", type=picture_paths, metavar="IMAGE", help="picture, folder, 'GLOB' or video")
    parser.add_argument(
        "prompts", nargs="+", metavar="NAME", help="what to look for, or several words for it"
    )
    parser.add_argument("--min-score", type=number(0, 1), help="least score (default: the config's)")
    parser.set_defaults(names=None, exemplar=None)
    parser.add_check(_join_names)
    return _add_rest(parser, "open_vocab3d/tiny", "OpenVocab3D")


def _join_names(args: argparse.Namespace) -> None:
    """As the demo's --prompts has them."""
    args.prompts = "; ".join(args.prompts)


def detect_parser() -> CommandParser:
    """Arguments of ``d2ext detect``."""
    parser = CommandParser(DETECT, prog="d2ext detect")
    parser.add_argument(
        "input", nargs="+", type=picture_paths, metavar="IMAGE", help="picture, folder, 'GLOB' or video"
    )
    parser.add_argument(
        "--min-score", type=number(0, 1), default=0.3, help="least score of what is found (default 0.3)"
    )
    parser.set_defaults(strip=None)
    return _add_rest(parser, "diffusion_det3d/tiny", "DiffusionDet3D")


def _add_rest(parser: CommandParser, model: str, project: str) -> CommandParser:
    parser.add_argument(
        "--model", default=model, type=_model_of(project), help=f"of the zoo (default {model})"
    )
    add_results(parser, "--out", "--output", required=False)
    add_camera(parser)
    add_ground(parser)
    add_options(parser)
    parser.set_defaults(runtime="torch", onnx=None)
    return parser


def _model_of(project: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        try:
            name, entry = find_model(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
        if project_of(entry) != project:
            raise argparse.ArgumentTypeError(
                f"{name}: expected a model of {project}, this takes {entry['what']}"
            )
        return name

    return parse


def _demo(args: argparse.Namespace) -> None:
    """The demo of the model's project, with its own names of the arguments."""
    name, entry = find_model(args.model)
    args.config_file = str(SHIPPED / CONFIGS / entry["config"])
    args.opts = ["MODEL.WEIGHTS", PREFIX + name, *args.opts]
    args.input = args.input if isinstance(args.input[0], list) else [args.input]
    if args.output is None:
        (first, *_), *_ = args.input
        several = first.is_dir() or sum(map(len, args.input)) > 1
        is_video = (mimetypes.guess_type(first)[0] or "").startswith("video")
        args.output = Path(f"{first.stem}_found" + ("" if several else ".mp4" if is_video else ".png"))
    load_script(f"projects/{project_of(entry)}/demo.py").main(args)
