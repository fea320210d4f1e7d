"""Arguments of predictions over lists of images on Ray."""

from __future__ import annotations

import d2ext_cli
from d2ext_cli.types import integer, number, output_folder


def add_shards(parser: d2ext_cli.CommandParser) -> None:
    """What is answered, where to, how the work is cut, and who does it."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--list", type=d2ext_cli.existing_file, help="JSON lines")
    source.add_argument("--folder", type=d2ext_cli.existing_folder, help="one split of a dataset")
    parser.add_argument("--output", required=True, type=output_folder, help="folder for the answers")
    parser.add_argument("--shard-size", type=integer(1), default=500, help="images in a file of answers")
    parser.add_argument("--actors", type=integer(1), help="models at work; default: one a GPU, or one")
    parser.add_argument(
        "--gpus-per-actor", type=number(0), help="0 for the CPU; default: 1 where there is a GPU"
    )
    parser.add_argument(
        "--ray", default="local", help="address of a Ray cluster, auto for the one of this machine"
    )
