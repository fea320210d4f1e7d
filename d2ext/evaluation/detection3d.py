"""Evaluation of 3D detection: the dataset's published protocol, corrected and exact metrics beside it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from d2ext.data.image_io import read_image

from .average_precision import ALL, KITTI_DIFFICULTIES, Comparison, Matching
from .coco2d import coco_ap
from .evaluator import Evaluator3D, Rows, Table, instance_rows
from .judged import JudgedImage, judge_images
from .mistakes import MISTAKE_IOU
from .objects import REGION, ObjectTable
from .rope3d import COARSE_CLASSES, rope_score, similarities
from .writers import write_kitti

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Protocol:
    """What is evaluated on a kind of dataset.

    Attributes:
        classes: class to evaluate of each class name; others keep their name.
        overlaps: least IoU of bev and 3d by class.
        overlap2d: least IoU of bbox by class.
        neighbours: (class, other class) whose labels are ignored when the first class is evaluated.
        coco: classes of the 2D COCO AP.
    """

    classes: Mapping[str, str]
    overlaps: Mapping[str, tuple[float, ...]]
    overlap2d: Mapping[str, float]
    neighbours: tuple[tuple[str, str], ...]
    coco: tuple[str, ...]


PROTOCOLS = {
    "kitti": Protocol(
        classes={},
        overlaps={"car": (0.7, 0.5), "pedestrian": (0.5, 0.25), "cyclist": (0.5, 0.25)},
        overlap2d={"car": 0.7, "pedestrian": 0.5, "cyclist": 0.5},
        neighbours=(("car", "van"), ("pedestrian", "person_sitting")),
        coco=("car", "pedestrian", "cyclist"),
    ),
    "rope3d": Protocol(
        classes=COARSE_CLASSES,
        overlaps={"car": (0.7, 0.5), "big_vehicle": (0.7, 0.5)},
        overlap2d={"car": 0.7, "big_vehicle": 0.7},
        neighbours=(),
        coco=("car", "big_vehicle", "cyclist", "pedestrian"),
    ),
}


class Detection3DEvaluator(Evaluator3D):
    """Evaluates detection on a dataset whose metadata says ``evaluator_type`` "kitti" or "rope3d".

    Every prediction counts, at its score. Results are in per cent:

    * ``bbox``: 2D COCO AP;
    * ``published``: KITTI's protocol at 40 recalls. Rope3D's tool ignores the ground's tilt in its overlaps;
    * ``ground`` (Rope3D): the same protocol with the boxes standing on the ground;
    * ``exact``: on the ground too, and every detection counts once (:meth:`Comparison.exact_ap`); the column
      ``all`` is over every object;
    * ``published_similarity`` and ``exact_similarity`` (Rope3D): the four similarities, overall and by
      distance, and the Rope score of the moderate AP_3D of ``published`` and ``exact``.
    """

    def __init__(
        self,
        dataset_name: str,
        output_dir: str | Path | None = None,
        region_masks: str | Path | None = None,
    ) -> None:
        """
        Args:
            dataset_name: registered name.
            output_dir: folder for ``predictions.json``, ``metrics.json`` and ``kitti/NAME.txt`` with the
                class names of the published tools; None writes nothing.
            region_masks: folder with NAME.png of each image's size: objects whose 2D box has its bottom
                centre on a black pixel count neither as found nor as missed; None evaluates whole images.

        Raises:
            ValueError: the dataset is of another type.
            FileNotFoundError: no folder of masks.
        """
        super().__init__(dataset_name, tuple(PROTOCOLS), output_dir)
        self._protocol = PROTOCOLS[self._kind]
        self._region_masks = None if region_masks is None else Path(region_masks)
        if self._region_masks is not None and not self._region_masks.is_dir():
            raise FileNotFoundError(f"{self._region_masks}: no such folder of region masks")

    def process(self, inputs: Sequence[Mapping[str, Any]], outputs: Sequence[Mapping[str, Any]]) -> None:
        """Collect predictions.

        Args:
            inputs: mapper dicts with ``image_id`` and ``box_plane``.
            outputs: {"instances": Instances} for each input; see :func:`instance_rows`.
        """
        for record, output in zip(inputs, outputs, strict=True):
            rows = instance_rows(output["instances"], record.get("box_plane"))
            self._rows.append({"image_id": record["image_id"], "predictions": rows})

    def judge(self, records: Sequence[Mapping[str, Any]], rows: Rows) -> list[JudgedImage]:
        """What is right, false and missed in each image, as in ``exact`` at the hardest difficulty.

        An object is found by a prediction of its class with a 3D IoU of at least ``MISTAKE_IOU``, as an
        answer to a sentence is right from there on.

        Args:
            records: the dataset.
            rows: image id -> {"predictions": rows}.
        """
        labels, predictions = self._objects(records, rows)
        if self._kind == "rope3d":
            labels, predictions = self._on_ground(records, labels, predictions)
        comparison = Comparison(labels, predictions, "3d", self._protocol.neighbours)
        matches = [
            comparison.exact_match(kind, MISTAKE_IOU, KITTI_DIFFICULTIES[-1]) for kind in self._protocol.coco
        ]
        match = Matching(
            np.any([m.counted for m in matches], axis=0),
            np.any([m.judged for m in matches], axis=0),
            np.max([m.label for m in matches], axis=0),
        )
        return judge_images(records, self._found(records, rows), labels, predictions, match)

    def compare(self, records: Sequence[Mapping[str, Any]], rows: Rows) -> dict[str, Table]:
        """Tables by protocol: ``bbox``, ``published``, ``exact``, of roadside data also ``ground``."""
        protocol = self._protocol
        labels, predictions = self._objects(records, rows)
        if unknown := int(np.isnan(labels.alpha).sum()):
            logger.warning("%s: %d labels have no angle and are left out of AOS", self._name, unknown)
        flat = {"bbox": Comparison(labels, predictions, "bbox", protocol.neighbours)}
        level = flat | self._compare_3d(labels, predictions)
        tables = {
            "bbox": coco_ap(labels, predictions, protocol.coco),
            "published": kitti_table(level, protocol),
        }
        if self._kind == "kitti":
            return tables | {"exact": exact_table(level, protocol)}
        ground = self._compare_3d(*self._on_ground(records, labels, predictions))
        tables["ground"] = kitti_table(ground, protocol)
        tables["exact"] = exact_table(flat | ground, protocol)
        inside = (labels[~labels.outside], predictions[~predictions.outside])
        planes = ground_planes(records)
        for corrected, name in ((False, "published"), (True, "exact")):
            tables[f"{name}_similarity"] = similarity_table(
                *inside, planes, protocol, tables[name], corrected
            )
        return tables

    def _objects(self, records: Sequence[Mapping[str, Any]], rows: Rows) -> tuple[ObjectTable, ObjectTable]:
        """Labels, with regions, and predictions; both with the classes of the protocol."""
        kinds = [*self._metadata.thing_classes, REGION]
        truth = [[*record["annotations"], *region_rows(record, len(kinds) - 1)] for record in records]
        found = self._found(records, rows)
        tables = [
            ObjectTable.from_rows(images, kinds).renamed(self._protocol.classes) for images in (truth, found)
        ]
        if self._region_masks is not None:
            tables = [self._masked(table, records) for table in tables]
        return tables[0], tables[1]

    @staticmethod
    def _found(records: Sequence[Mapping[str, Any]], rows: Rows) -> list[list[dict[str, Any]]]:
        return [rows.get(record["image_id"], {}).get("predictions", []) for record in records]

    @staticmethod
    def _on_ground(records: Sequence[Mapping[str, Any]], *tables: ObjectTable) -> list[ObjectTable]:
        planes = ground_planes(records)
        return [table.on_ground(planes[table.image]) for table in tables]

    def _masked(self, table: ObjectTable, records: Sequence[Mapping[str, Any]]) -> ObjectTable:
        outside = np.zeros(len(table), dtype=bool)
        ends = np.searchsorted(table.image, np.arange(len(records) + 1))
        x = np.rint((table.bbox[:, 0] + table.bbox[:, 2]) / 2).astype(int)
        y = np.rint(table.bbox[:, 3]).astype(int)
        for i, record in enumerate(records):
            rows = slice(ends[i], ends[i + 1])
            path = f"{self._region_masks}/{record['image_id']}.png"
            mask = read_image(path).any(axis=2)
            height, width = size = (record["height"], record["width"])
            if mask.shape != size:
                found = f"{mask.shape[1]}x{mask.shape[0]}"
                raise ValueError(f"{path}: expected {width}x{height} pixels, got {found}")
            outside[rows] = ~mask[y[rows].clip(0, height - 1), x[rows].clip(0, width - 1)]
        return replace(table, outside=outside)

    def _compare_3d(self, labels: ObjectTable, predictions: ObjectTable) -> dict[str, Comparison]:
        neighbours = self._protocol.neighbours
        return {metric: Comparison(labels, predictions, metric, neighbours) for metric in ("bev", "3d")}

    def write_files(self, folder: Path, rows: Rows) -> None:
        """``kitti/<image>.txt``, the format that the published tools read."""
        kinds = self._metadata.thing_classes
        if self._kind == "kitti":
            names = [name.capitalize() for name in kinds]
        else:
            names = [self._protocol.classes.get(name, name) for name in kinds]
        for record, found in zip(self.records, self._found(self.records, rows), strict=True):
            write_kitti(folder / "kitti" / f"{record['image_id']}.txt", found, names)


def ground_planes(records: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """(images, 4) ground plane of each image."""
    return np.array([record["ground_plane"] for record in records], dtype=np.float64)


def kitti_table(comparisons: Mapping[str, Comparison], protocol: Protocol) -> Table:
    """{"car 3d@0.7": {"easy", "moderate", "hard"}, ...} by KITTI's protocol; also aos where bbox is given."""
    table: Table = {}
    for row, comparison, kind, overlap in _rows(comparisons, protocol):
        curves = {d.name: comparison.kitti(kind, overlap, d) for d in KITTI_DIFFICULTIES}
        curves = {name: curve for name, curve in curves.items() if curve.counted}
        table[row] = {name: curve.ap for name, curve in curves.items()}
        if comparison.metric == "bbox":
            table[row.replace("bbox", "aos")] = {name: curve.aos for name, curve in curves.items()}
    return {row: values for row, values in table.items() if values}


