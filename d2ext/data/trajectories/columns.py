"""Which columns of a recording hold what, in which units, and the layouts of published data sets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FOOT = 0.3048
MPH = 1609.344 / 3600
KMH = 1 / 3.6

#: Units of recordings in s, m and m/s are from this to its inverse.
MIN_UNIT = 1e-9
#: What a column of speeds counts: along the direction in which the lane is driven; along the axis of the
#: positions; or without a sign, which then comes from the change of position.
SPEED_SIGNS = ("lane", "axis", "none")

#: Columns of published files that are known not to be in metres or m/s: their unit in those, or none at all.
KNOWN_UNITS = {
    **dict.fromkeys(("Local_X", "Local_Y", "Global_X", "Global_Y", "v_Vel"), FOOT),
    **dict.fromkeys(("carCenterXft", "carCenterYft", "headXft", "headYft", "tailXft", "tailYft"), FOOT),
    **dict.fromkeys(("carCenterX", "carCenterY", "headX", "headY", "tailX", "tailY"), None),
    **dict.fromkeys(("carCenterLat", "carCenterLon"), None),
}


@dataclass(frozen=True)
class ColumnMap:
    """Names and units of the columns that are read; others may stand beside them in any order.

    A file has either ``lane`` and ``position`` or, for a road given by polylines, ``x`` and ``y``: a name
    that is None is not read. Which of the two pairs is used is decided by the header: ``lane`` and
    ``position`` where it has both, but for a position that is itself ``x`` or ``y`` and a road with centre
    lines.

    Args:
        track_id: the vehicle's number or name, kept as it is written.
        time: time, in units of ``time_unit`` seconds.
        lane: the lane's number or name, kept as it is written.
        position: along the lane, in units of ``length_unit`` metres.
        x, y: in units of ``length_unit`` metres; with ``geographic`` longitude and latitude in degrees.
        speed: in units of ``speed_unit`` m/s; ``speed_sign`` says along what. Optional: without it (None, or
            no such column) the speed is the change of position.
        time_unit: seconds a unit of ``time``; 1 / frame rate where frames are counted.
        length_unit, speed_unit: metres, and m/s, a unit.
        time_offset, position_offset: s and m, added to what is read.
        speed_sign: one of ``SPEED_SIGNS``.
        box_length: column with the length of the vehicle's box, where ``position`` is the lower edge of the
            box: half of it is added.
        backward_lanes: lanes whose positions fall along the direction of travel, beside those of the road.
        metadata: the data set's files beside the recording have its frame rate, and the lanes' directions.
        directed: False where some lanes are driven towards falling positions and the file does not say which:
            taken from the metadata files of the data set, or from how most vehicles of a lane move.
        geographic: ``x`` and ``y`` are degrees; metres east and north of the road's ``origin`` are made of
            them.
        separator: between fields, one character; "" takes what the first line has of ``;``, ``,``, tab and
            space.
        headers: the names in files that have no header, by the number of fields: the shortest that is long
            enough.
        where: rows that are read, such as ``("Location=us-101", "type!=DontCare")``.
        reader: "rows", a row a vehicle and moment, or "pneuma", a row a vehicle. Files named ``.xml`` are
            read as SUMO's FCD output, whose columns have the names of its CSV form.
    """

    track_id: str = "track_id"
    time: str = "time"
    lane: str | None = "lane"
    position: str | None = "position"
    x: str | None = "x"
    y: str | None = "y"
    speed: str | None = "speed"
    time_unit: float = 1.0
    length_unit: float = 1.0
    speed_unit: float = 1.0
    time_offset: float = 0.0
    position_offset: float = 0.0
    speed_sign: str = "lane"
    box_length: str | None = None
    backward_lanes: tuple[str, ...] = ()
    metadata: bool = False
    directed: bool = True
    geographic: bool = False
    separator: str = ""
    headers: tuple[tuple[str, ...], ...] = ()
    where: tuple[str, ...] = ()
    reader: str = "rows"

    def __post_init__(self) -> None:
        """
        Raises:
            ValueError: a unit that cannot be, a separator of several characters, a condition
                without ``=``, or metres read from a column that is known to hold feet or pixels.
        """
        for name in ("time_unit", "length_unit", "speed_unit"):
            if not MIN_UNIT <= getattr(self, name) <= 1 / MIN_UNIT:
                raise ValueError(
                    f"{name} must be from {MIN_UNIT:g} to {1 / MIN_UNIT:g}, got {getattr(self, name)}"
                )
        for name in ("time_offset", "position_offset"):
            if not np.isfinite(getattr(self, name)):
                raise ValueError(f"{name} must be finite, got {getattr(self, name)}")
        if self.speed_sign not in SPEED_SIGNS:
            raise ValueError(f"speed_sign must be one of {', '.join(SPEED_SIGNS)}, got {self.speed_sign!r}")
        if len(self.separator) > 1 or self.separator in ('"', "\n", "\r"):
            raise ValueError(f"separator must be one character, got {self.separator[:20]!r}")
        for condition in self.where:
            if "=" not in condition:
                raise ValueError(f"where: expected COLUMN=VALUE or COLUMN!=VALUE, got {condition[:40]!r}")
        object.__setattr__(self, "backward_lanes", tuple(map(str, self.backward_lanes)))
        self._check_units()

    def _check_units(self) -> None:
        for name in (self.position, self.x, self.y):
            unit = KNOWN_UNITS.get(name or "", self.length_unit)
            if unit is None and not (self.geographic and str(name).startswith("carCenterL")):
                raise ValueError(f"column {name!r} is in pixels or degrees, expected one in metres or feet")
            if unit is not None and not np.isclose(self.length_unit, unit, rtol=1e-4):
                raise ValueError(f"column {name!r} is in feet: expected length_unit {unit}")
        unit = KNOWN_UNITS.get(self.speed or "", self.speed_unit)
        if unit is not None and not np.isclose(self.speed_unit, unit, rtol=1e-4):
            raise ValueError(f"column {self.speed!r} is in feet a second: expected speed_unit {unit}")


_NGSIM = (
    "Vehicle_ID", "Frame_ID", "Total_Frames", "Global_Time", "Local_X", "Local_Y", "Global_X", "Global_Y",
    "v_Length", "v_Width", "v_Class", "v_Vel", "v_Acc", "Lane_ID",
)  # fmt: skip
_FOLLOWING = ("Preceding", "Following", "Space_Headway", "Time_Headway")
_INTERSECTION = ("O_Zone", "D_Zone", "Int_ID", "Section_ID", "Direction", "Movement")
_KITTI_TRACKING = (
    "frame", "track_id", "type", "truncated", "occluded", "alpha", "left", "top", "right", "bottom", "height",
    "width", "length", "x", "y", "z", "rotation_y", "score",
)  # fmt: skip

#: Published layouts by name, from the column descriptions of the data sets.
#:
#: - highd (25 frames a second; metadata files beside the tracks are read, see ``highd.py``): x is the left
#:   edge of the vehicle's box, xVelocity the speed along x; the upper lanes are driven towards smaller x.
#: - ind (inD, and rounD and uniD of the same makers): x and y need a road.
#: - ngsim: feet, ms; files with the header of the published collection, or without one.
#: - citysim: feet and mph, 30 frames a second; the position is carCenterXft where the road has no centre
#:   lines.
#: - pneuma: degrees and km/h; needs a road with an origin.
#: - sumo: FCD output as XML, or as CSV with either separator.
#: - dair_v2x_seq: trajectory files of the forecasting data set.
#: - kitti_tracking: label_02 files, 10 frames a second; x to the right and z ahead of the moving car.
COLUMN_MAPS: dict[str, ColumnMap] = {
    "plain": ColumnMap(),
    "highd": ColumnMap(
        "id", "frame", "laneId", "x", None, None, "xVelocity", 1 / 25, speed_sign="axis", box_length="width",
        metadata=True, directed=False,
    ),
    "ind": ColumnMap("trackId", "frame", None, None, "xCenter", "yCenter", None, 1 / 25, metadata=True),
    "ngsim": ColumnMap(
        "Vehicle_ID", "Global_Time", "Lane_ID", "Local_Y", None, None, "v_Vel", 1e-3, FOOT, FOOT,
        headers=((*_NGSIM, *_FOLLOWING), (*_NGSIM, *_INTERSECTION, *_FOLLOWING, "Location")),
    ),
    "citysim": ColumnMap(
        "carId", "frameNum", "laneId", "carCenterXft", "carCenterXft", "carCenterYft", "speed", 1 / 30, FOOT,
        MPH, speed_sign="none", directed=False,
    ),
    "pneuma": ColumnMap(
        "track_id", "time", None, None, "lon", "lat", "speed", speed_unit=KMH, speed_sign="none",
        geographic=True, reader="pneuma",
    ),
    "sumo": ColumnMap(
        "vehicle_id", "timestep_time", "vehicle_lane", "vehicle_pos", "vehicle_x", "vehicle_y",
        "vehicle_speed",
    ),
    "dair_v2x_seq": ColumnMap("id", "timestamp", None, None, "x", "y", None),
    "kitti_tracking": ColumnMap(
        "track_id", "frame", None, None, "x", "z", None, 0.1, headers=(_KITTI_TRACKING,),
        where=("type!=DontCare",),
    ),
}  # fmt: skip
