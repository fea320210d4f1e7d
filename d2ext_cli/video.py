"""Arguments for clips in place of pictures."""

from __future__ import annotations

import argparse

from d2ext_cli.types import integer, number

#: What is said where nothing is.
_DEFAULTS = {
    "clips": 20,
    "seconds": 60.0,
    "camera": "rope3d",
    "anomalies": "0.5",
    "width": 0,
    "mp4": False,
    "tracks_only": False,
}
#: Arguments of pictures, and what they are where they are not given.
_OTHERS = {
    "train": 1000, "val": 100, "test": 200, "language": "en", "cameras": "kitti,rope3d", "sheet": None,
    "background": None,
}  # fmt: skip


def add_video(parser: argparse.ArgumentParser) -> None:
    """Add the flag and what belongs to it."""
    parser.add_argument(
        "--video",
        action="store_true",
        help="clips of simulated traffic at 10 pictures a second in place of pictures, with tracks, events "
        "and recordings of the traffic",
    )
    parser.add_argument("--clips", type=integer(1), help="with --video: how many (default 20)")
    parser.add_argument("--seconds", type=number(1), help="with --video: of each clip (default 60)")
    parser.add_argument(
        "--camera",
        help="with --video: a family on a pole (default rope3d); an unknown name is answered with the list",
    )
    parser.add_argument(
        "--anomalies",
        help="with --video: the share of clips that have one (default 0.5), or kinds for the clips in turn, "
        "comma-separated, or none",
    )
    parser.add_argument(
        "--width", type=integer(0), help="with --video: of the pictures in pixels (default the camera's)"
    )
    parser.add_argument(
        "--mp4", action="store_true", default=None, help="with --video: each clip as a video file besides"
    )
    parser.add_argument(
        "--tracks-only",
        action="store_true",
        default=None,
        help="with --video: the recordings of the traffic without pictures, in seconds",
    )


def check_video(args: argparse.Namespace) -> None:
    """Fill in what is not given.

    Raises:
        ValueError: arguments of clips without ``--video``, or with it those of pictures.
    """
    given = [name for name in _DEFAULTS if getattr(args, name) is not None]
    if given and not args.video:
        raise ValueError(f"--{given[0].replace('_', '-')} is for --video")
    for name in _OTHERS if args.video else ():
        if getattr(args, name) != _OTHERS[name]:
            raise ValueError(f"--{name} does not go with --video")
    for name, value in _DEFAULTS.items():
        if getattr(args, name) is None:
            setattr(args, name, value)