def exact_table(comparisons: Mapping[str, Comparison], protocol: Protocol) -> Table:
    """{"car 3d@0.7": {"easy", "moderate", "hard", "all"}, ...} by :meth:`Comparison.exact_ap`."""
    table: Table = {}
    for row, comparison, kind, overlap in _rows(comparisons, protocol):
        values = {d.name: comparison.exact_ap(kind, overlap, d) for d in (*KITTI_DIFFICULTIES, ALL)}
        table[row] = {name: value for name, value in values.items() if value is not None}
    return {row: values for row, values in table.items() if values}


def similarity_table(
    labels: ObjectTable,
    predictions: ObjectTable,
    planes: np.ndarray,
    protocol: Protocol,
    ap: Table,
    corrected: bool,
) -> Table:
    """Rope3D's similarities by class, and the Rope score with the moderate AP_3D of the table ``ap``."""
    table: Table = {}
    for kind in protocol.coco:
        rows = similarities(labels, predictions, planes, [kind], corrected=corrected).table(kind)
        for overlap in protocol.overlaps.get(kind, ()):
            found = ap.get(f"{kind} 3d@{overlap:g}", {}).get("moderate")
            if rows and found is not None:
                rows[kind][f"Rope@{overlap:g}"] = rope_score(found, rows[kind]["AS"])
        table |= rows
    return table


def _rows(
    comparisons: Mapping[str, Comparison], protocol: Protocol
) -> Iterator[tuple[str, Comparison, str, float]]:
    """Name of the row, comparison, class and least overlap of every AP of a protocol."""
    for kind, overlaps in protocol.overlaps.items():
        for metric, comparison in comparisons.items():
            for overlap in (protocol.overlap2d[kind],) if metric == "bbox" else overlaps:
                yield f"{kind} {metric}@{overlap:g}", comparison, kind, overlap


def region_rows(record: Mapping[str, Any], category: int) -> list[dict[str, Any]]:
    """Rows of the regions of a record in which objects are not labelled."""
    empty = {"location": [0.0] * 3, "dimensions": [0.0] * 3, "yaw": 0.0, "alpha": 0.0}
    return [{"bbox": box, "category_id": category, **empty} for box in record.get("ignored_boxes", ())]
