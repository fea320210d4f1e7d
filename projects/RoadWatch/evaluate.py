#!/usr/bin/env python3
"""Measure the chain on rendered clips: tracks, speeds, counts, events, in one table.

    .venv/bin/python -m d2ext.data.synthroad --video --root datasets/watched --seed 7 --clips 20
    .venv/bin/python projects/RoadWatch/evaluate.py \\
        --config-file configs/RoadWatch/road_watch_synthroad.yaml \\
        --clips datasets/watched --output output/watched

Ways: "warm" starts detection from the tracks, "cold" from noise alone, "labels" takes the labelled boxes in
the place of a detector's, which is what the alarms are from true tracks. It goes on where it was stopped;
clips that are done are not run again.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # this checkout's modules, from any folder
from d2ext_cli import (
    CommandParser,
    add_config_file,
    add_options,
    existing_folder,
    integer,
    number,
    output_folder,
    run_command,
)

WAYS = ("labels", "warm", "cold")


def build_parser() -> CommandParser:
    """The arguments."""
    parser = CommandParser(__doc__)
    add_config_file(parser, "RoadWatch")
    parser.add_argument("--clips", required=True, type=existing_folder, help="root of the clips")
    parser.add_argument("--output", required=True, type=output_folder, help="folder of runs and table")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS), help="default all")
    parser.add_argument("--most", type=integer(1), help="look at so many clips only")
    parser.add_argument("--farthest", type=number(above=0), default=90.0, help="m; boxes beyond do not count")
    parser.add_argument("--device", default="", help="for the models (default: the configs')")
    add_options(parser)
    return parser


def main(args: argparse.Namespace) -> None:
    """Run what is missing, then measure all."""
    from d2ext.engine import load_config
    from d2ext.evaluation import format_table
    from d2ext.files import write_bytes, write_json
    from d2ext.projects.road_watch import add_road_watch_config
    from d2ext.projects.road_watch.figures import Measured, find_clips

    table = {}
    clips = find_clips(args.clips)[: args.most]
    for way in args.ways:
        options = [*args.opts, "ROAD_WATCH.DETECTOR.WARM_START", str(way == "warm")]
        options += ["ROAD_WATCH.OUTPUT.VIDEO_SECONDS", "0.0"]
        cfg = load_config(add_road_watch_config, args.config_file, options)
        measured = Measured()
        for clip in clips:
            folder = args.output / way / clip.name
            took = run_clip(cfg, clip, way, folder, args.device)
            measured.pictures += int(took["pictures"])
            measured.seconds += took["seconds"]
            measured.add(clip, folder, cfg.ROAD_WATCH.COUNT_LINE, args.farthest)
            print(f"{way} {clip.name}: done")
        table[way] = measured.table()
        write_json(args.output / "figures.json", {k: _finite(v) for k, v in table.items()})
        write_bytes(args.output / "table.md", (format_table("way", table, "github") + "\n").encode())
    print(format_table("way", table))


def run_clip(cfg: Any, clip: Any, way: str, folder: Path, device: str) -> dict[str, float]:
    """A clip through the chain; pictures and seconds of the run that completed it."""
    from d2ext.data.given_camera import GivenCamera, GivenGround
    from d2ext.files import write_json
    from d2ext.projects.road_watch.setup import Place, make_run

    took = folder.with_suffix(".json")
    if took.is_file():
        return json.loads(took.read_text())
    labels = clip.file("label_02") if way == "labels" else None
    camera, ground = GivenCamera(clip.file("calib")), GivenGround(clip.file("denorm"))
    place = Place(camera, ground, clip.file("road", ".json"), device, labels)
    tally = make_run(cfg, str(clip.pictures), place, folder).go()
    content = {"pictures": tally.pictures, "seconds": tally.seconds}
    write_json(took, content)
    return content


def _finite(row: dict[str, float]) -> dict[str, float | None]:
    """JSON has no nan."""
    return {name: value if value == value else None for name, value in row.items()}


if __name__ == "__main__":
    run_command(build_parser(), main)
