"""Recordings of any layout written as plain ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from d2ext.files import write_bytes

from .columns import ColumnMap
from .read import read_tracks, tracks_to_csv
from .road import Road
from .tracks import Tracks


def convert(source: str | Path, target: str | Path, columns: ColumnMap, road: Road | None = None) -> Tracks:
    """Read a recording and write it with the plain columns.

    Args:
        columns, road: as in :func:`read_tracks`.

    Returns:
        what was written.

    Raises:
        FileNotFoundError, ValueError: as :func:`read_tracks`.
    """
    tracks = read_tracks(source, columns, road)
    write_bytes(target, tracks_to_csv(tracks))
    return tracks


def summary(tracks: Tracks) -> str:
    """A recording in some words, in which a wrong unit shows."""
    lanes = sorted(set(tracks.lane.tolist()))
    shown = ", ".join(lanes[:8]) + (f" and {len(lanes) - 8} more" if len(lanes) > 8 else "")
    return (
        f"{len(tracks.ids)} vehicles, {np.ptp(tracks.time):.0f} s, {np.ptp(tracks.position):.0f} m, "
        f"median speed {np.median(tracks.speed):.1f} m/s, lanes {shown}"
    )


def graph_keys(recordings: Sequence[Tracks]) -> str:
    """The config keys with which graphs show all of some recordings."""
    lanes = sorted(set().union(*(tracks.lane.tolist() for tracks in recordings)))
    low = min(float(tracks.position.min()) for tracks in recordings)
    high = max(float(tracks.position.max()) for tracks in recordings)
    section = f"INPUT.GRAPH.START {np.floor(low):.0f} INPUT.GRAPH.END {np.ceil(high):.0f}"
    return f'INPUT.GRAPH.LANES "{lanes}" {section}'
