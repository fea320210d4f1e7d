#!/usr/bin/env python3
"""Find a camera's focal length, pitch, roll and height above the road from one of three things.

    .venv/bin/python scripts/calibrate.py --image road.jpg --points points.csv --output site
    .venv/bin/python scripts/calibrate.py --image road.jpg --lanes lanes.csv --output site
    .venv/bin/python scripts/calibrate.py --image drive.mp4 --vehicles drive.jsonl --output site

--points: a table with a header, at least 4 points of the road: their pixels u, v and their places x, y
(metres, x to the right of y seen from above: east and north) or lat, lon (degrees); with z or alt where the
road slopes or points lie above it.
--lanes: straight, parallel lines with the columns offset (metres to the right of the first line), u, v (two
or more points each), and along (metres along the line) for marks such as the beginnings of dashes, without
which the focal length has to be given.
--vehicles: boxes as demo.py writes them for a video or a folder of one camera's pictures, or a folder of
label files; some 200 boxes from near and far do well.

What is known is given: --focal, --fov, --intrinsics or --calib; --height, --pitch, --roll. Without a matrix
the principal point is the middle of the image. FOLDER gets calib/NAME.txt and denorm/NAME.txt as Rope3D has
them, planes/NAME.txt as KITTI has it, and NAME_grid.jpg: a metric grid on the road, to be looked at. Then

    .venv/bin/python projects/U2ENet/demo.py --config-file configs/U2ENet/u2enet_tiny_monomulti3d.yaml \\
        --input road.jpg --calib site/calib/road.txt --ground site/denorm/road.txt --text "All cars." \\
        --output out.png --opts MODEL.WEIGHTS d2ext://u2enet/tiny
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this checkout's modules, from any folder
from d2ext_cli import CommandParser, existing_file, existing_path, number, output_folder, run_command
from d2ext_cli.camera import add_camera, given_camera

if TYPE_CHECKING:
    import numpy as np

    from d2ext.structures.calibration.solve import Calibration
    from d2ext.structures.calibration.view import PixelGrid


def build_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    parser.add_argument(
        "--image",
        required=True,
        type=existing_file,
        help="picture of the camera, or video, of which the first",
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--points", type=existing_file, help="points of the road with known places")
    source.add_argument("--lanes", type=existing_file, help="lane lines with known offsets")
    source.add_argument("--vehicles", type=existing_path, help="boxes of vehicles: JSON lines, or labels")
    parser.add_argument(
        "--output", required=True, type=output_folder, help="folder for calib, denorm, planes"
    )
    add_camera(parser)
    parser.add_argument(
        "--height", type=number(above=0), help="metres of the camera above the road, if known"
    )
    parser.add_argument("--pitch", type=number(-89, 89), help="degrees that it looks down, if known")
    parser.add_argument("--roll", type=number(-45, 45), help="degrees, positive: horizon falls to the right")
    parser.add_argument(
        "--min-score", type=number(0, 1), default=0.3, help="least score of a box of --vehicles (default 0.3)"
    )
    parser.add_argument(
        "--step", type=number(above=0), help="metres between lines of the grid (default 1 or 5)"
    )
    return parser


def main(args: argparse.Namespace) -> None:
    from d2ext.data.frames import first_picture
    from d2ext.visualization import write_picture
    from d2ext.visualization.ground_grid import draw_ground_grid

    image = first_picture(args.image)
    grid, known = what_is_known(args, image.shape[:2])
    found, marks = calibrate(args, grid, known)
    for line in found.lines():
        print(line)
    name = args.image.stem
    paths = write_camera(args.output, name, found)
    picture = args.output / f"{name}_grid.jpg"
    write_picture(picture, draw_ground_grid(image, found.view, args.step, marks))
    print(f"wrote {', '.join(map(str, paths))}; look at {picture}")


def what_is_known(args: argparse.Namespace, size: tuple[int, int]) -> tuple[PixelGrid, dict[str, float]]:
    """Of the camera."""
    from d2ext.structures.calibration.view import PixelGrid

    known = {
        name: math.radians(getattr(args, name))
        for name in ("pitch", "roll")
        if getattr(args, name) is not None
    }
    if args.height is not None:
        known["height"] = args.height
    given = given_camera(args)
    if all(value is None for value in (given.calib, given.intrinsics, given.focal, given.fov)):
        return PixelGrid(size), known
    K = given.of(size).K
    known["focal"] = float(K[0, 0])
    return PixelGrid(size, (float(K[0, 2]), float(K[1, 2])), float(K[1, 1] / K[0, 0])), known


def calibrate(
    args: argparse.Namespace, grid: PixelGrid, known: dict[str, float]
) -> tuple[Calibration, np.ndarray | None]:
    """By what is given, and pixels to mark in the picture."""
    import numpy as np

    from d2ext.data.formats.calibration import read_lanes, read_points, read_vehicles
    from d2ext.structures.calibration.lanes import calibrate_lanes
    from d2ext.structures.calibration.points import calibrate_points
    from d2ext.structures.calibration.vehicle_boxes import SeenVehicles
    from d2ext.structures.calibration.vehicles import calibrate_vehicles

    if args.points is not None:
        pixels, positions = read_points(args.points)
        found = calibrate_points(pixels, positions, grid, known)
        print(f"{found.count} points, {found.residual:.1f} pixels off")
        return found, pixels
    if args.lanes is not None:
        lines = read_lanes(args.lanes)
        found = calibrate_lanes(lines, grid, known)
        print(f"{found.count} lines, {found.residual:.1f} pixels off")
        return found, np.concatenate([line.pixels for line in lines])
    names, boxes = read_vehicles(args.vehicles, args.min_score)
    found = calibrate_vehicles(SeenVehicles.of_classes(names, boxes, grid.image_size), grid, known)
    print(f"{found.count} of {len(boxes)} boxes")
    return found, None


def write_camera(folder: Path, name: str, found: Calibration) -> list[Path]:
    """Files as Rope3D and KITTI have them."""
    from d2ext.files import write_bytes

    plane = " ".join(f"{value:.10g}" for value in found.view.plane)
    numbers = " ".join(f"{value:.10g}" for row in found.view.projection for value in row)
    texts = {
        "calib": f"P2: {numbers}\n",
        "denorm": f"{plane}\n",
        "planes": f"# Plane\nWidth 4\nHeight 1\n{plane}\n",
    }
    paths = [folder / kind / f"{name}.txt" for kind in texts]
    for path, text in zip(paths, texts.values(), strict=True):
        write_bytes(path, text.encode())
    return paths


if __name__ == "__main__":
    run_command(build_parser(), main)
