"""Recordings of traffic as the data of a config: which columns are read, and which graphs are drawn."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from detectron2.config import CfgNode

from d2ext.checks import declare_together, refuse
from d2ext.data.trajectories import (
    COLUMN_MAPS,
    ColumnMap,
    GraphSpec,
    SpaceTimeGraph,
    SpaceTimeRenderer,
    Tracks,
    anomaly_mask,
    check_labels,
    read_road,
    read_tracks,
)
from d2ext.data.trajectories.tracks import in_lanes

from .formats.rows import BrokenRows
from .formats.trajectories import GOOD

logger = logging.getLogger(__name__)


def graph_spec(cfg: CfgNode) -> GraphSpec:
    """What the graphs of ``cfg.INPUT.GRAPH`` show.

    Raises:
        ValueError: as :class:`GraphSpec`.
    """
    g = cfg.INPUT.GRAPH
    try:
        return GraphSpec(
            tuple(g.LANES),
            g.START,
            g.END,
            g.SECONDS_PER_PIXEL,
            g.METRES_PER_PIXEL,
            g.TOP_SPEED,
            g.VEHICLE_LENGTH,
            g.MAX_GAP,
            g.SEPARATOR,
            g.MAX_COLUMNS,
        )
    except ValueError as error:
        raise ValueError(f"INPUT.GRAPH: {error}") from error


def column_map(cfg: CfgNode) -> ColumnMap:
    """The columns of ``cfg.INPUT.RECORDING``: those of its layout, with what other keys change.

    Raises:
        ValueError: an unknown layout, or as :class:`ColumnMap`.
    """
    r = cfg.INPUT.RECORDING
    if r.LAYOUT not in COLUMN_MAPS:
        raise ValueError(
            f"INPUT.RECORDING.LAYOUT: expected one of {', '.join(COLUMN_MAPS)}, got {r.LAYOUT[:40]!r}"
        )
    changes = {key.lower(): value for key, value in r.items() if key != "LAYOUT"}
    overrides: dict[str, Any] = {
        key: tuple(v) if isinstance(v, list) else v for key, v in changes.items() if v
    }
    try:
        return replace(COLUMN_MAPS[r.LAYOUT], **overrides)
    except ValueError as error:
        raise ValueError(f"INPUT.RECORDING: {error}") from error


def _check_graph(cfg: CfgNode) -> None:
    graph_spec(cfg)
    g = cfg.INPUT.GRAPH
    if g.WIDTH < 1:
        refuse("INPUT.GRAPH.WIDTH", "at least 1", g.WIDTH)
    if not 0 <= g.OVERLAP < g.WIDTH:
        refuse("INPUT.GRAPH.OVERLAP", f"at least 0 and less than WIDTH {g.WIDTH}", g.OVERLAP)


declare_together({"INPUT.GRAPH": _check_graph, "INPUT.RECORDING": column_map})


def read_recording(cfg: CfgNode, path: str | Path, road_file: str | Path | None = None) -> Tracks:
    """A recording as the config has it.

    Raises:
        FileNotFoundError, ValueError: it cannot be read, is too long, or as :func:`check_shown`.
    """
    return _read(path, road_file, graph_spec(cfg), column_map(cfg))


def graph_records(
    records: Iterable[dict[str, Any]],
    spec: GraphSpec,
    width: int,
    overlap: int,
    columns: ColumnMap = COLUMN_MAPS["plain"],
    skip_broken: bool = False,
) -> list[dict]:
    """One record an image: a record of a recording (it has ``anomalies``) becomes one for each graph of
    ``SpaceTimeRenderer.tile_starts``, with the ``first_column``; others stay as they are.

    Where a recording gives several graphs, "@" and the first column are added to the ``image_id``.

    Args:
        columns: of the recordings.
        skip_broken: leave out recordings that cannot be read, whole (without one of its rows a vehicle would
            seem to jump or to vanish), and count them in a warning.

    Raises:
        FileNotFoundError, ValueError: a recording cannot be read, shows nothing on the spec's lanes and
            section, or lacks a labelled vehicle.
    """
    out: list[dict] = []
    broken, lanes_drawn = BrokenRows(skip_broken), set[str]()
    for record in records:
        if "anomalies" not in record:
            out.append(record)
            continue
        with broken:
            drawn = recording_renderer(record["file_name"], record["road_file"], spec, columns)
            check_labels(record["anomalies"], drawn.tracks, Path(record["file_name"]).with_suffix(".json"))
            _warn_of_unseen(record, drawn)
            lanes_drawn.update(drawn.tracks.lane.tolist())
            starts = drawn.tile_starts(width, overlap)
            for start in starts:
                name = record["image_id"] if len(starts) == 1 else f"{record['image_id']}@{start}"
                out.append(record | {"image_id": name, "first_column": start})
    broken.report("recordings", "files, each left out as a whole")
    if lanes_drawn and set(spec.lanes) - lanes_drawn:
        missing = ", ".join(sorted(set(spec.lanes) - lanes_drawn))[:80]
        logger.warning("no recording has the lanes %s of INPUT.GRAPH.LANES", missing)
    if broken.count and not out:
        raise ValueError(f"no usable recording, the first: {broken.first}")
    return out


def recording_renderer(
    file_name: str, road_file: str | None, spec: GraphSpec, columns: ColumnMap
) -> SpaceTimeRenderer:
    """A recording, ready to be drawn.

    Raises:
        FileNotFoundError, ValueError: it cannot be read, or as :func:`check_shown`.
    """
    return _renderer(file_name, road_file, spec, columns, (_stamp(file_name), _stamp(road_file)))


@lru_cache(maxsize=2)  # a long recording gives many graphs in a row
def _renderer(
    file_name: str, road_file: str | None, spec: GraphSpec, columns: ColumnMap, stamps: tuple
) -> SpaceTimeRenderer:
    return SpaceTimeRenderer(_read(file_name, road_file, spec, columns), spec)


def _stamp(path: str | None) -> tuple[int, int] | None:
    """Differs when the file was written again."""
    try:
        found = os.stat(path or "")
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_size


def _read(path: str | Path, road_file: str | Path | None, spec: GraphSpec, columns: ColumnMap) -> Tracks:
    road = None if road_file is None else read_road(road_file)
    tracks = read_tracks(path, columns, road, spec.max_duration)
    check_shown(tracks, spec, path)
    return tracks


def check_shown(tracks: Tracks, spec: GraphSpec, path: str | Path) -> None:
    """Check that something of a recording is in graphs: an empty graph would pass as normal traffic.

    Raises:
        ValueError: none of the lanes, nothing in the section, or rows too far apart to be joined.
    """
    lanes = sorted(set(tracks.lane.tolist()))
    expected = ", ".join(spec.lanes)[:80]
    if not set(lanes) & set(spec.lanes):
        raise ValueError(
            f"{path}: has the lanes {', '.join(lanes)[:80]}, none of INPUT.GRAPH.LANES: {expected}"
        )
    shown = in_section(tracks, spec)
    if not shown.any():
        where = f"lanes {expected} from {spec.start:g} to {spec.end:g} m"
        raise ValueError(f"{path}: no vehicle on {where} (INPUT.GRAPH)")
    step = np.diff(tracks.time)[(np.diff(tracks.track) == 0) & shown[1:]]
    if len(step) and np.median(step) > spec.max_gap:
        found = f"rows of a vehicle are {np.median(step):g} s apart"
        raise ValueError(
            f"{path}: {found}, INPUT.GRAPH.MAX_GAP is {spec.max_gap:g} s: nothing would be drawn"
        )


def in_section(tracks: Tracks, spec: GraphSpec) -> np.ndarray:
    """(N,) bool: rows on the lanes and in the section of a graph."""
    along = (tracks.position >= spec.start) & (tracks.position <= spec.end)
    return along & in_lanes(tracks.lane, spec.lanes)


def _warn_of_unseen(record: dict[str, Any], drawn: SpaceTimeRenderer) -> None:
    """An anomaly outside of the section or the lanes is in no graph: its recording counts as normal."""
    for number, anomaly in enumerate(record["anomalies"]):
        for interval in anomaly.intervals:
            rows = drawn.tracks.of(interval.track_id)
            shown = in_section(rows, drawn.spec)
            if (shown & (rows.time >= interval.start) & (rows.time <= interval.end)).any():
                break
        else:
            logger.warning(
                "%s: anomaly %d (%s) is outside of INPUT.GRAPH's lanes and section: taken as normal",
                record["file_name"], number, anomaly.kind,
            )  # fmt: skip


def graph_labels(graph: SpaceTimeGraph, record: dict[str, Any]) -> dict[str, Any]:
    """Of one graph of a recording: the anomaly may lie in another one."""
    mask = anomaly_mask(graph, record["anomalies"])
    label = int(mask.any())
    return {"mask": torch.from_numpy(mask), "label": label, "kind": record["kind"] if label else GOOD}
