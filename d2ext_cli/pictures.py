"""Arguments about what a demo looks at, and where it writes what it found."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import d2ext_cli
from d2ext_cli.types import number

if TYPE_CHECKING:
    from d2ext.engine.demo import Sources

_WILD = "*?["


def add_pictures(parser: d2ext_cli.CommandParser) -> None:
    """One picture, many, or a video; and pictures, a video and JSON to write."""
    parser.add_argument(
        "--input",
        required=True,
        nargs="+",
        type=picture_paths,
        metavar="IMAGE|FOLDER|'GLOB'|VIDEO",
        help="what to look at",
    )
    add_results(parser, "--output")


def add_results(parser: d2ext_cli.CommandParser, *flags: str, required: bool = True) -> None:
    """Where what was found goes: pictures or a video, by one of ``flags``, and JSON."""
    parser.add_argument(
        *flags,
        required=required,
        dest="output",
        type=_output,
        metavar="FILE|FOLDER",
        help="picture to write; of more than one a folder, or a video such as out.mp4",
    )
    parser.add_argument(
        "--json",
        type=d2ext_cli.output_file,
        help="boxes to write; of more than one a line each (default results.jsonl in the folder, or beside "
        "the video)",
    )
    parser.add_argument("--every", type=d2ext_cli.integer(1), default=1, help="look at each N-th only")
    parser.add_argument(
        "--fps",
        type=number(above=0, most=240),
        help="of the video that is written (default the input's, or 10)",
    )
    parser.add_argument(
        "--rerun",
        type=_recording,
        metavar="FILE.rrd",
        help="a recording for Rerun, with camera, pictures, boxes and sentences; needs rerun-sdk",
    )


def given_pictures(args: argparse.Namespace) -> Sources:
    """The arguments of :func:`add_pictures`.

    Raises:
        ValueError: results cannot be written there.
    """
    from d2ext.engine.demo import Sources

    paths = [path for group in args.input for path in group]
    sources = Sources(paths, args.output, args.json, args.every, args.fps, args.rerun)
    sources.check()
    return sources


def picture_paths(text: str) -> list[Path]:
    """The type of such an argument: the files of a glob, or one file or folder."""
    if any(letter in text for letter in _WILD) and not Path(text).exists():
        path = Path(text)
        anchor = Path(path.anchor) if path.is_absolute() else Path()
        found = sorted(p for p in anchor.glob(str(path.relative_to(path.anchor))) if p.is_file())
        if not found:
            raise argparse.ArgumentTypeError(f"{text}: no such file")
        return found
    return [d2ext_cli.existing_path(text)]


def _output(text: str) -> Path:
    """A file or folder to write, in a folder that is there or can be made."""
    path = Path(text)
    (d2ext_cli.output_folder if path.is_dir() else d2ext_cli.output_file)(text)
    return path


def _recording(text: str) -> Path:
    """A file of Rerun to write."""
    if not text.lower().endswith(".rrd"):
        raise argparse.ArgumentTypeError(f"{text}: expected the name of a file .rrd")
    return d2ext_cli.output_file(text)
