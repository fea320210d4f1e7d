"""The metadata files of highD: ``NN_recordingMeta.csv`` and ``NN_tracksMeta.csv`` beside ``NN_tracks.csv``.

Source: the data set's format description. Lanes are numbered from the top of the picture, 1 above the first
marking; the upper ones are driven towards smaller x.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from d2ext.reading import exists

from .columns import ColumnMap
from .rows import text_rows
from .table import number_fault

_TRACKS, _RECORDING_META, _TRACKS_META = "_tracks.csv", "_recordingMeta.csv", "_tracksMeta.csv"
META_SUFFIXES = (_RECORDING_META.lower(), _TRACKS_META.lower())
_MAX_RATE = 1000  # frames a second
_UPPER = "1"  # drivingDirection of vehicles in the upper lanes


def with_metadata(path: Path, columns: ColumnMap) -> ColumnMap:
    """The columns of a tracks file with the frame rate and the lanes' directions of the metadata beside it;
    without such files the columns as they are. (inD and its relatives have the frame rate there too.)

    Raises:
        ValueError: a metadata file without the fields that are needed.
    """
    if not columns.metadata or not path.name.endswith(_TRACKS):
        return columns
    meta = path.with_name(path.name.removesuffix(_TRACKS) + _RECORDING_META)
    if not exists(meta):
        return columns
    fields = _first_row(meta)
    field = fields.get("frameRate", "")
    rate = 0.0 if number_fault(field) else float(field)
    if not 1 <= rate <= _MAX_RATE:
        raise ValueError(
            f"{meta}:2: column 'frameRate': expected a number from 1 to {_MAX_RATE}, got {field[:40]!r}"
        )
    columns = replace(columns, time_unit=1 / rate)
    if columns.directed or columns.backward_lanes or "upperLaneMarkings" not in fields:
        return columns
    # Between n markings lie n - 1 lanes; the lane above them is number 1.
    markings = [m for m in fields["upperLaneMarkings"].split(";") if m.strip()]
    upper = tuple(str(number) for number in range(2, len(markings) + 1))
    return replace(columns, directed=True, backward_lanes=upper)


def upper_vehicles(path: Path) -> set[str] | None:
    """Names of the vehicles of the upper lanes by the metadata of the tracks, None where there is none."""
    meta = path.with_name(path.name.removesuffix(_TRACKS) + _TRACKS_META)
    if not path.name.endswith(_TRACKS) or not exists(meta):
        return None
    rows = text_rows(meta, "")
    header = [name.strip() for name in next(rows, (1, []))[1]]
    if not {"id", "drivingDirection"} <= set(header):
        raise ValueError(f"{meta}:1: expected the columns id and drivingDirection")
    name, direction = header.index("id"), header.index("drivingDirection")
    return {
        fields[name].strip()
        for _, fields in rows
        if len(fields) > max(name, direction) and fields[direction].strip() == _UPPER
    }


def _first_row(path: Path) -> dict[str, str]:
    rows = text_rows(path, "")
    header, values = (next(rows, (1, []))[1] for _ in range(2))
    return {name.strip(): value.strip() for name, value in zip(header, values, strict=False)}
