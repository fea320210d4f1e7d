"""python -m d2ext.data.synthroad --root DIR --seed S [--train N ...] [--cameras NAMES] [--workers W]
or, for a page of pictures in place of a data set: --sheet FILE.jpg --seed S [--cameras NAMES]
or, clips with tracks and anomalies: --video --root DIR --seed S [--clips N --seconds S --camera NAME ...]
or, on one's own picture: --root DIR --seed S --background IMAGE --calib FILE --ground FILE [--lanes ...]"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from d2ext.data.synthesis import run_command
from d2ext.data.synthroad.generate import generate
from d2ext.data.synthroad.sheet import write_sheet
from d2ext.data.synthroad.video import Settings, generate_video
from d2ext_cli import synthroad_parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code (2: bad arguments or a folder that is in use)."""
    args = synthroad_parser().parse_args(arguments)
    if args.sheet:
        return run_command(args.sheet, lambda: write_sheet(args.sheet, args.cameras, args.seed))
    if args.video:
        return run_command(args.root, lambda: _film(args))
    counts = (args.train, args.val, args.test)
    files = {"background": args.background, "calib": args.calib, "ground": args.ground}
    backdrop = {name: os.path.abspath(path) for name, path in files.items() if path}
    if args.lanes:
        backdrop["lanes"] = args.lanes
    return run_command(
        args.root,
        lambda: generate(
            args.root,
            args.seed,
            *counts,
            workers=args.workers,
            language=args.language,
            cameras=args.cameras,
            backdrop=backdrop,
        ),
    )


def _film(args: argparse.Namespace) -> bool:
    settings = Settings(
        args.seed,
        args.clips,
        args.seconds,
        args.camera,
        args.anomalies,
        args.width,
        args.mp4,
        args.tracks_only,
    )
    return generate_video(args.root, settings, args.workers)


if __name__ == "__main__":
    sys.exit(main())
