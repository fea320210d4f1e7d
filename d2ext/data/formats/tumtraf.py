"""TUM Traffic's labels: OpenLABEL files with 3D boxes and tracks, in the frame of a LiDAR.

W. Zimmer et al., "TUMTraf Intersection Dataset", ITSC 2023; ASAM OpenLABEL 1.0.0. Fields that are read:
``openlabel.frames.FRAME`` with ``frame_properties.timestamp`` (s) and ``objects.TRACK.object_data``, in which
are ``type`` and ``cuboid``: one, or a list of one, with ``val``: x, y, z of the middle (m), the rotation as a
quaternion x, y, z, w (or as three angles, of which the last is about z), then length, width and height. A
file holds one frame, or many. Without a time in the frame it is in the file's name:
``SECONDS_NANOSECONDS_...``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from d2ext.data.formats.rows import BrokenRows
from d2ext.reading import clear_errors, read_json, require
from d2ext.structures.vocabulary import ROAD, Vocabulary

from .track_labels import Row, TrackLabels, numbers_of, track_labels, upright_label

#: Names of types that are no names of ``ROAD``.
ALIASES = {
    "motorcycle": "motorcyclist", "bicycle": "cyclist", "trailer": "truck", "emergency_vehicle": "van",
    "other": "unknown_movable", "other_vehicles": "unknown_movable",
}  # fmt: skip
_OCCLUSION = {"NOT_OCCLUDED": 0, "PARTIALLY_OCCLUDED": 1, "MOSTLY_OCCLUDED": 2}
_STAMP = re.compile(r"(\d{9,11})_(\d{9})(?:_|$)", re.ASCII)
_CUBOID = ("x", "y", "z", "qx", "qy", "qz", "qw", "length", "width", "height")
_ANGLES = ("x", "y", "z", "rx", "ry", "rz", "length", "width", "height")


@clear_errors
def read_tumtraf(
    path: str | Path, broken: BrokenRows | None = None, vocabulary: Vocabulary = ROAD
) -> TrackLabels:
    """The tracks of a folder of label files, or of one file. Times count from the first frame.

    Args:
        broken: skips and counts broken objects and files; None raises.

    Raises:
        FileNotFoundError, ValueError: one line that names the file, frame, object and field.
    """
    path, broken = Path(path), broken or BrokenRows(False)
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    if not files:
        raise FileNotFoundError(f"{path}: expected label files (.json)")
    frames: list[tuple[float, list[tuple[str, dict[str, Any]]]]] = []
    for file in files:
        with broken:
            frames += _read_file(file, broken, vocabulary)
    broken.report(str(path))
    frames.sort(key=lambda frame: frame[0])
    times = np.array([time for time, _ in frames])
    same = np.flatnonzero(np.diff(times) == 0)
    if len(same):
        raise ValueError(f"{path}: two frames at {times[same[0]]:.9g} s, expected one")
    rows: list[Row] = [(number, *row) for number, (_, found) in enumerate(frames) for row in found]
    return track_labels(path.stem, times - times[:1], rows)


def _read_file(
    path: Path, broken: BrokenRows, vocabulary: Vocabulary
) -> list[tuple[float, list[tuple[str, dict[str, Any]]]]]:
    """Time and objects of each frame."""
    content = require(read_json(path), "openlabel", dict, str(path))
    frames = require(content, "frames", dict, str(path))
    for name in frames:
        require(frames, name, dict, f"{path}: frames")
    return [
        (
            _time(frame, path, f"{path}: frame {name[:40]}", len(frames) == 1),
            _objects(frame, f"{path}: frame {name[:40]}", broken, vocabulary),
        )
        for name, frame in frames.items()
    ]


def _time(frame: Any, path: Path, where: str, alone: bool) -> float:
    properties = require(frame, "frame_properties", dict, where) if "frame_properties" in frame else {}
    stamp = _STAMP.match(path.name)
    if "timestamp" in properties:
        return numbers_of([properties["timestamp"]], ("timestamp",), where)[0]
    if stamp and alone:
        return int(stamp[1]) + int(stamp[2]) * 1e-9
    raise ValueError(f"{where}: field 'frame_properties.timestamp': expected the time in s, got nothing")


def _objects(
    frame: Any, where: str, broken: BrokenRows, vocabulary: Vocabulary
) -> list[tuple[str, dict[str, Any]]]:
    rows = []
    for track, item in require({"objects": {}, **frame}, "objects", dict, where).items():
        with broken:
            here = f"{where}: object {track[:40]}"
            data = require(item, "object_data", dict, here)
            annotation = _annotation(data, here, vocabulary)
            if annotation is not None:
                rows.append((track, annotation))
    return rows


def _annotation(data: dict[str, Any], where: str, vocabulary: Vocabulary) -> dict[str, Any] | None:
    """None for an object without a 3D box."""
    kind = require(data, "type", str, where)
    cuboid = data.get("cuboid")
    if isinstance(cuboid, list) and len(cuboid) == 1:
        cuboid = cuboid[0]
    if cuboid is None or cuboid == []:
        return None
    values = require(cuboid, "val", list, f"{where}: cuboid")
    if len(values) not in (len(_CUBOID), len(_ANGLES)):
        raise ValueError(f"{where}: field 'cuboid.val': expected 10 numbers, got {len(values)}")
    names = _CUBOID if len(values) == len(_CUBOID) else _ANGLES
    numbers = numbers_of(values, [f"cuboid.{name}" for name in names], where)
    length, width, height = numbers[-3:]
    turn = numbers[5]
    if names is _CUBOID:
        x, y, z, w = numbers[3:7]
        norm = float(np.linalg.norm((x, y, z, w)))
        if not 0.9 < norm < 1.1:
            raise ValueError(f"{where}: field 'cuboid.val': expected a unit quaternion, got length {norm:g}")
        turn = float(np.arctan2(2 * (x * y + z * w), 1 - 2 * (y * y + z * z)))
    name = ALIASES.get(kind.lower(), kind)
    return upright_label(
        name, np.array(numbers[:3]), (height, width, length), turn, where, vocabulary,
        occluded=_occlusion(cuboid),
    )  # fmt: skip


def _occlusion(cuboid: dict[str, Any]) -> float:
    attributes = cuboid.get("attributes")
    texts = attributes.get("text") if isinstance(attributes, dict) else None
    for item in texts if isinstance(texts, list) else []:
        if isinstance(item, dict) and item.get("name") == "occlusion_level":
            return float(_OCCLUSION.get(str(item.get("val")), 3))
    return 3.0  # unknown, as in KITTI
