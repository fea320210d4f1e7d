"""What the commands share: arguments, checks that need no library, errors of one line.

This package is not a part of ``d2ext`` because importing anything of ``d2ext`` registers its datasets and
models with Detectron2, and so loads PyTorch, which takes seconds. A command imports this package, parses, and
imports the rest in its ``main``: ``--help`` and wrong arguments are answered at once, also without the
libraries.

One line ``error: ...`` and exit status 2 mean wrong arguments; with status 1, wrong files or settings.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from d2ext_cli.generators import synthroad_parser, synthtraffic_parser
from d2ext_cli.parser import CommandParser
from d2ext_cli.types import (
    existing_file,
    existing_folder,
    existing_path,
    integer,
    number,
    output_file,
    output_folder,
)

__all__ = [
    "CommandParser",
    "LAYOUTS",
    "MODULES",
    "OBJECT_LAYOUTS",
    "WRITTEN_LAYOUTS",
    "add_config_file",
    "add_options",
    "add_runtime",
    "answer_module",
    "check_options",
    "config_file",
    "existing_file",
    "existing_folder",
    "existing_path",
    "integer",
    "number",
    "output_file",
    "output_folder",
    "require_libraries",
    "run_command",
    "run_training",
    "synthroad_parser",
    "synthtraffic_parser",
    "training_parser",
]

#: Of recordings, as in d2ext.data.trajectories.COLUMN_MAPS.
LAYOUTS = ("plain", "highd", "ind", "ngsim", "citysim", "pneuma", "sumo", "dair_v2x_seq", "kitti_tracking")
#: Of datasets of objects that are written and read, and read, as in d2ext.data.conversion.
_BOTH = (
    "coco",
    "lvis",
    "omni3d",
    "odvg",
    "cvat",
    "cvat_video",
    "label_studio",
    "kitti",
    "rope3d",
    "dair_v2x_i",
)
WRITTEN_LAYOUTS = (*_BOTH, "rerun")
OBJECT_LAYOUTS = (*_BOTH, "mono3drefer", "monomulti3d")


def config_file(text: str) -> str:
    """A YAML file to read, as text: configs name each other relative to it."""
    return str(existing_file(text))


# Arguments that several commands have.


def add_config_file(parser: argparse.ArgumentParser, project: str) -> None:
    """The config of a project, required."""
    parser.add_argument(
        "--config-file", required=True, type=config_file, metavar="FILE", help=f"a file of configs/{project}"
    )


def add_runtime(parser: CommandParser, project: str) -> None:
    """What runs a model: its config with a checkpoint (``add_options`` goes with it), or an export."""
    parser.add_argument(
        "--config-file", type=config_file, metavar="FILE", help=f"a file of configs/{project}"
    )
    parser.add_argument("--runtime", choices=("torch", "onnx"), default="torch", help="what runs the model")
    parser.add_argument("--onnx", type=existing_folder, help="folder of export_onnx.py, for --runtime onnx")
    parser.add_check(_check_runtime)


def _check_runtime(args: argparse.Namespace) -> None:
    """Each runtime has its own arguments."""
    if args.runtime == "onnx" and (args.onnx is None or args.config_file or args.opts):
        raise ValueError(
            "--runtime onnx: expected --onnx DIR, whose config holds, and no --config-file or --opts"
        )
    if args.runtime == "torch" and (args.config_file is None or args.onnx):
        raise ValueError("--runtime torch: expected --config-file FILE and no --onnx")


def add_options(parser: CommandParser, name: str = "--opts") -> None:
    """Config keys and values at the end of a command line, after ``--opts``, or after the flags ("opts")."""
    settings: dict[str, Any] = {"default": []} if name.startswith("-") else {}
    parser.add_argument(
        name,
        nargs=argparse.REMAINDER,
        metavar="KEY VALUE",
        help="config keys and their values, last",
        **settings,
    )
    parser.add_check(lambda args: check_options(args.opts))


def check_options(words: Sequence[str]) -> None:
    """Keys and values take turns.

    Raises:
        ValueError: names the word that is in the wrong place.
    """
    for key in words[::2]:
        if key.startswith("-"):
            raise ValueError(f"{key}: flags go before config keys and values")
    if len(words) % 2:
        raise ValueError(f"expected config keys and values in turn, {words[-1]} has no value")


def training_parser(description: str | None, project: str) -> CommandParser:
    """The flags of Detectron2's ``default_argument_parser``, which is not at hand before the imports."""
    parser = CommandParser(description)
    add_config_file(parser, project)
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint of OUTPUT_DIR")
    parser.add_argument("--eval-only", action="store_true", help="evaluate MODEL.WEIGHTS on DATASETS.TEST")
    parser.add_argument("--num-gpus", type=integer(0), default=1, help="processes on this machine, one a GPU")
    parser.add_argument("--num-machines", type=integer(1), default=1)
    parser.add_argument("--machine-rank", type=integer(0), default=0, help="number of this machine, from 0")
    # As in Detectron2 a user's port, so that a process that a killed training left behind shows.
    port = 2**15 + 2**14 + hash(os.getuid() if sys.platform != "win32" else 1) % 2**14
    parser.add_argument("--dist-url", default=f"tcp://127.0.0.1:{port}", help="address of machine 0")
    add_options(parser, "opts")
    return parser


# From arguments to work.


def require_libraries() -> None:
    """End with status 1 and one line where this Python has not what the commands run on."""
    missing = [name for name in ("torch", "detectron2") if importlib.util.find_spec(name) is None]
    if missing:
        sys.exit(f"error: {sys.executable} has no {missing[0]}: {how_to_install()}")


def how_to_install() -> str:
    """What gives a checkout its libraries, and an installed package the one that it cannot depend on."""
    root = Path(__file__).parents[1]
    if (root / "Makefile").is_file():
        return f"run `make setup` in {root}, then this command with {root}/.venv/bin/python"
    return "pip install --no-build-isolation git+https://github.com/facebookresearch/detectron2"


def run_command(
    parser: CommandParser, main: Callable[[argparse.Namespace], Any], arguments: Sequence[str] | None = None
) -> None:
    """Parse ``arguments`` (default: the command line) and call ``main(args)``, with errors of one line."""
    args = parser.parse_args(arguments)
    require_libraries()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # what a step is about shows as it begins, in a pipe too
    from d2ext.engine import one_line_errors

    with one_line_errors():
        main(args)


def run_training(parser: CommandParser, main: Callable[[argparse.Namespace], Any]) -> None:
    """The same in as many processes as asked for; ``main`` is a function of the command's module."""
    args = parser.parse_args()
    require_libraries()
    from d2ext.engine import default_main

    default_main(main, args)


# `python -m MODULE` imports the packages above a module before the module itself, and those are heavy.
MODULES: dict[str, Callable[[], CommandParser]] = {
    "d2ext.data.synthroad": synthroad_parser,
    "d2ext.data.synthtraffic": synthtraffic_parser,
}


def answer_module() -> None:
    """Parse the command line of ``python -m MODULE``; called by ``d2ext`` before its imports.

    Ends the program where help was asked for or the arguments are wrong; else the module parses them again.
    While Python looks for MODULE, ``sys.argv[0]`` is "-m" and the name is in ``sys.orig_argv`` only.
    """
    name = sys.orig_argv[-len(sys.argv)]
    if name in MODULES:
        MODULES[name]().parse_args(sys.argv[1:])
        require_libraries()
