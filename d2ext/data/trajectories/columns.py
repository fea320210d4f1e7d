"""Which columns of a CSV file hold what."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ColumnMap:
    """Names of the columns that are read; others may stand beside them in any order.

    A file has either ``lane`` and ``position`` or, for a road given by polylines, ``x`` and ``y``: a name
    that is None is not read. Which of the two pairs is used is decided by the header.

    Args:
        track_id: the vehicle's number or name.
        time: time, in units of ``time_unit`` seconds.
        lane: the lane's whole number.
        position: metres along the lane.
        x: metres.
        y: metres.
        speed: m/s along the direction in which the lane is driven, negative against it. Optional: without it
            (None, or no such column) the speed is the change of position.
        time_unit: seconds a unit of ``time``; 1 / frame rate where frames are counted.
    """

    track_id: str = "track_id"
    time: str = "time"
    lane: str | None = "lane"
    position: str | None = "position"
    x: str | None = "x"
    y: str | None = "y"
    speed: str | None = "speed"
    time_unit: float = 1.0


#: Published layouts by name. highD (tracks files, 25 frames a second; x is the left edge of the vehicle's box
#: and xVelocity the speed along x, not along the lane, so the speed comes from the positions). DAIR-V2X-Seq:
#: trajectory files of the forecasting data set.
COLUMN_MAPS: dict[str, ColumnMap] = {
    "plain": ColumnMap(),
    "highd": ColumnMap("id", "frame", "laneId", "x", None, None, None, 1 / 25),
    "dair_v2x_seq": ColumnMap("id", "timestamp", None, None, "x", "y", None),
}
