#!/usr/bin/env python3
"""Trackers side by side on labelled tracks, whose boxes are made as wrong as a detector's: one table.

    .venv/bin/python scripts/evaluate_tracking.py --labels ../shared/data/tracks/kitti_tracking/label_02 \\
        --motion velocity --calib ../shared/data/video/kitti_drive0052/calib.txt

Boxes are moved and turned, missed one by one and for a while, invented, and called by other classes, by
chance (--seed); the trackers see the same boxes. Compared are the nearest neighbour, AB3DMOT's published
rules and d2ext.tracking. HOTA and the rest by exact 3D IoU (or distance), all classes together, in per cent.
With --ground the boxes stand on the planes of a folder, FILE.txt for FILE.txt, as Rope3D's denorm.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this checkout's modules, from any folder
from d2ext_cli import CommandParser, existing_file, existing_folder, integer, number, output_file, run_command

#: Columns of the table.
FIGURES = ("HOTA", "DetA", "AssA", "MOTA", "MOTP", "IDF1", "IDSW", "Frag", "FP", "FN")


def build_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    parser.add_argument("--labels", type=existing_folder, required=True, help="folder of label_02 files")
    parser.add_argument("--ground", type=existing_folder, help="folder of ground planes (denorm) of them")
    parser.add_argument(
        "--calib", type=existing_file, help="P2 of the camera: what leaves its picture is not shown"
    )
    parser.add_argument(
        "--size", type=integer(1), nargs=2, default=[375, 1242], help="height and width of the picture"
    )
    parser.add_argument("--rate", type=number(0.1), default=10.0, help="frames a second (default 10)")
    parser.add_argument(
        "--motion", choices=("turn", "velocity"), default="turn", help="velocity: for a moving camera"
    )
    parser.add_argument("--similarity", choices=("iou3d", "distance"), default="iou3d", help="of boxes")
    parser.add_argument("--max-distance", type=number(1), default=90.0, help="m; farther counts not (90)")
    parser.add_argument("--seed", type=integer(0), default=0)
    parser.add_argument("--perfect", action="store_true", help="the labels themselves as detections")
    parser.add_argument("--output", type=output_file, help="JSON file for all figures")
    return parser


def main(args: argparse.Namespace) -> None:
    from d2ext.data.formats import read_kitti_tracks
    from d2ext.data.formats.kitti import read_ground
    from d2ext.files import write_json
    from d2ext.tables import format_table

    files = sorted(args.labels.glob("*.txt"))
    if not files:
        raise FileNotFoundError(f"{args.labels}: expected label files (.txt)")
    sequences = []
    for path in files:
        plane = None if args.ground is None else read_ground(args.ground / path.name)
        sequences.append(read_kitti_tracks(path, rate=args.rate, ground=plane))
    figures: dict[str, dict[str, float]] = {}
    for name in ("nearest neighbour", "AB3DMOT", f"d2ext, {args.motion}"):
        figures[name] = evaluate(name, sequences, args)
    shown = {n: {c: row[c] for c in (*FIGURES, "ms a frame")} for n, row in figures.items()}
    print(format_table(f"{len(files)} sequences, seed {args.seed}", shown))
    if args.output is not None:
        write_json(args.output, figures)


def evaluate(name: str, sequences: list[Any], args: argparse.Namespace) -> dict[str, float]:
    """Figures of one tracker, and the milliseconds that it takes a frame."""
    from d2ext.data.formats.kitti import read_calib
    from d2ext.data.formats.track_labels import labels_of_tracks
    from d2ext.evaluation.track_pairs import pair_frames
    from d2ext.evaluation.tracking import tracking_figures
    from d2ext.structures.vocabulary import ROAD
    from d2ext.tracking import Tracker, TrackerConfig
    from d2ext.tracking.baselines import AB3DMOT, NearestTracker
    from d2ext.tracking.imperfect import Faults, imperfect

    camera: dict[str, Any] = {}
    if args.calib is not None:
        P = read_calib(args.calib, tuple(args.size))
        camera = {"camera": tuple(x for row in P for x in row), "image_size": tuple(args.size)}
    pairs, spent, count = [], 0.0, 0
    for number_, labels in enumerate(sequences):
        truth = labels.detections()
        frames = []
        for i, (moment, objects) in enumerate(zip(labels.times, truth, strict=True)):
            rows = labels.rows_of(i)
            frames.append((float(moment), labels.ids[rows][labels.has_3d[rows]], objects))
        found = truth if args.perfect else imperfect(frames, Faults(), args.seed + number_, len(ROAD.names))
        config = TrackerConfig(motion=args.motion, ground=labels.ground, **camera)
        trackers: dict[str, Any] = {
            "nearest neighbour": lambda: NearestTracker(rate=args.rate),
            "AB3DMOT": lambda: AB3DMOT(rate=args.rate),
        }
        tracker = trackers.get(name, lambda settings=config: Tracker(settings))()
        start = time.process_time()
        tracked = [tracker.update(d, float(t)) for d, t in zip(found, labels.times, strict=True)]
        spent, count = spent + time.process_time() - start, count + len(found)
        answer = labels_of_tracks(labels.name, labels.times, tracked, labels.ground)
        pairs.append(pair_frames(labels, answer, args.similarity, None, args.max_distance))
    return {**tracking_figures(pairs), "ms a frame": 1000 * spent / max(1, count)}


if __name__ == "__main__":
    run_command(build_parser(), main)
