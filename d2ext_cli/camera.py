"""Arguments about pictures and the camera that took them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import d2ext_cli
from d2ext_cli.types import number

if TYPE_CHECKING:
    from d2ext.data.given_camera import CameraOfEach, GivenCamera, GivenGround

_CAMERA = ("calib", "intrinsics", "focal", "fov")


def add_camera(parser: d2ext_cli.CommandParser) -> None:
    """What is known of the camera, in the form in which people have it; nothing is required."""
    parser.add_argument(
        "--calib",
        type=d2ext_cli.existing_path,
        help="KITTI or Rope3D calibration with a P2 line, or a folder of them by the images' names",
    )
    parser.add_argument(
        "--intrinsics", metavar="FILE|'9 NUMBERS'", help="3x3 matrix, row by row, or a file of it"
    )
    parser.add_argument("--focal", type=number(above=0), help="focal length in pixels")
    parser.add_argument("--fov", type=number(1, 175), help="field of view across, in degrees")
    parser.add_argument(
        "--sensor-width",
        type=number(above=0),
        help="mm, for photographs whose EXIF has the focal length in mm",
    )
    parser.add_check(_check_camera)


def add_ground(parser: d2ext_cli.CommandParser) -> None:
    """What is known of the road below the camera."""
    parser.add_argument(
        "--ground",
        type=d2ext_cli.existing_path,
        help="ground plane: Rope3D denorm file or KITTI planes file, or a folder of them",
    )
    parser.add_argument(
        "--height", type=number(above=0), help="metres of the camera above the road, for --ground"
    )
    parser.add_argument(
        "--pitch", type=number(-89, 89), help="degrees by which the camera looks down (default 0)"
    )
    parser.add_argument("--roll", type=number(-45, 45), help="degrees, positive: horizon falls to the right")
    parser.add_check(_check_ground)


def add_road(parser: d2ext_cli.CommandParser) -> None:
    """What is known of the lanes of a watched road."""
    parser.add_argument(
        "--road",
        type=d2ext_cli.existing_file,
        help="road.json: centre lines of lanes, which find_lanes.py of RoadWatch makes; without it tracks "
        "only, neither counts nor alarms",
    )


def _check_camera(args: argparse.Namespace) -> None:
    given = [f"--{name}" for name in _CAMERA if getattr(args, name) is not None]
    if len(given) > 1:
        raise ValueError(f"{' and '.join(given)}: expected one of them")


def _check_ground(args: argparse.Namespace) -> None:
    numbers = [f"--{name}" for name in ("height", "pitch", "roll") if getattr(args, name) is not None]
    if args.ground is not None and numbers:
        raise ValueError(f"--ground and {numbers[0]}: expected one of them")
    if numbers and args.height is None:
        raise ValueError(f"{numbers[0]}: expected --height with it")


def given_camera(args: argparse.Namespace) -> GivenCamera:
    """The arguments of :func:`add_camera`."""
    from d2ext.data.given_camera import GivenCamera

    calib: Path | None = args.calib
    return GivenCamera(calib, args.intrinsics, args.focal, args.fov, args.sensor_width)


def given_ground(args: argparse.Namespace) -> GivenGround:
    """The arguments of :func:`add_ground`."""
    from d2ext.data.given_camera import GivenGround

    return GivenGround(args.ground, args.height, args.pitch or 0.0, args.roll or 0.0)


def given_cameras(args: argparse.Namespace) -> CameraOfEach:
    """The arguments of :func:`add_camera` and :func:`add_ground`, for one image after the other."""
    from d2ext.data.given_camera import CameraOfEach

    return CameraOfEach(given_camera(args), given_ground(args))
