"""Recordings of traffic as tracks."""

from __future__ import annotations

import csv
import io
import logging
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from d2ext.reading import clear_errors
from d2ext.structures.calibration.geography import east_north

from .columns import COLUMN_MAPS, FOOT, KMH, MPH, ColumnMap
from .direction import backward_lanes
from .highd import with_metadata
from .road import Road
from .table import Table
from .tracks import Tracks, in_lanes, speed_along

logger = logging.getLogger(__name__)

#: m/s; no road vehicle is faster, so a faster one is a wrong unit.
MAX_SPEED = 100.0
#: s; a typical step between two rows of a vehicle that is longer is a wrong unit.
MAX_STEP = 10.0
#: s; no recording is longer, but where a caller allows it.
MAX_DURATION = 30 * 86400.0
#: A speed column typically agrees with the change of position to this factor.
MAX_SPEED_RATIO = 2.0
#: In km/h, mph, feet or hundredths of them a second speeds differ by these, or positions by their inverse.
SPEED_UNITS = np.array([1 / KMH, 1 / MPH, 1 / FOOT, 100.0, 1000.0])
_UNIT_MARGIN = 0.12  # of the logarithm of a ratio
_MOVING = 2.0  # m/s; below it a ratio of speeds says nothing
_BACKING = 0.5  # m/s; slower changes of position are noise, which gives a speed no sign


@clear_errors
def read_tracks(
    path: str | Path,
    columns: ColumnMap = COLUMN_MAPS["plain"],
    road: Road | None = None,
    max_duration: float = MAX_DURATION,
) -> Tracks:
    """Read one recording: a text file, a row a vehicle and moment, or another form that ``columns`` names.

    The rows of a vehicle need not stand together but must be in the order of time. Rows of x, y that lie off
    the road are left out, and so are vehicles of which there is, or is left, a single row; both are counted
    in the log.

    Args:
        columns: names and units of the columns (:class:`ColumnMap`, :data:`COLUMN_MAPS`).
        road: centre lines for x, y, and the lanes with falling positions.
        max_duration: s; no two rows may be farther apart.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a missing column, text where a number belongs, time that goes backwards, a row twice, no
            vehicle of two rows, units that cannot be right; names the file and the line.
    """
    path, road = Path(path), road or Road({})
    columns = with_metadata(path, columns)
    table = Table(path, columns)
    rows = _without_single_rows(path, _checked(table, _read(table, columns, road), max_duration))
    if rows.lane is None:
        rows = _on_road(path, road, columns, rows)
        columns = replace(columns, directed=True)  # as centre lines are
    ids, track, lane = *_used(rows.ids, rows.track), rows.lane
    assert lane is not None
    position = rows.place[:, 0] + columns.position_offset
    forward = speed_along(track, rows.time, lane, position)
    backward = backward_lanes(path, columns, road, ids, track, lane, forward)
    derived = np.where(in_lanes(lane, backward), -forward, forward)
    _check_positions(table, rows.order, derived)
    speed = derived
    if rows.speed is not None:
        speed = rows.speed
        if columns.speed_sign == "axis":
            speed = np.where(in_lanes(lane, backward), -speed, speed)
        elif columns.speed_sign == "none":
            speed = np.where(derived < -_BACKING, -np.abs(speed), np.abs(speed))
        _check_speeds(table, rows.order, derived, speed)
    return Tracks(ids, track, rows.time, lane, position, speed)


