#!/usr/bin/env python3
"""Turn recordings of a published format into recordings that TrajAD reads as they are.

    .venv/bin/python scripts/convert.py 01_tracks.csv --layout highd --output datasets/trajectories/train
    .venv/bin/python scripts/convert.py fcd.xml --layout sumo --output datasets/trajectories/test
    .venv/bin/python scripts/convert.py own/*.csv --output out --opts TIME_UNIT 0.001 BACKWARD_LANES "['2']"

Each gives FOLDER/NAME.csv with track_id, time (s), lane, position (m) and speed (m/s). Formats with x and y
need the centre lines of the lanes, --road. --opts takes the keys of INPUT.RECORDING, explained in
d2ext/data/config.py. With D2EXT_SKIP_BROKEN=1 in the environment broken recordings are left out and counted.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this checkout's modules, from any folder
from d2ext_cli import LAYOUTS, CommandParser, add_options, existing_file, output_folder, run_command


def build_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    parser.add_argument("input", nargs="+", type=Path, help="recordings, or folders of them")
    parser.add_argument("--output", required=True, type=output_folder, help="folder to write into")
    parser.add_argument("--layout", choices=LAYOUTS, default="plain", help="format of the recordings")
    parser.add_argument(
        "--road", type=existing_file, help="road.json, SUMO net (.net.xml) or OpenDRIVE (.xodr)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there")
    add_options(parser)
    return parser


def main(args: argparse.Namespace) -> None:
    from detectron2.config import get_cfg

    import d2ext  # noqa: F401  (silences import-time warnings)
    from d2ext.data.config import add_anomaly_data_config
    from d2ext.data.formats.rows import BrokenRows
    from d2ext.data.recordings import column_map
    from d2ext.data.skipping import skip_broken
    from d2ext.data.trajectories import convert, graph_keys, read_road, summary

    cfg = get_cfg()
    add_anomaly_data_config(cfg)
    keys = [f"INPUT.RECORDING.{word}" if i % 2 == 0 else word for i, word in enumerate(args.opts)]
    cfg.merge_from_list(["INPUT.RECORDING.LAYOUT", args.layout, *keys])
    columns = column_map(cfg)
    road = None if args.road is None else read_road(args.road)
    jobs = plan(args.input, args.output, args.overwrite)
    args.output.mkdir(parents=True, exist_ok=True)
    broken, done = BrokenRows(skip_broken()), []
    for number, (source, target) in enumerate(jobs, start=1):
        with broken:
            tracks = convert(source, target, columns, road)
            done.append(tracks)
            print(f"[{number}/{len(jobs)}] {target}: {summary(tracks)}", flush=True)
    if broken.count:
        print(
            f"left out {broken.count} of {len(jobs)} recordings, the first: {broken.first}", file=sys.stderr
        )
    if not done:
        raise ValueError(f"no recording of {len(jobs)} could be converted")
    print(f"to draw them all: {graph_keys(done)}")


def plan(inputs: list[Path], folder: Path, overwrite: bool) -> list[tuple[Path, Path]]:
    """The recordings to read and the files to write.

    Raises:
        FileNotFoundError, ValueError: an input is missing, or would be overwritten, or two have one name; a
            file to write is there.
    """
    from d2ext.data.formats.trajectories import is_recording

    jobs: dict[Path, Path] = {}
    for path in inputs:
        if not path.exists():
            raise FileNotFoundError(f"{path}: no such file or folder")
        found = sorted(filter(is_recording, path.iterdir())) if path.is_dir() else [path]
        if not found:
            raise ValueError(f"{path}: no recording in this folder")
        for source in found:
            target = folder / f"{source.stem}.csv"
            if target in jobs:
                raise ValueError(f"{source}: would be written to {target} as {jobs[target]} is")
            if target.exists() and (not overwrite or target.samefile(source)):
                raise ValueError(f"{target}: is there already (--overwrite replaces it, but never its input)")
            jobs[target] = source
    return [(source, target) for target, source in jobs.items()]


if __name__ == "__main__":
    run_command(build_parser(), main)
