"""Arguments of scripts that train several models and compare them."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import d2ext_cli
from d2ext_cli.types import integer, output_folder


def add_runs(
    parser: d2ext_cli.CommandParser,
    *,
    iterations: int,
    seeds: int,
    output: Path,
    variants: Collection[str] = (),
) -> None:
    """How long each is trained, how often, where to, and ``KEY VALUE ...`` for all of them; ``--only`` of
    ``variants`` where there are any."""
    help = f"training iterations of a run (default {iterations})"
    parser.add_argument("--iterations", type=integer(1), default=iterations, help=help)
    parser.add_argument("--seeds", type=integer(1), default=seeds, help=f"runs of each (default {seeds})")
    if variants:
        parser.add_argument("--only", nargs="+", choices=variants, default=list(variants), metavar="VARIANT")
    parser.add_argument("--output", type=output_folder, default=output)
    parser.add_argument("options", nargs="*", metavar="KEY VALUE", help="more options for every run")
    parser.add_check(lambda args: d2ext_cli.check_options(args.options))