def tracks_to_csv(tracks: Tracks) -> bytes:
    """A CSV file with the plain columns: times to 1 ms, positions to 1 cm, speeds to 1 cm/s."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["track_id", "time", "lane", "position", "speed"])
    rows = zip(tracks.ids[tracks.track], tracks.time, tracks.lane, tracks.position, tracks.speed, strict=True)
    writer.writerows(
        (name, f"{time:.3f}", lane, f"{position:.2f}", f"{speed:.2f}")
        for name, time, lane, position, speed in rows
    )
    return text.getvalue().encode()


@dataclass(frozen=True)
class _Rows:
    """Rows in metres and seconds, vehicle by vehicle, and the row of the file of each."""

    ids: np.ndarray
    order: np.ndarray
    track: np.ndarray
    time: np.ndarray
    place: np.ndarray  # (N, 1) along the lane, or (N, 2) x and y
    speed: np.ndarray | None
    lane: np.ndarray | None

    def select(self, kept: np.ndarray) -> _Rows:
        parts = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "ids"}
        return replace(self, **{name: part[kept] for name, part in parts.items() if part is not None})


def _read(table: Table, columns: ColumnMap, road: Road) -> _Rows:
    on_plane = _uses_plane(table, columns, road)
    place = (columns.x, columns.y) if on_plane else (columns.position,)
    has_speed = columns.speed is not None and columns.speed in table.header
    optional = (columns.speed if has_speed else None, None if on_plane else columns.box_length)
    numbers = [columns.time, *map(str, place), *(name for name in optional if name is not None)]
    names = [columns.track_id] if on_plane else [columns.track_id, str(columns.lane)]
    table.require([columns.track_id, columns.time, *names[1:], *numbers[1:]])
    values, labels = table.read(numbers, names)

    ids, track = labels[0]
    order = np.argsort(track, kind="stable")
    values = values[order]
    where = values[:, 1 : 1 + len(place)] * (1.0 if columns.geographic else columns.length_unit)
    if not on_plane and columns.box_length is not None:
        where = where + values[:, -1:] / 2 * columns.length_unit
    speed = values[:, 1 + len(place)] * columns.speed_unit if has_speed else None
    lane = None if on_plane else labels[1][0][labels[1][1][order]]
    time = values[:, 0] * columns.time_unit + columns.time_offset
    return _Rows(ids, order, track[order], time, where, speed, lane)


def _uses_plane(table: Table, columns: ColumnMap, road: Road) -> bool:
    """Whether x and y are read, not lane and position."""
    on_lane = [name for name in (columns.lane, columns.position) if name is not None]
    on_plane = [name for name in (columns.x, columns.y) if name is not None]
    if len(on_plane) < 2 or not set(on_plane) <= set(table.header):
        return len(on_lane) < 2
    if len(on_lane) < 2 or not any(name in table.header for name in on_lane):
        return True
    # Where the position is a coordinate, centre lines give a better one.
    return bool(road.lanes) and columns.position in on_plane


def _checked(table: Table, rows: _Rows, max_duration: float) -> _Rows:
    time, track, order = rows.time, rows.track, rows.order
    step = np.diff(time, prepend=np.nan)
    step[np.diff(track, prepend=-1) != 0] = np.nan
    _check_rows(table, order, step == 0, "the same vehicle at the same time twice")
    _check_rows(table, order, step < 0, "the time goes backwards for this vehicle")
    if np.ptp(time) > max_duration:
        middle = np.median(time)
        message = f"{np.ptp(time):g} s from the first row to the last, expected at most {max_duration:g} s"
        _check_rows(table, order, np.abs(time - middle) == np.abs(time - middle).max(), message)
    if np.isfinite(step).any() and np.nanmedian(step) > MAX_STEP:
        row = order[np.nanargmax(step > np.nanmedian(step) / 2)]
        message = f"rows of a vehicle are {np.nanmedian(step):g} s apart: the time cannot be in seconds"
        table.fail(row, message)
    return rows


def _without_single_rows(path: Path, rows: _Rows) -> _Rows:
    """Tracks of one row, which trackers make often, cannot be drawn."""
    count = np.bincount(rows.track, minlength=len(rows.ids))
    single = int((count == 1).sum())
    if single:
        logger.info("%s: left out %d vehicles of a single row", path, single)
        rows = rows.select(count[rows.track] > 1)
    if not len(rows.track):
        raise ValueError(f"{path}: no vehicle has two rows")
    return rows


def _on_road(path: Path, road: Road, columns: ColumnMap, rows: _Rows) -> _Rows:
    """The rows on a lane, with their lanes and the positions along them."""
    if not road.lanes:
        raise ValueError(f"{path}: has x and y, not lane and position: expected a road with centre lines")
    x, y = rows.place.T
    if columns.geographic:
        if road.origin is None:
            raise ValueError(f"{path}: has longitude and latitude: expected a road with an origin")
        try:
            x, y = east_north(y, x, road.origin).T
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
    lane, position, on_road = road.project(x, y)
    on_road &= np.bincount(rows.track[on_road], minlength=len(rows.ids))[rows.track] > 1
    if not on_road.any():
        raise ValueError(f"{path}: no vehicle is within {road.half_width:g} m of a lane of the road")
    if not on_road.all():
        logger.info("%s: %d of %d rows are off the road", path, np.sum(~on_road), len(x))
    return replace(rows, lane=lane, place=position[:, None]).select(on_road)


def _used(ids: np.ndarray, track: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The names that have rows, and the index into them."""
    used, track = np.unique(track, return_inverse=True)
    return ids[used], track.reshape(-1)


def _check_rows(table: Table, order: np.ndarray, bad: np.ndarray, message: str) -> None:
    """Raise at the bad row (bool, in sorted order) that comes first in the file."""
    if bad.any():
        table.fail(order[bad].min(), message)


def _check_positions(table: Table, order: np.ndarray, derived: np.ndarray) -> None:
    rate = np.abs(derived)
    _check_rows(table, order, np.isinf(rate), "moves in no time: expected a later time in the next row")
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
        found = f"the speed is {typical:.3g} times the change of position"
        if typical > 0 and any(
            abs(np.log(typical / unit)) < _UNIT_MARGIN for unit in (*SPEED_UNITS, *1 / SPEED_UNITS)
        ):
            row = order[moving][np.argmin(np.abs(ratio - typical))]
            table.fail(row, f"{found}: speeds must be in m/s")
        logger.warning("%s: %s", table.path, found)
