"""python -m d2ext.data.synthtraffic --root DIR --seed S [--train N --val N --test N] [--workers W]"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from d2ext.data.synthesis import OneLineParser, run_command
from d2ext.data.synthtraffic.generate import generate


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code (2: bad arguments or a folder that is in use)."""
    parser = OneLineParser(
        prog="python -m d2ext.data.synthtraffic", description="Simulate the SynthTraffic benchmark."
    )
    parser.add_argument(
        "--root", required=True, help="folder to write; empty, new, or the same benchmark unfinished"
    )
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--train", type=int, default=1000, help="normal recordings (default 1000)")
    parser.add_argument("--val", type=int, default=60, help="normal recordings (default 60)")
    parser.add_argument("--test", type=int, default=216, help="recordings, every second normal (default 216)")
    parser.add_argument("--workers", type=int, default=1, help="processes (default 1)")
    args = parser.parse_args(arguments)
    counts = (args.train, args.val, args.test)
    return run_command(
        parser, args.root, lambda: generate(args.root, args.seed, *counts, workers=args.workers)
    )


if __name__ == "__main__":
    sys.exit(main())
