#!/usr/bin/env python3
"""Find the lanes of a watched road from the tracks of the vehicles on it, and write them as road.json.

    .venv/bin/python projects/RoadWatch/watch.py --config-file configs/RoadWatch/road_watch.yaml \\
        --input road.mp4 --calib calib.txt --ground denorm.txt --output watched
    .venv/bin/python projects/RoadWatch/find_lanes.py --tracks watched/boxes.txt \\
        --calib calib.txt --ground denorm.txt --image road.mp4 --output road.json

A lane is where enough vehicles drove one behind the other, in their direction. PICTURE (road.jpg beside
road.json) shows the lines on the road: look at it, and correct road.json where it is wrong, before

    .venv/bin/python projects/RoadWatch/watch.py --config-file configs/RoadWatch/road_watch.yaml \\
        --input road.mp4 --calib calib.txt --ground denorm.txt --road road.json --output watched_lanes

counts and raises alarms by them. An hour of quiet traffic does well.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # this checkout's modules, from any folder
from d2ext_cli import CommandParser, existing_file, integer, number, output_file, run_command
from d2ext_cli.camera import add_camera, add_ground, given_camera, given_ground

if TYPE_CHECKING:
    import numpy as np


def build_parser() -> CommandParser:
    """The arguments."""
    parser = CommandParser(__doc__)
    parser.add_argument(
        "--tracks", required=True, nargs="+", type=existing_file, help="in KITTI's label_02 format: boxes.txt"
    )
    add_camera(parser)
    add_ground(parser)
    parser.add_argument("--image", type=existing_file, help="picture or video of the camera, for PICTURE")
    parser.add_argument("--output", required=True, type=output_file, help="road.json")
    parser.add_argument("--classes", nargs="+", help="names of what drives on lanes (default: vehicles)")
    parser.add_argument(
        "--width", type=number(above=0), default=3.2, help="m from one lane to the next (default 3.2)"
    )
    parser.add_argument(
        "--least-vehicles", type=integer(1), default=3, help="on every metre of a lane (default 3)"
    )
    parser.add_argument(
        "--farthest", type=number(above=0), default=90.0, help="m from the camera (default 90)"
    )
    parser.add_argument("--least-length", type=number(above=0), default=15.0, help="m of a lane (default 15)")
    return parser


def main(args: argparse.Namespace) -> None:
    """Find, write and draw."""
    from d2ext.data.frames import first_picture
    from d2ext.files import write_json
    from d2ext.tracking import GroundFrame
    from d2ext.tracking.lanes import LaneRules, find_lanes
    from d2ext.visualization import write_picture
    from d2ext.visualization.lanes import draw_lanes

    plane = given_ground(args).plane()
    if plane is None:
        raise ValueError("the ground plane: expected --ground, or --height with --pitch")
    image = None if args.image is None else first_picture(args.image)
    camera = None if image is None else given_camera(args).of(image.shape[:2])
    paths = [path for file in args.tracks for path in read_paths(file, plane, args)]
    lanes = find_lanes(paths, LaneRules(args.width, args.least_vehicles, args.least_length))
    if not lanes:
        few = f"{len(paths)} vehicles, no lane with {args.least_vehicles} over {args.least_length:g} m"
        raise ValueError(f"{args.tracks[0]}: {few}; expected longer tracks, or --least-vehicles")
    rows = {name: line.round(2).tolist() for name, line in lanes.items()}
    write_json(args.output, {"lanes": rows, "half_width": round(0.6 * args.width, 2)})
    for name, line in lanes.items():
        print(f"lane {name}: {len(line)} m")
    said = f"wrote {args.output} of {len(paths)} vehicles"
    if image is not None and camera is not None:
        picture = args.output.with_suffix(".jpg")
        write_picture(picture, draw_lanes(image, lanes, GroundFrame(plane), camera))
        said += f"; look at {picture}"
    print(said)


def read_paths(file: Path, plane: list[float], args: argparse.Namespace) -> list[np.ndarray]:
    """(T, 2) m on the ground, of each track of --classes as far as --farthest.

    Raises:
        FileNotFoundError, ValueError: no such file, no such labels, or an unknown class.
    """
    import numpy as np

    from d2ext.data.formats.kitti_tracking import read_kitti_tracks
    from d2ext.projects.road_watch.config import VEHICLES
    from d2ext.structures.vocabulary import ROAD

    classes = args.classes or VEHICLES
    for name in classes:
        if name not in (*ROAD.names, *VEHICLES):  # of which some are other datasets'
            raise ValueError(f"--classes {name[:40]}: expected names of {', '.join(ROAD.names)}")
    tracks = read_kitti_tracks(file, ground=plane)
    wanted = np.isin(tracks.classes, [number for number, name in enumerate(ROAD.names) if name in classes])
    places = tracks.frame_of_ground().to_ground(tracks.location)[:, :2]
    wanted &= tracks.has_3d & (np.linalg.norm(places, axis=1) <= args.farthest)
    return [places[wanted & (tracks.ids == name)] for name in np.unique(tracks.ids[wanted])]


if __name__ == "__main__":
    run_command(build_parser(), main)
