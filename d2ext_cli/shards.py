"""Arguments of predictions over lists of images on Ray."""

from __future__ import annotations

import d2ext_cli
from d2ext_cli.types import integer, number


def add_shards(parser: d2ext_cli.CommandParser) -> None:
    """How the work is cut, and who does it."""
    parser.add_argument("--shard-size", type=integer(1), default=500, help="images in a file of answers")
    parser.add_argument("--actors", type=integer(1), help="models at work; default: one a GPU, or one")
    parser.add_argument(
        "--gpus-per-actor", type=number(0), help="0 for the CPU; default: 1 where there is a GPU"
    )
    parser.add_argument(
        "--ray", default="local", help="address of a Ray cluster, auto for the one of this machine"
    )
