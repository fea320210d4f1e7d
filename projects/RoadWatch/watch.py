#!/usr/bin/env python3
"""Watch a road: from the video of a fixed camera to tracks, speeds, counts and alarms.

    .venv/bin/python projects/RoadWatch/watch.py --config-file configs/RoadWatch/road_watch.yaml \\
        --input clip.mp4 --calib calib.txt --ground denorm.txt --road road.json --output watched

--input is a video, a folder of pictures or a stream (rtsp://...). --output gets tracks.csv (a recording as
TrajAD reads it), boxes.txt (all tracks as KITTI's label_02), events.jsonl (a line when an alarm is raised and
one when it is over), counts.csv, pictures/ of the alarms and video/. The same command again goes on where the
last run stopped, whatever ended it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # this checkout's modules, from any folder
from d2ext_cli import (
    CommandParser,
    add_config_file,
    add_options,
    existing_file,
    integer,
    number,
    output_folder,
    run_command,
)
from d2ext_cli.camera import add_camera, add_ground, add_road, given_camera, given_ground


def build_parser() -> CommandParser:
    """The arguments."""
    parser = CommandParser(__doc__)
    add_config_file(parser, "RoadWatch")
    parser.add_argument("--input", required=True, help="video, folder of pictures, or address of a stream")
    add_camera(parser)
    add_ground(parser)
    add_road(parser)
    parser.add_argument("--output", required=True, type=output_folder, help="folder of the results")
    parser.add_argument("--device", default="", help="for the models, such as cuda (default: the configs')")
    parser.add_argument("--fps", type=number(0), help="pictures a second to look at, at most")
    parser.add_argument("--max-frames", type=integer(1), help="stop after so many pictures")
    parser.add_argument(
        "--real-time", action="store_true", help="read a file as fast as it was recorded, drop what is late"
    )
    parser.add_argument("--cold", action="store_true", help="do not start detection from the tracks")
    parser.add_argument(
        "--labels", type=existing_file, help="KITTI tracking labels in the place of a detector's objects"
    )
    add_options(parser)
    return parser


def main(args: argparse.Namespace) -> None:
    """Watch."""
    from d2ext.engine import load_config
    from d2ext.projects.road_watch import add_road_watch_config
    from d2ext.projects.road_watch.setup import Place, make_run

    options = [*args.opts]
    options += ["ROAD_WATCH.SOURCE.FPS", str(args.fps)] if args.fps is not None else []
    options += ["ROAD_WATCH.DETECTOR.WARM_START", "False"] if args.cold else []
    cfg = load_config(add_road_watch_config, args.config_file, options)
    place = Place(given_camera(args), given_ground(args), args.road, args.device, args.labels)
    run = make_run(cfg, args.input, place, args.output, most=args.max_frames or 0, in_time=args.real_time)
    print(run.go().line())
    print(f"wrote {args.output}")


if __name__ == "__main__":
    run_command(build_parser(), main)
