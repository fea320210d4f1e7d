#!/usr/bin/env python3
"""Score an image or a recording, draw its heat map and write what was found as JSON.

    .venv/bin/python projects/TrajAD/demo.py --config-file configs/TrajAD/trajad_synthtraffic.yaml \\
        --input tracks.csv --output out.png --json out.json \\
        --opts MODEL.WEIGHTS projects/TrajAD/weights/trajad_synthtraffic.safetensors

Of a recording (.csv, .txt, .xml) the JSON names the vehicles of each region, the most likely cause first,
with times and positions, and the vehicles of the whole recording. Of an image, such as a graph that was drawn
before, it has the regions only.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # this checkout's modules, from any folder
from d2ext_cli import (
    LAYOUTS,
    CommandParser,
    add_config_file,
    add_options,
    existing_file,
    output_file,
    run_command,
)  # fmt: skip

LABELLED = 3  # vehicles in the label of a region


def build_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    add_config_file(parser, "TrajAD")
    parser.add_argument(
        "--input", required=True, type=existing_file, help="recording (.csv, .txt, .xml), or an image"
    )
    parser.add_argument("--road", type=existing_file, help="road.json of a recording with x and y")
    parser.add_argument("--layout", "--columns", choices=LAYOUTS, help="INPUT.RECORDING.LAYOUT")
    parser.add_argument("--output", required=True, type=output_file, help="picture to write")
    parser.add_argument("--json", type=output_file, help="score, regions and vehicles to write")
    add_options(parser)
    return parser


def main(args: argparse.Namespace) -> None:
    import cv2

    from d2ext.data.formats.trajectories import is_recording
    from d2ext.data.image_io import read_image, resize
    from d2ext.data.recordings import read_recording
    from d2ext.data.trajectories import SpaceTimeGraph, suspects
    from d2ext.engine import load_config
    from d2ext.evaluation import write_json
    from d2ext.files import write_bytes
    from d2ext.projects.trajad import TrajADPredictor, add_trajad_config
    from d2ext.projects.trajad.findings import region_row, track_rows, when_and_who
    from d2ext.structures import find_regions
    from d2ext.visualization import draw_anomalies

    if cv2.haveImageWriter(str(args.output)) is False:
        raise ValueError(f"{args.output}: expected a picture name such as out.png")
    layout = ["INPUT.RECORDING.LAYOUT", args.layout] if args.layout else []
    cfg = load_config(add_trajad_config, args.config_file, [*layout, *args.opts])
    threshold = cfg.TEST.THRESHOLD

    if is_recording(args.input):
        tracks = read_recording(cfg, args.input, args.road)
        subject, heat_map = TrajADPredictor(cfg).recording(tracks)
    else:
        subject = read_image(args.input)
        found = TrajADPredictor(cfg)(resize(subject, tuple(cfg.INPUT.SIZE)))
        heat_map = resize(found["anomaly_map"].cpu().numpy(), subject.shape[:2])
    regions = find_regions(heat_map, threshold)
    rows, labels = [], []
    for region in regions:
        vehicles = suspects(subject, heat_map, region) if isinstance(subject, SpaceTimeGraph) else []
        rows.append(region_row(region, subject, vehicles))
        labels.append(", ".join(v.track_id for v in vehicles[:LABELLED]) or f"{region.score:.2f}")

    score = float(heat_map.max())
    state = "abnormal" if regions else "normal"
    verdict = f"{args.input.name}: {state}, score {score:.2f}, threshold {threshold:g}"
    picture = draw_anomalies(subject, heat_map, threshold, regions, labels, verdict)
    ok, data = cv2.imencode(args.output.suffix, picture)
    if not ok:
        raise ValueError(f"{args.output}: could not encode the picture")
    write_bytes(args.output, data.tobytes())
    if args.json is not None:
        content = {"input": str(args.input), "score": score, "threshold": threshold, "regions": rows}
        if isinstance(subject, SpaceTimeGraph):
            content["tracks"] = track_rows(subject, heat_map)
        write_json(args.json, content)
    print(verdict)
    for row, label in zip(rows, labels, strict=True):
        print(f"  {row['score']:.2f}: " + when_and_who(row, label))
    print(f"wrote {args.output}" + (f" and {args.json}" if args.json else ""))


if __name__ == "__main__":
    run_command(build_parser(), main)
