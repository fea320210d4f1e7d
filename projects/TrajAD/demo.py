#!/usr/bin/env python3
"""Score an image or a recording, draw its heat map and write what was found as JSON.

projects/TrajAD/demo.py --config-file C --input TRACKS.csv [--road road.json] [--layout highd]
    --output OUT.png [--json OUT.json] [--opts MODEL.WEIGHTS file ...]

Of a recording (.csv, .txt, .xml) the JSON names the vehicles of each region, the most likely cause first,
with times and positions, and the vehicles of the whole recording. Of an image, such as a graph that was drawn
before, it has the regions only.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import d2ext  # noqa: F401  (first: registers datasets and models, silences import-time warnings)

# isort: split
import cv2
import numpy as np

from d2ext.data.formats.trajectories import is_recording
from d2ext.data.image_io import read_image, resize
from d2ext.data.recordings import read_recording
from d2ext.data.trajectories import (
    COLUMN_MAPS,
    Extent,
    SpaceTimeGraph,
    Suspect,
    region_extent,
    suspects,
)
from d2ext.engine import load_config, one_line_errors
from d2ext.evaluation import write_json
from d2ext.files import write_bytes
from d2ext.projects.trajad import TrajADPredictor, add_trajad_config
from d2ext.structures import Region, find_regions
from d2ext.visualization import draw_anomalies

LABELLED = 3  # vehicles in the label of a region


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config-file", required=True, help="a file of configs/TrajAD")
    parser.add_argument("--input", required=True, type=Path, help="recording (.csv, .txt, .xml), or an image")
    parser.add_argument("--road", type=Path, help="road.json of a recording with x and y")
    parser.add_argument("--layout", "--columns", choices=COLUMN_MAPS, help="INPUT.RECORDING.LAYOUT")
    parser.add_argument("--output", required=True, type=Path, help="picture to write")
    parser.add_argument("--json", type=Path, help="score, regions and vehicles to write")
    parser.add_argument("--opts", nargs=argparse.REMAINDER, default=[], help="config keys and values")
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    for path in (args.output, args.json):
        if path is not None and not path.parent.is_dir():
            raise FileNotFoundError(f"{path}: no folder {path.parent} to write to")
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


def region_row(
    region: Region, subject: np.ndarray | SpaceTimeGraph, vehicles: list[Suspect]
) -> dict[str, Any]:
    """A region as it is written for users: box in pixels x0, y0, x1, y1, times in s, positions in m."""
    row: dict[str, Any] = {"score": region.score, "box": list(region.box)}
    if isinstance(subject, SpaceTimeGraph):
        row |= extent_row(region_extent(subject, region))
        row["tracks"] = [{"id": v.track_id, "share": v.share, **extent_row(v.extent)} for v in vehicles]
    return row


def track_rows(graph: SpaceTimeGraph, heat_map: np.ndarray) -> list[dict[str, Any]]:
    """The vehicles by their share of the whole heat map, also where it stays below the threshold."""
    weights = graph.tracks_in(heat_map.clip(0))
    total = sum(weights.values())
    return [{"id": name, "share": weight / total} for name, weight in weights.items()]


def extent_row(extent: Extent) -> dict[str, Any]:
    """Times and, lane by lane, positions."""
    lanes = [{"lane": lane, "from": low, "to": high} for lane, (low, high) in extent.lanes.items()]
    return {"start": extent.start, "end": extent.end, "positions": lanes}


def when_and_who(row: dict[str, Any], label: str) -> str:
    """A region in one line."""
    if "start" not in row:
        return "pixels " + " ".join(map(str, row["box"]))
    where = ", ".join(f"lane {p['lane']} {p['from']:g}-{p['to']:g} m" for p in row["positions"])
    who = f"vehicles {label}" if row["tracks"] else "no vehicle"
    return f"{row['start']:g}-{row['end']:g} s, {where}: {who}"


def command() -> None:
    arguments = parse_args()
    with one_line_errors():
        main(arguments)


if __name__ == "__main__":
    command()
