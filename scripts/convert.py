#!/usr/bin/env python3
"""Turn recordings and datasets of a published format into others.

    .venv/bin/python scripts/convert.py 01_tracks.csv --layout highd --output datasets/trajectories/train
    .venv/bin/python scripts/convert.py fcd.xml --layout sumo --output datasets/trajectories/test
    .venv/bin/python scripts/convert.py own/*.csv --output out --opts TIME_UNIT 0.001 BACKWARD_LANES "['2']"
    .venv/bin/python scripts/convert.py datasets/rope3d --layout rope3d --to omni3d --output rope3d_train.json
    .venv/bin/python scripts/convert.py own.json --layout coco --images pictures --to odvg --output own.jsonl
    .venv/bin/python scripts/convert.py own.json --layout coco --images pictures --to cvat --output own.xml

Recordings become FOLDER/NAME.csv with track_id, time (s), lane, position (m) and speed (m/s), as TrajAD reads
them. Formats with x and y need the centre lines of the lanes, --road. --opts takes the keys of
INPUT.RECORDING, explained in d2ext/data/config.py.

Datasets of objects are converted with --to: from and to coco, lvis, omni3d, odvg, cvat, cvat_video,
label_studio (files, which name images from the folder --images), kitti, rope3d, dair_v2x_i (folders, of which
one --split is read or written, with copies of the images or, with --link, links), from mono3drefer and
monomulti3d, and to rerun (NAME.rrd, for looking at; needs rerun-sdk). A line says what the other format has
no place for. odvg and label_studio have their class names in a file beside theirs, the label map and the
labelling interface, which is written, and read if --label-map names it. --classes takes objects of these
names only; the labels of a folder that has others than the road classes need it.

With D2EXT_SKIP_BROKEN=1 in the environment what is broken is left out and counted.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this checkout's modules, from any folder
from d2ext_cli import (
    LAYOUTS,
    OBJECT_LAYOUTS,
    WRITTEN_LAYOUTS,
    CommandParser,
    add_options,
    existing_file,
    existing_folder,
    run_command,
)


def build_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    parser.add_argument("input", nargs="+", type=Path, help="recordings, or folders of them; or a dataset")
    parser.add_argument("--output", required=True, type=Path, help="folder, or of a dataset's file this file")
    layouts = (*LAYOUTS, *OBJECT_LAYOUTS)
    parser.add_argument("--layout", choices=layouts, default="plain", help="format of the input")
    parser.add_argument(
        "--road", type=existing_file, help="road.json, SUMO net (.net.xml) or OpenDRIVE (.xodr)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there")
    objects = parser.add_argument_group("datasets of objects")
    objects.add_argument("--to", choices=WRITTEN_LAYOUTS, help="format to write")
    objects.add_argument(
        "--images", type=existing_folder, help="folder that a file names images from (default: its own)"
    )
    objects.add_argument("--split", default="train", help="split of a folder (default: train)")
    objects.add_argument(
        "--classes", nargs="+", help="objects to take (default: all of a file, the road classes of a folder)"
    )
    objects.add_argument("--label-map", type=existing_file, help="class names of odvg or label_studio")
    objects.add_argument("--link", action="store_true", help="links to the images in the place of copies")
    add_options(parser)
    parser.add_check(check_arguments)
    return parser


def check_arguments(args: argparse.Namespace) -> None:
    """Raises ValueError: arguments that do not go together."""
    if args.layout in LAYOUTS:
        if args.to or args.images or args.label_map or args.link or args.classes:
            raise ValueError(
                f"--to, --images, --label-map, --link, --classes: not of recordings ({args.layout})"
            )
        for part in (args.output, *args.output.parents):
            if part.exists() and not part.is_dir():
                raise ValueError(f"--output: {part} is a file, expected a folder to write into")
    elif args.to is None:
        raise ValueError(f"--to: expected one of {', '.join(WRITTEN_LAYOUTS)} with --layout {args.layout}")
    elif len(args.input) > 1 or args.road or args.opts:
        raise ValueError("with --to: expected one dataset, and neither --road nor --opts")


def main(args: argparse.Namespace) -> None:
    if args.layout in LAYOUTS:
        convert_recordings(args)
    else:
        convert_objects(args)


def convert_objects(args: argparse.Namespace) -> None:
    import d2ext  # noqa: F401  (silences import-time warnings)
    from d2ext.data.conversion import lost, read_objects, write_objects
    from d2ext.data.skipping import skip_broken
    from d2ext.structures.vocabulary import Vocabulary

    (source,) = args.input
    written = args.output
    there = any(written.iterdir()) if written.is_dir() else written.exists()
    if there and (not args.overwrite or written.samefile(source)):
        raise ValueError(f"{written}: is there already (--overwrite replaces it, but never its input)")
    wanted = Vocabulary.of_names(args.classes) if args.classes else None
    records, vocabulary = read_objects(
        args.layout, source, args.images, args.split, skip_broken(), args.label_map, wanted
    )
    write_objects(args.to, written, records, vocabulary, args.images, args.split, args.link)
    objects = sum(len(record["annotations"]) for record in records)
    print(f"{written}: {len(records)} images, {objects} objects of {len(vocabulary)} classes")
    print(lost(records, args.to))


def convert_recordings(args: argparse.Namespace) -> None:
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
