"""python -m d2ext.data.synthroad --root DIR --seed S [--train N --val N --test N] [--workers W]"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from d2ext.data.synthesis import OneLineParser, run_command
from d2ext.data.synthroad.generate import LANGUAGES, generate


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code (2: bad arguments or a folder that is in use)."""
    parser = OneLineParser(prog="python -m d2ext.data.synthroad", description="Render the SynthRoad dataset.")
    parser.add_argument(
        "--root", required=True, help="folder to write; empty, new, or the same dataset unfinished"
    )
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--train", type=int, default=1000, help="images per camera (default 1000)")
    parser.add_argument("--val", type=int, default=100, help="images per camera (default 100)")
    parser.add_argument("--test", type=int, default=200, help="images per camera (default 200)")
    parser.add_argument("--workers", type=int, default=1, help="processes (default 1)")
    parser.add_argument(
        "--language", choices=sorted(LANGUAGES), default="en", help="of the sentences; both: by turns"
    )
    args = parser.parse_args(arguments)
    counts = (args.train, args.val, args.test)
    return run_command(
        parser,
        args.root,
        lambda: generate(args.root, args.seed, *counts, workers=args.workers, language=args.language),
    )


if __name__ == "__main__":
    sys.exit(main())
