"""KITTI's tracking benchmark: ``label_02/SEQUENCE.txt``, a row an object and frame, read and written.

A row is ``frame track_id`` and the fields of KITTI's label rows (``.kitti``), perhaps a score; the rows of
DontCare have the track -1. A dataset's folder holds ``training`` and ``testing`` with ``image_02/SEQUENCE/
FRAME.png`` (or .jpg), ``calib/SEQUENCE.txt`` and, of training, ``label_02/SEQUENCE.txt``; where there is
``denorm/SEQUENCE.txt`` (Rope3D's ground plane) the boxes stand on it. Source: A. Geiger et al., "Are we ready
for autonomous driving?", CVPR 2012, and the benchmark's development kit.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from d2ext.data.formats.rows import BrokenRows, read_names, require_records
from d2ext.data.image_io import IMAGE_SUFFIXES, read_image_size
from d2ext.files import write_bytes
from d2ext.reading import clear_errors, exists, read_text
from d2ext.structures.vocabulary import ROAD, Vocabulary

from .frames import images_by_name
from .kitti import parse_floats, parse_label, parse_region, read_calib, read_ground
from .track_labels import Row, TrackLabels, track_labels

FRAME_RATE = 10.0  # frames a second
#: More frames than any recording has.
MAX_FRAME = 1_000_000
_NUMBER = re.compile(r"-?\d{1,9}", re.ASCII)
_SCORE_FIELD = 17
#: Folder and default sequences of a split.
_FOLDERS = {"train": "training", "val": "training", "test": "testing"}


@clear_errors
def read_kitti_tracks(
    path: str | Path,
    broken: BrokenRows | None = None,
    vocabulary: Vocabulary = ROAD,
    rate: float = FRAME_RATE,
    frames: int = 0,
    ground: Sequence[float] | None = None,
) -> TrackLabels:
    """The tracks of a ``label_02`` file. Rows of DontCare and Misc become regions.

    Args:
        broken: skips and counts broken rows; None raises.
        rate: frames a second.
        frames: how many there are at least; those after the last labelled one are not in the file.
        ground: plane on which the boxes stand.

    Raises:
        FileNotFoundError, ValueError: no such file; names the line and the field.
    """
    path, broken = Path(path), broken or BrokenRows(False)
    rows: list[Row] = []
    regions: list[tuple[int, list[float]]] = []
    seen: set[tuple[int, str]] = set()
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        fields = line.split()
        if not fields:
            continue
        where = f"{path}:{number}"
        with broken:
            frame, track, annotation = _row(fields, where, vocabulary)
            frames = max(frames, frame + 1)
            if annotation is None:
                regions.append((frame, parse_region(fields[6:10], where)))
                continue
            if (frame, track) in seen:
                raise ValueError(f"{where}: field 'track_id': {track} twice in frame {frame}")
            seen.add((frame, track))
            rows.append((frame, track, annotation))
    broken.report(str(path))
    return track_labels(path.stem, np.arange(frames) / rate, rows, regions, ground)


def _row(fields: list[str], where: str, vocabulary: Vocabulary) -> tuple[int, str, dict[str, Any] | None]:
    """Frame, track and annotation (None for a region) of a row."""
    if len(fields) < _SCORE_FIELD:
        raise ValueError(
            f"{where}: expected frame, track_id and the 15 fields of a label, got {len(fields)} fields"
        )
    for name, field in zip(("frame", "track_id"), fields, strict=False):
        if not _NUMBER.fullmatch(field):
            raise ValueError(f"{where}: field {name!r}: expected a whole number, got {ascii(field[:40])}")
    frame, track = int(fields[0]), int(fields[1])
    if not 0 <= frame <= MAX_FRAME:
        raise ValueError(f"{where}: field 'frame': expected 0 to {MAX_FRAME}, got {frame}")
    kind = "Person_sitting" if fields[2].lower() == "person" else fields[2]
    annotation = parse_label([kind, *fields[3:_SCORE_FIELD]], where, vocabulary)
    if annotation is None:
        return frame, "", None
    if track < 0:
        raise ValueError(f"{where}: field 'track_id': expected at least 0, got {track}")
    if len(fields) > _SCORE_FIELD:
        (annotation["score"],) = parse_floats(fields[_SCORE_FIELD : _SCORE_FIELD + 1], ("score",), where)
    return frame, str(track), annotation


def kitti_tracks_text(labels: TrackLabels, names: Sequence[str] = ROAD.names) -> str:
    """The rows of a ``label_02`` file: with 6 decimals, scores where one is not 1. Tracks whose names are not
    all numbers are counted from 0 in the order of their names.

    Args:
        names: of the classes, which begin with a capital in the file.
    """
    known = {track: str(number) for number, track in enumerate(np.unique(labels.ids))}
    if all(_NUMBER.fullmatch(track) for track in known):
        known = {track: track for track in known}
    scored = bool((labels.scores != 1).any())
    alpha = labels.yaw - np.arctan2(labels.location[:, 0], labels.location[:, 2])
    alpha = np.remainder(alpha + np.pi, 2 * np.pi) - np.pi
    lines = [
        (frame, f"{frame} -1 DontCare -1 -1 -10 {_numbers(box)} -1 -1 -1 -1000 -1000 -1000 -10")
        for frame, box in zip(labels.ignored_frame.tolist(), labels.ignored_boxes, strict=True)
    ]
    for i in range(len(labels)):
        frame, known_3d = int(labels.frame[i]), bool(labels.has_3d[i])
        place = [*labels.size[i], *labels.location[i], labels.yaw[i]]
        rest = [*labels.boxes[i], *(place if known_3d else [-1, -1, -1, -1000, -1000, -1000, -10])]
        score = [labels.scores[i]] if scored else []
        head = f"{frame} {known[str(labels.ids[i])]} {names[labels.classes[i]].capitalize()}"
        states = f"{labels.truncated[i]:g} {labels.occluded[i]}"
        seen = _numbers([alpha[i] if known_3d else -10.0, *rest, *score])
        lines.append((frame, f"{head} {states} {seen}"))
    return "".join(line + "\n" for _, line in sorted(lines, key=lambda pair: pair[0]))


def write_kitti_tracks(labels: TrackLabels, path: str | Path, names: Sequence[str] = ROAD.names) -> None:
    """Write a ``label_02`` file (:func:`kitti_tracks_text`)."""
    write_bytes(path, kitti_tracks_text(labels, names).encode())


def _numbers(values: Any) -> str:
    return " ".join(f"{float(value):.6f}" for value in values)


@clear_errors
def load_kitti_tracking(
    root: str | Path, split: str, skip_broken: bool = False, vocabulary: Vocabulary = ROAD
) -> list[dict[str, Any]]:
    """Records of all frames, sequence by sequence: those of :mod:`d2ext.data` with ``sequence``, ``frame``
    (from 0) and ``time`` (s), and with a ``track_id`` in each annotation.

    The sequences of a split are those of ``root/ImageSets/SPLIT.txt``; without such a file all of
    ``training``, or ``testing`` for "test" (which has no labels in the release: its annotations are empty).

    Raises:
        FileNotFoundError, ValueError: one line that names the file and the line or field.
    """
    root = Path(root)
    folder = root / _FOLDERS.get(split, split)
    broken = BrokenRows(skip_broken)
    records: list[dict[str, Any]] = []
    for name in _sequences(root, folder, split):
        with broken:
            records += _sequence_records(folder, name, broken, vocabulary)
    broken.report(f"kitti_tracking {split}")
    return require_records(records, str(folder))


def _sequences(root: Path, folder: Path, split: str) -> list[str]:
    chosen = root / "ImageSets" / f"{split}.txt"
    if exists(chosen):
        return read_names(chosen)
    if split == "val":
        raise FileNotFoundError(f"{chosen}: no such file; it names the sequences of the split, one a line")
    images = folder / "image_02"
    if not images.is_dir():
        raise FileNotFoundError(f"{images}: no such folder of sequences")
    return sorted(path.name for path in images.iterdir() if path.is_dir())


def _sequence_records(
    folder: Path, name: str, broken: BrokenRows, vocabulary: Vocabulary
) -> list[dict[str, Any]]:
    images = images_by_name(folder / "image_02" / name)
    if not images:
        suffixes = ", ".join(sorted(IMAGE_SUFFIXES))
        raise FileNotFoundError(f"{folder / 'image_02' / name}: expected frames ({suffixes})")
    labels, plane = folder / "label_02" / f"{name}.txt", folder / "denorm" / f"{name}.txt"
    ground = read_ground(plane) if exists(plane) else None
    tracks = None
    if folder.name != "testing" or exists(labels):
        tracks = read_kitti_tracks(labels, broken, vocabulary, ground=ground)
    records = []
    for stem, path in images.items():
        if not _NUMBER.fullmatch(stem):
            raise ValueError(f"{path}: expected a name that is the number of the frame")
        height, width = size = read_image_size(path)
        frame = int(stem)
        record = {
            "file_name": str(path),
            "image_id": f"{name}/{stem}",
            "height": height,
            "width": width,
            "camera": read_calib(folder / "calib" / f"{name}.txt", size),
            "ground_plane": ground,
            "annotations": [] if tracks is None else _annotations(tracks, frame),
            "ignored_boxes": [] if tracks is None else _regions(tracks, frame),
            "sentences": [],
            "sequence": name,
            "frame": frame,
            "time": frame / FRAME_RATE,
        }
        records.append(record | ({} if ground is not None else {"level_boxes": True}))
    return records


def _annotations(tracks: TrackLabels, frame: int) -> list[dict[str, Any]]:
    rows = tracks.select(np.arange(len(tracks))[tracks.rows_of(frame)])
    alpha = rows.yaw - np.arctan2(rows.location[:, 0], rows.location[:, 2])
    alpha = np.remainder(alpha + np.pi, 2 * np.pi) - np.pi
    return [
        {
            "id": i,
            "track_id": str(rows.ids[i]),
            "bbox": rows.boxes[i].tolist(),
            "bbox_mode": 0,  # BoxMode.XYXY_ABS
            "category_id": int(rows.classes[i]),
            "truncated": float(rows.truncated[i]),
            "occluded": int(rows.occluded[i]),
            "alpha": float(alpha[i]),
            "has_3d": bool(rows.has_3d[i]),
            "location": rows.location[i].tolist(),
            "dimensions": rows.size[i].tolist(),
            "yaw": float(rows.yaw[i]),
            "color": None,
        }
        for i in range(len(rows))
    ]


def _regions(tracks: TrackLabels, frame: int) -> list[list[float]]:
    return tracks.ignored_boxes[tracks.ignored_frame == frame].tolist()
