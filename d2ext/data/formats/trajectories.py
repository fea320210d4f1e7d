"""Recordings of traffic: ``<root>/<split>/*`` (.csv, .txt or .xml), an optional label file of the
same name and ``.json`` beside each (``d2ext.data.trajectories.labels``), one ``<root>/road.json``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from d2ext.data.formats.rows import BrokenRows
from d2ext.data.trajectories.highd import META_SUFFIXES
from d2ext.data.trajectories.labels import read_labels
from d2ext.reading import exists

ROAD_FILE = "road.json"
GOOD = "good"
#: Of files that hold a recording.
SUFFIXES = (".csv", ".txt", ".xml")


def load_trajectories(root: str | Path, split: str, skip_broken: bool = False) -> list[dict[str, Any]]:
    """One record a recording, in the order of the names. The recordings are not read here.

    Returns:
        Records with ``file_name`` (the recording), ``image_id``, ``road_file`` (or None), ``label`` (1 with
        anomalies, else 0), ``kind`` (of the first anomaly, or "good"), ``anomalies`` (a list of
        ``LabelledAnomaly``) and ``mask_file`` (None: masks are drawn from the anomalies, ``anomaly_mask``).

    Raises:
        FileNotFoundError, ValueError: no such folder, or no recording in it; two recordings of one name; a
            broken label file; an anomaly in a split other than test.
    """
    folder, road_file = Path(root) / split, Path(root) / ROAD_FILE
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder of recordings")
    records: dict[str, dict[str, Any]] = {}
    broken = BrokenRows(skip_broken)
    for path in sorted(filter(is_recording, folder.iterdir())):
        with broken:
            if path.stem in records:
                raise ValueError(f"{path}: there is {records[path.stem]['file_name']} too")
            label_file = path.with_suffix(".json")
            anomalies = read_labels(label_file) if exists(label_file) else []
            if anomalies and split != "test":
                raise ValueError(f"{label_file}: an anomaly in {split}, expected normal recordings only")
            records[path.stem] = {
                "file_name": str(path),
                "image_id": path.stem,
                "road_file": str(road_file) if exists(road_file) else None,
                "label": int(bool(anomalies)),
                "kind": anomalies[0].kind if anomalies else GOOD,
                "anomalies": anomalies,
                "mask_file": None,
            }
    broken.report(f"trajectories {split}")
    if not records:
        raise ValueError(f"{folder}: no usable recording ({', '.join(SUFFIXES)})")
    return list(records.values())


def is_recording(path: Path) -> bool:
    """Whether a file is a recording by its name; the metadata files of highD are none."""
    name = path.name.lower()
    return name.endswith(SUFFIXES) and not name.endswith(META_SUFFIXES) and not name.startswith(".")
