"""Arguments of the picture that a generator draws on."""

from __future__ import annotations

import argparse


def add_backdrop(parser: argparse.ArgumentParser) -> None:
    """Add the picture, its camera and its lanes."""
    parser.add_argument(
        "--background", help="picture of an empty road to draw on, in place of rendered roads (see README)"
    )
    parser.add_argument("--calib", help="its calibration: P2 of KITTI's format")
    parser.add_argument("--ground", help="its ground plane: a b c d, as in Rope3D's denorm")
    parser.add_argument(
        "--lanes",
        default="",
        help="its lanes, x1,y1,x2,y2 in pixels along the traffic; several: with ; between",
    )


def check_backdrop(args: argparse.Namespace) -> None:
    """Check that the picture comes with its camera, and these with a picture.

    Raises:
        ValueError: one is missing.
    """
    if args.background and not (args.calib and args.ground):
        raise ValueError("--background needs --calib and --ground of its camera")
    if not args.background and (args.calib or args.ground or args.lanes):
        raise ValueError("--calib, --ground and --lanes are those of a --background")
