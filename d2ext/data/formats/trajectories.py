"""Recordings of traffic: ``<root>/<split>/*.csv``, beside each an optional label file of the same name and
``.json`` (``d2ext.data.trajectories.labels``), and one optional ``<root>/road.json`` for all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from d2ext.data.trajectories.labels import read_labels

from .records import BrokenRows, require_records

ROAD_FILE = "road.json"
GOOD = "good"


def load_trajectories(root: str | Path, split: str, skip_broken: bool = False) -> list[dict[str, Any]]:
    """One record a recording, in the order of the names. The CSV files are not read here.

    Returns:
        Records with ``file_name`` (the CSV file), ``image_id``, ``road_file`` (or None), ``label`` (1 with
        anomalies, else 0), ``kind`` (of the first anomaly, or "good"), ``anomalies`` (a list of
        ``LabelledAnomaly``) and ``mask_file`` (None: masks are drawn from the anomalies, ``anomaly_mask``).

    Raises:
        FileNotFoundError, ValueError: no such folder, or no recording in it; a broken label file; an anomaly
            in a split other than test.
    """
    folder, road_file = Path(root) / split, Path(root) / ROAD_FILE
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder of recordings")
    records, broken = [], BrokenRows(skip_broken)
    for path in sorted(folder.glob("*.csv")):
        with broken:
            label_file = path.with_suffix(".json")
            anomalies = read_labels(label_file) if label_file.exists() else []
            if anomalies and split != "test":
                raise ValueError(f"{label_file}: an anomaly in {split}, expected normal recordings only")
            records.append(
                {
                    "file_name": str(path),
                    "image_id": path.stem,
                    "road_file": str(road_file) if road_file.exists() else None,
                    "label": int(bool(anomalies)),
                    "kind": anomalies[0].kind if anomalies else GOOD,
                    "anomalies": anomalies,
                    "mask_file": None,
                }
            )
    broken.report(f"trajectories {split}")
    return require_records(records, str(folder))
