#!/usr/bin/env python3
"""Render a clip of simulated traffic in which something happens, and watch it.

    .venv/bin/python projects/RoadWatch/demo.py \\
        --config-file configs/RoadWatch/road_watch_synthroad.yaml --output output/road_watch --kind wrong_way

The folder gets clip/ and watched/, whose video/ shows the boxes with numbers and km/h, and alarms in red.
With --labels the labelled boxes stand in the place of a detector's.
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
    integer,
    number,
    output_folder,
    run_command,
)


def build_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    add_config_file(parser, "RoadWatch")
    parser.add_argument("--output", required=True, type=output_folder, help="folder of clip and results")
    parser.add_argument("--kind", default="stopped", help='what happens, such as wrong_way; "good": nothing')
    parser.add_argument("--seconds", type=number(1), default=20.0, help="of the clip")
    parser.add_argument("--width", type=integer(0), default=512, help="of its pictures")
    parser.add_argument("--seed", type=integer(0), default=0)
    parser.add_argument("--labels", action="store_true", help="labelled boxes in the place of a detector's")
    parser.add_argument("--device", default="", help="for the models (default: the configs')")
    add_options(parser)
    return parser


def main(args: argparse.Namespace) -> None:
    from d2ext.data.given_camera import GivenCamera, GivenGround
    from d2ext.data.synthroad.video import Settings, generate_video
    from d2ext.engine import load_config
    from d2ext.projects.road_watch import add_road_watch_config
    from d2ext.projects.road_watch.figures import find_clips
    from d2ext.projects.road_watch.setup import Place, make_run

    cfg = load_config(add_road_watch_config, args.config_file, args.opts)
    settings = Settings(args.seed, 1, args.seconds, anomalies=args.kind, width=args.width)
    generate_video(args.output / "clip", settings)
    (clip,) = find_clips(args.output / "clip")
    labels = clip.file("label_02") if args.labels else None
    camera, ground = GivenCamera(clip.file("calib")), GivenGround(clip.file("denorm"))
    place = Place(camera, ground, clip.file("road", ".json"), args.device, labels)
    watched = args.output / "watched"
    print(make_run(cfg, str(clip.pictures), place, watched).go().line())
    for line in (watched / "events.jsonl").read_text().splitlines():
        print(line)
    print(f"wrote {watched}")


if __name__ == "__main__":
    run_command(build_parser(), main)
