"""Arguments of the modules that write synthetic datasets."""

from __future__ import annotations

import argparse

from d2ext_cli.backdrop import add_backdrop, check_backdrop
from d2ext_cli.parser import CommandParser
from d2ext_cli.types import integer, output_file, output_folder
from d2ext_cli.video import add_video, check_video


def synthroad_parser() -> CommandParser:
    """Arguments of ``python -m d2ext.data.synthroad``."""
    parser = _generator_parser("synthroad", "Render the SynthRoad dataset.", "dataset", root=False)
    parser.add_argument(
        "--sheet", type=output_file, help="image to write in place of a dataset: a page of pictures"
    )
    parser.add_argument("--train", type=integer(0), default=1000, help="images per layout (default 1000)")
    parser.add_argument("--val", type=integer(0), default=100, help="images per layout (default 100)")
    parser.add_argument("--test", type=integer(0), default=200, help="images per layout (default 200)")
    parser.add_argument(
        "--language", choices=("both", "en", "zh"), default="en", help="of the sentences; both: by turns"
    )
    parser.add_argument(
        "--cameras",
        default="kitti,rope3d",
        help="families by name, comma-separated, or all (for training); default kitti,rope3d; an unknown "
        "name is answered with the list",
    )
    add_backdrop(parser)
    add_video(parser)
    parser.add_check(_writes_one_thing)
    parser.add_check(check_backdrop)
    parser.add_check(check_video)
    return parser


def synthtraffic_parser() -> CommandParser:
    """Arguments of ``python -m d2ext.data.synthtraffic``."""
    parser = _generator_parser("synthtraffic", "Simulate the SynthTraffic benchmark.", "benchmark")
    parser.add_argument("--train", type=integer(0), default=1000, help="normal recordings (default 1000)")
    parser.add_argument("--val", type=integer(0), default=60, help="normal recordings (default 60)")
    parser.add_argument(
        "--test", type=integer(0), default=216, help="recordings, every second normal (default 216)"
    )
    return parser


def _generator_parser(name: str, description: str, what: str, root: bool = True) -> CommandParser:
    parser = CommandParser(description, prog=f"python -m d2ext.data.{name}")
    parser.add_argument(
        "--root",
        required=root,
        type=output_folder,
        help=f"folder to write; empty, new, or the same {what} unfinished",
    )
    parser.add_argument("--seed", type=integer(0), required=True)
    parser.add_argument("--workers", type=integer(1), default=1, help="processes (default 1)")
    parser.add_check(_has_something_to_make)
    return parser


def _writes_one_thing(args: argparse.Namespace) -> None:
    if (args.root is None) is (args.sheet is None):
        raise ValueError("expected one of --root, a folder for a dataset, and --sheet, an image")


def _has_something_to_make(args: argparse.Namespace) -> None:
    if not args.train + args.val + args.test:
        raise ValueError("--train, --val and --test are all 0: nothing to make")
