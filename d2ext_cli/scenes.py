"""Arguments of the commands that draw datasets of scenes."""

from __future__ import annotations

from d2ext_cli import (
    CommandParser,
    add_config_file,
    add_options,
    integer,
    number,
    output_file,
    output_folder,
)


def drawing_parser(description: str | None, strength: float | None, dataset: str) -> CommandParser:
    """Arguments of a command that draws a dataset.

    Args:
        strength: default of ``--strength``; None: the command has none.
        dataset: what ``--dataset`` is.
    """
    parser = CommandParser(description)
    add_config_file(parser, "SceneSana")
    parser.add_argument("--dataset", required=True, help=dataset)
    parser.add_argument("--root", required=True, type=output_folder, help="folder to write; empty or new")
    parser.add_argument("--split", choices=("train", "val", "test"), default="train", help="to write")
    parser.add_argument("--seed", type=integer(0), default=0)
    parser.add_argument("--limit", type=integer(1), help="pictures of the dataset to use, spread over it")
    parser.add_argument("--sheet", type=output_file, help="sheet of pictures to write")
    parser.add_argument("--keep-repeats", action="store_true", help="keep near-repeats of training pictures")
    if strength is not None:
        parser.add_argument(
            "--strength",
            type=number(most=1, above=0),
            default=strength,
            help=f"how much of a picture is drawn anew, above 0, 1: all (default {strength})",
        )
    add_options(parser)
    return parser
