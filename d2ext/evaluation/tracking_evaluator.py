"""A detector and the tracker together, on datasets of sequences."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from d2ext.data.formats.kitti_tracking import write_kitti_tracks
from d2ext.data.formats.track_labels import TrackLabels, labels_of_tracks, track_labels
from d2ext.tracking import GroundFrame, Tracker, TrackerConfig

from .evaluator import Evaluator3D, Rows, Table, instance_rows
from .track_pairs import pair_frames
from .tracking import FramePairs, tracking_figures

#: Columns of the table.
COLUMNS = ("HOTA", "DetA", "AssA", "LocA", "MOTA", "MOTP", "IDF1", "Recall", "Precision", "IDSW", "Frag")


class TrackingEvaluator(Evaluator3D):
    """Tracks what a detector finds in the frames of each sequence, in the order of their times, and compares
    with the labelled tracks. Frames are those of records with ``sequence`` and ``time``, and annotations with
    ``track_id`` (``kitti_tracking``).

    Args:
        dataset_name: registered name.
        config: of the tracker; its ``ground`` and ``camera`` are those of each sequence.
        max_distance: m, beyond which nothing counts.
        output_dir: folder for the tables, and for the tracks as ``label_02/SEQUENCE.txt``; None writes none.
    """

    def __init__(
        self,
        dataset_name: str,
        config: TrackerConfig | None = None,
        max_distance: float = 90.0,
        output_dir: str | Path | None = None,
    ) -> None:
        super().__init__(dataset_name, ("kitti", "rope3d", "kitti_tracking"), output_dir)
        self._config = config or TrackerConfig()
        self._max_distance = max_distance
        self._tracks: dict[str, TrackLabels] = {}

    def process(self, inputs: Sequence[Mapping[str, Any]], outputs: Sequence[Mapping[str, Any]]) -> None:
        """Collect what was found in each image: ``instances`` of a detector."""
        for image, output in zip(inputs, outputs, strict=True):
            plane = image.get("box_plane")
            rows = instance_rows(output["instances"].to("cpu"), plane)
            self._rows.append({"image_id": image["image_id"], "instances": rows})

    def compare(self, records: Sequence[Mapping[str, Any]], rows: Rows) -> dict[str, Table]:
        """Figures of all sequences, of each class, and of each sequence."""
        sequences: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for record in records:
            sequences[str(record["sequence"])].append(record)
        for own in sequences.values():
            own.sort(key=lambda record: record["time"])
        truths = {name: sequence_labels(name, own) for name, own in sequences.items()}
        self._tracks = {name: self._follow(truths[name], own, rows) for name, own in sequences.items()}
        table = {"Overall": self._figures(truths)}
        for number, name in enumerate(self._config.classes):
            if any((truth.classes == number).any() for truth in truths.values()):
                table[name] = self._figures(truths, number)
        each = {name: self._figures({name: truth}) for name, truth in truths.items()}
        return {"tracking": table, "tracking_by_sequence": each}

    def _figures(self, truths: Mapping[str, TrackLabels], kind: int | None = None) -> dict[str, float]:
        classes = None if kind is None else [kind]
        pairs: list[list[FramePairs]] = []
        for name, truth in truths.items():
            found = self._tracks[name]
            if kind is not None:  # tracks of other classes do not count either
                found = found.select(found.classes == kind)
            pairs.append(pair_frames(truth, found, "iou3d", classes, self._max_distance))
        figures = tracking_figures(pairs)
        return {name: figures[name] for name in COLUMNS}

    def _follow(self, truth: TrackLabels, records: Sequence[Mapping[str, Any]], rows: Rows) -> TrackLabels:
        """The tracks of one sequence."""
        config = replace(self._config, ground=truth.ground)
        if "camera" in records[0]:
            P = [float(value) for row in records[0]["camera"] for value in row]
            size = (records[0]["height"], records[0]["width"])
            config = replace(config, camera=tuple(P), image_size=size)
        tracker = Tracker(config)
        frame, tracked = GroundFrame(truth.ground), []
        for record in records:
            found = rows.get(record["image_id"], {"instances": []})["instances"]
            columns = {
                key: np.array([row[key] for row in found], np.float64)
                for key in ("location", "dimensions", "yaw", "score", "bbox")
            }
            classes = np.array([row["category_id"] for row in found], np.int64)
            detections = frame.detections(
                columns["location"].reshape(-1, 3),
                columns["dimensions"].reshape(-1, 3),
                columns["yaw"],
                columns["score"],
                classes,
                columns["bbox"].reshape(-1, 4),
            )
            tracked.append(tracker.update(detections, float(record["time"])))
        return labels_of_tracks(truth.name, truth.times, tracked, truth.ground)

    def write_files(self, folder: Path, rows: Rows) -> None:
        """The tracks in KITTI tracking's format."""
        for name, tracks in self._tracks.items():
            write_kitti_tracks(tracks, folder / "label_02" / f"{name}.txt", self._config.classes)


def sequence_labels(name: str, records: Sequence[Mapping[str, Any]]) -> TrackLabels:
    """The labelled tracks of the records of one sequence, in the order of time.

    Raises:
        ValueError: an annotation without a track.
    """
    rows, regions = [], []
    for number, record in enumerate(records):
        for annotation in record["annotations"]:
            if "track_id" not in annotation:
                raise ValueError(f"{record['image_id']}: expected annotations with track_id")
            rows.append((number, str(annotation["track_id"]), dict(annotation)))
        regions += [(number, list(box)) for box in record.get("ignored_boxes", ())]
    level = bool(records[0].get("level_boxes")) or records[0].get("ground_plane") is None
    ground = None if level else records[0]["ground_plane"]
    return track_labels(name, [float(r["time"]) for r in records], rows, regions, ground)
