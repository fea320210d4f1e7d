"""Recordings as CSV files."""

from __future__ import annotations

import io
import logging
from pathlib import Path

import numpy as np

from .columns import COLUMN_MAPS, ColumnMap
from .road import Road
from .table import Table
from .tracks import Tracks, speed_along

logger = logging.getLogger(__name__)

#: m/s; no road vehicle is faster, so a faster one is a wrong unit.
MAX_SPEED = 100.0
#: s; a typical step between two rows of a vehicle that is longer is a wrong unit.
MAX_STEP = 10.0
#: A speed column typically agrees with the change of position to this factor; km/h differs by 3.6.
MAX_SPEED_RATIO = 2.0
_MOVING = 2.0  # m/s; below it a ratio of speeds says nothing


def read_tracks(
    path: str | Path, columns: ColumnMap = COLUMN_MAPS["plain"], road: Road | None = None
) -> Tracks:
    """Read one recording: a CSV file with a header and one row a vehicle and moment.

    The rows of a vehicle need not stand together but must be in the order of time. Rows of x, y that lie off
    the road are left out, and so are vehicles of which a single row is left by that.

    Args:
        columns: names and units of the columns (:class:`ColumnMap`, :data:`COLUMN_MAPS`).
        road: centre lines for x, y, and the lanes with falling positions.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a missing column, text where a number belongs, time that goes backwards, a row twice, a
            vehicle of one row, units that cannot be right; names the file and the line.
    """
    path, road = Path(path), road or Road({})
    table = Table(path)
    place = _place_columns(table, columns)
    names = [columns.time, *place]
    has_speed = columns.speed is not None and columns.speed in table.header
    if columns.speed is not None and has_speed:
        names.append(columns.speed)
    table.require([columns.track_id, *names])
    values = table.numbers(names)
    ids, track = table.labels(columns.track_id)
    order = np.argsort(track, kind="stable")
    track, values = track[order], values[order]
    time = values[:, 0] * columns.time_unit
    _check_time(table, ids, track, time, order)

    if place[0] == columns.lane:
        lane, position = values[:, 1].astype(np.int64), values[:, 2]
        _check_rows(table, order, lane != values[:, 1], f"column {place[0]!r}: expected a whole number")
    else:
        lane, position, kept = _on_road(path, road, track, values[:, 1], values[:, 2])
        order, track, time, values = order[kept], track[kept], time[kept], values[kept]
    derived = speed_along(track, time, lane, position, road.backward_lanes)
    speed = values[:, 3] if has_speed else derived
    _check_positions(table, order, derived)
    if has_speed:
        _check_speeds(table, order, derived, speed)
    return Tracks(ids, track, time, lane, position, speed)


def tracks_to_csv(tracks: Tracks) -> bytes:
    """A CSV file with the plain columns: times to 1 ms, positions to 1 cm, speeds to 1 cm/s."""
    text = io.StringIO()
    text.write("track_id,time,lane,position,speed\n")
    rows = zip(tracks.ids[tracks.track], tracks.time, tracks.lane, tracks.position, tracks.speed, strict=True)
    for name, time, lane, position, speed in rows:
        text.write(f"{name},{time:.3f},{lane},{position:.2f},{speed:.2f}\n")
    return text.getvalue().encode()


def _place_columns(table: Table, columns: ColumnMap) -> list[str]:
    """The names of lane and position, or those of x and y where the file has them instead."""
    on_lane = [name for name in (columns.lane, columns.position) if name is not None]
    on_plane = [name for name in (columns.x, columns.y) if name is not None]
    prefer_plane = len(on_plane) == 2 and not any(name in table.header for name in on_lane)
    if len(on_lane) == 2 and not (prefer_plane and all(name in table.header for name in on_plane)):
        return on_lane
    return on_plane


def _on_road(
    path: Path, road: Road, track: np.ndarray, x: np.ndarray, y: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lane and position of the rows that are kept, and their indices."""
    if not road.lanes:
        raise ValueError(f"{path}: has x and y, not lane and position: expected a road with centre lines")
    lane, position, on_road = road.project(x, y)
    on_road &= np.bincount(track[on_road], minlength=track[-1] + 1)[track] > 1
    kept = np.flatnonzero(on_road)
    if not len(kept):
        raise ValueError(f"{path}: no vehicle is within {road.half_width} m of a lane of the road")
    if len(kept) < len(x):
        logger.info("%s: %d of %d rows are off the road", path, len(x) - len(kept), len(x))
    return lane[kept], position[kept], kept


def _check_rows(table: Table, order: np.ndarray, bad: np.ndarray, message: str) -> None:
    """Raise at the bad row (bool, in sorted order) that comes first in the file."""
    if bad.any():
        table.fail(order[bad].min(), message)


def _check_time(
    table: Table, ids: np.ndarray, track: np.ndarray, time: np.ndarray, order: np.ndarray
) -> None:
    step = np.diff(time, prepend=np.nan)
    step[np.diff(track, prepend=-1) != 0] = np.nan
    _check_rows(table, order, step == 0, "the same vehicle at the same time twice")
    _check_rows(table, order, step < 0, "the time goes backwards for this vehicle")
    count = np.bincount(track, minlength=len(ids))
    _check_rows(table, order, count[track] == 1, "a vehicle of a single row, expected at least two")
    if np.nanmedian(step) > MAX_STEP:
        row = order[np.nanargmax(step > np.nanmedian(step) / 2)]
        message = f"rows of a vehicle are {np.nanmedian(step):g} s apart: the time cannot be in seconds"
        table.fail(row, message)


def _check_positions(table: Table, order: np.ndarray, derived: np.ndarray) -> None:
    rate = np.abs(derived)
    moving = rate > _MOVING
    # The typical speed counts: tracking makes single jumps.
    if moving.any() and np.median(rate[moving]) > MAX_SPEED:
        message = f"moves by more than {MAX_SPEED:g} m/s: positions must be in metres, times in seconds"
        _check_rows(table, order, rate > MAX_SPEED, message)


def _check_speeds(table: Table, order: np.ndarray, derived: np.ndarray, speed: np.ndarray) -> None:
    message = f"a speed of more than {MAX_SPEED:g} m/s: speeds must be in m/s"
    _check_rows(table, order, np.abs(speed) > MAX_SPEED, message)
    moving = np.abs(derived) > _MOVING
    if not moving.any():
        return
    ratio = np.abs(speed[moving] / derived[moving])
    typical = np.median(ratio)
    if not 1 / MAX_SPEED_RATIO < typical < MAX_SPEED_RATIO:
        row = order[moving][np.argmin(np.abs(ratio - typical))]
        table.fail(row, f"the speed is {typical:.3g} times the change of position: speeds must be in m/s")
