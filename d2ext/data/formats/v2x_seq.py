"""V2X-Seq's sequential perception data: labels with tracks, in the frame of a (virtual) LiDAR.

H. Yu et al., "V2X-Seq: A Large-Scale Sequential Dataset for Vehicle-Infrastructure Cooperative Perception and
Forecasting", CVPR 2023. Fields that are read, as the data set's description names them:

* ``SIDE/data_info.json`` of ``infrastructure-side`` and ``vehicle-side``, a list: ``sequence_id``,
  ``label_lidar_std_path`` (relative to the side's folder), ``pointcloud_path`` (its stem is the frame) and
  ``pointcloud_timestamp``, microseconds;
* ``cooperative/data_info.json``, a list: ``vehicle_frame`` and ``vehicle_sequence``; the labels of the frame
  are ``cooperative/label/FRAME.json``, in the vehicle's frame at the time of its point cloud;
* label files, lists: ``type``, ``track_id``, ``truncated_state``, ``occluded_state``, ``2d_box``,
  ``3d_dimensions`` (``h``, ``w``, ``l``), ``3d_location`` (the middle of the box) and ``rotation`` about the
  upward axis from x towards y, rad. Numbers may be texts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from d2ext.data.formats.rows import BrokenRows
from d2ext.reading import clear_errors, path_below, read_json, require
from d2ext.structures.vocabulary import ROAD, Vocabulary

from .track_labels import Row, TrackLabels, numbers_of, track_labels, upright_label

SIDES = ("infrastructure-side", "vehicle-side", "cooperative")
_MICROSECONDS = 1e-6


@clear_errors
def read_v2x_seq(
    root: str | Path,
    side: str = "infrastructure-side",
    broken: BrokenRows | None = None,
    vocabulary: Vocabulary = ROAD,
) -> dict[str, TrackLabels]:
    """The tracks of all sequences of one side, by their names. Times count from a sequence's first frame.

    Objects without a ``track_id`` (traffic cones have none) are left out.

    Args:
        root: the folder that holds the sides.
        side: one of ``SIDES``; the infrastructure's LiDAR stands still.
        broken: skips and counts broken objects and frames; None raises.

    Raises:
        FileNotFoundError, ValueError: one line that names the file, item and field.
    """
    if side not in SIDES:
        raise ValueError(f"side: expected one of {', '.join(SIDES)}, got {side[:40]!r}")
    root, broken = Path(root), broken or BrokenRows(False)
    frames = _cooperative(root, broken) if side == "cooperative" else _frames(root / side, broken)
    found = {}
    for name in sorted({sequence for sequence, _, _ in frames}):
        own = sorted((time, path) for sequence, time, path in frames if sequence == name)
        times = np.array([time for time, _ in own]) - own[0][0]
        rows: list[Row] = []
        for number, (_, path) in enumerate(own):
            with broken:
                rows += [(number, *row) for row in _objects(path, broken, vocabulary)]
        found[name] = track_labels(name, times, rows)
    broken.report(f"v2x_seq {side}")
    return found


def _items(path: Path) -> list[Any]:
    data = read_json(path)
    if not isinstance(data, list):
        raise ValueError(f"{path}: expected a list, got {type(data).__name__}")
    return data


def _frames(folder: Path, broken: BrokenRows) -> list[tuple[str, float, Path]]:
    """Sequence, time and label file of each frame of a side."""
    path = folder / "data_info.json"
    frames = []
    for index, item in enumerate(_items(path)):
        with broken:
            where = f"{path}: item {index}"
            (time,) = numbers_of(
                [require(item, "pointcloud_timestamp", (str, int, float), where)],
                ("pointcloud_timestamp",),
                where,
            )
            label = path_below(
                folder,
                require(item, "label_lidar_std_path", str, where),
                f"{where}: field 'label_lidar_std_path'",
            )
            frames.append((require(item, "sequence_id", str, where), time * _MICROSECONDS, label))
    return frames


def _cooperative(root: Path, broken: BrokenRows) -> list[tuple[str, float, Path]]:
    info, path = root / "vehicle-side/data_info.json", root / "cooperative/data_info.json"
    times = {}
    for index, item in enumerate(_items(info)):
        with broken:
            where = f"{info}: item {index}"
            stamp = require(item, "pointcloud_timestamp", (str, int, float), where)
            (time,) = numbers_of([stamp], ("pointcloud_timestamp",), where)
            times[Path(require(item, "pointcloud_path", str, where)).stem] = time * _MICROSECONDS
    frames = []
    for index, item in enumerate(_items(path)):
        with broken:
            where = f"{path}: item {index}"
            frame = require(item, "vehicle_frame", str, where)
            if frame not in times:
                raise ValueError(f"{where}: field 'vehicle_frame': {frame[:40]!r} is not in {info}")
            label = path_below(root / "cooperative/label", f"{frame}.json", f"{where}: field 'vehicle_frame'")
            frames.append((require(item, "vehicle_sequence", str, where), times[frame], label))
    return frames


def _objects(path: Path, broken: BrokenRows, vocabulary: Vocabulary) -> list[tuple[str, dict[str, Any]]]:
    """Track and annotation of each object of a frame."""
    rows = []
    for index, item in enumerate(_items(path)):
        with broken:
            where = f"{path}: item {index}"
            kind = require(item, "type", str, where)
            track = item.get("track_id")
            if track in (None, "", -1, "-1"):
                continue
            track = str(require(item, "track_id", (str, int), where))
            size = _group(item, "3d_dimensions", ("h", "w", "l"), where)
            centre = _group(item, "3d_location", ("x", "y", "z"), where)
            (turn,) = numbers_of([item.get("rotation")], ("rotation",), where)
            states = [item.get(name, 0) for name in ("truncated_state", "occluded_state")]
            truncated, occluded = numbers_of(states, ("truncated_state", "occluded_state"), where)
            box = [0.0] * 4
            if "2d_box" in item:
                box = _group(item, "2d_box", ("xmin", "ymin", "xmax", "ymax"), where)
            annotation = upright_label(
                kind, np.array(centre), size, turn, where, vocabulary, box, occluded, truncated
            )
            if annotation is not None:
                rows.append((track, annotation))
    return rows


def _group(item: Any, key: str, names: tuple[str, ...], where: str) -> list[float]:
    part = require(item, key, dict, where)
    return numbers_of([part.get(name) for name in names], [f"{key}.{name}" for name in names], where)
