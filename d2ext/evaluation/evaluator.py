"""What the evaluators share: gathering over ranks, tables, prediction files."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.evaluation import DatasetEvaluator
from detectron2.structures import Instances
from detectron2.utils import comm
from torch import Tensor

from d2ext.data.skipping import skip_broken
from d2ext.files import write_json
from d2ext.structures import Boxes3D
from d2ext.tables import Printed, flatten_table, format_table

Table = dict[str, dict[str, float]]
Rows = dict[str, dict[str, Any]]  # image id -> what ``process`` collected for it

logger = logging.getLogger(__name__)


def inference_folder(cfg: CfgNode, dataset_name: str) -> Path:
    """Where the run of a config keeps what an evaluation on a dataset leaves."""
    return Path(cfg.OUTPUT_DIR) / "inference" / dataset_name


class TableEvaluator(DatasetEvaluator, ABC):
    """Collects a dict with ``image_id`` for each image in ``process`` of a subclass, and makes tables of them
    all. Images that ``D2EXT_SKIP_BROKEN=1`` left out count nowhere; the section "images" says how many."""

    #: What galleries of the dataset's kind draw from; answers of another kind are kept under another name.
    predictions_file = "predictions.json"

    def __init__(self, dataset_name: str, kinds: Collection[str], output_dir: str | Path | None) -> None:
        """
        Args:
            dataset_name: registered name.
            kinds: values of the metadata's ``evaluator_type`` that are understood.
            output_dir: folder for ``predictions_file``, ``metrics.json`` and the files of the subclass; None
                writes nothing.

        Raises:
            ValueError: the dataset is of another type.
        """
        self._metadata = MetadataCatalog.get(dataset_name)
        self._kind = self._metadata.get("evaluator_type")
        if self._kind not in kinds:
            raise ValueError(f"dataset {dataset_name!r}: expected data for {kinds}, got {self._kind!r}")
        self._name = dataset_name
        self._output_dir = None if output_dir is None else Path(output_dir)
        self._rows: list[dict[str, Any]] = []

    @cached_property
    def records(self) -> list[dict[str, Any]]:
        """The dataset."""
        return DatasetCatalog.get(self._name)

    def reset(self) -> None:
        """Forget all rows."""
        self._rows = []

    def evaluate(self) -> OrderedDict[str, Printed]:
        """{section: {metric: value}} on the main rank, empty on others; tables go to the log.

        Raises:
            ValueError: every image was left out.
        """
        gathered = comm.gather(self._rows, dst=0)
        if not comm.is_main_process():
            return OrderedDict()
        rows = {row["image_id"]: row for part in gathered for row in part}  # samplers may repeat images
        left_out = self._leave_out(rows) if skip_broken() else 0
        tables = self.tables(rows)
        if left_out:
            tables["images"] = {"Overall": {"evaluated": len(self.records), "left out": left_out}}
        results = OrderedDict((section, Printed(flatten_table(table))) for section, table in tables.items())
        for section, table in tables.items():
            logger.info("%s\n%s", self._name, format_table(section.replace("_", " "), table))
        if self._output_dir is not None:
            write_json(self._output_dir / self.predictions_file, self.predictions(rows))
            write_json(self._output_dir / "metrics.json", results)
            self.write_files(self._output_dir, rows)
            logger.info("wrote predictions and metrics to %s", self._output_dir)
        return results

    def _leave_out(self, rows: Rows) -> int:
        """Take from the dataset what was not given to the model; how many images that are."""
        given = rows.keys() | {name.rpartition("@")[0] for name in rows}  # graphs of a recording
        kept = [record for record in self.records if record["image_id"] in given]
        left_out = len(self.records) - len(kept)
        if not kept:
            raise ValueError(f"dataset {self._name!r}: none of its {left_out} images can be used")
        if left_out:
            count = len(self.records)
            logger.warning("%s: %d of %d images are broken and left out", self._name, left_out, count)
        self.records = kept
        return left_out

    @abstractmethod
    def tables(self, rows: Rows) -> dict[str, Table]:
        """Tables by section."""

    def predictions(self, rows: Rows) -> list[dict[str, Any]]:
        """What ``predictions_file`` holds."""
        return list(rows.values())

    def write_files(self, folder: Path, rows: Rows) -> None:
        """Files beside ``predictions_file`` and ``metrics.json``."""


class Evaluator3D(TableEvaluator):
    """Compares rows with the ground truth from ``DatasetCatalog``; images that were not predicted count as
    images without predictions."""

    def tables(self, rows: Rows) -> dict[str, Table]:
        """Those of :meth:`compare`; images without predictions are a warning."""
        missing = sum(record["image_id"] not in rows for record in self.records)
        if missing:
            logger.warning("%s: %d of %d images have no predictions", self._name, missing, len(self.records))
        return self.compare(self.records, rows)

    @abstractmethod
    def compare(self, records: Sequence[Mapping[str, Any]], rows: Rows) -> dict[str, Table]:
        """Tables by section."""


def instance_rows(instances: Instances, ground: Tensor | None) -> list[dict[str, Any]]:
    """Predictions as plain dicts by falling score; numbers as in label files.

    Args:
        instances: ``pred_boxes``, ``pred_boxes3d``, ``pred_classes`` and ``scores``.
        ground: (4,) plane on which the boxes stand, None for the camera's x-z plane.
    """
    boxes: Boxes3D = instances.pred_boxes3d.to("cpu")
    location, size, yaw = boxes.to_kitti(None if ground is None else ground.cpu())
    columns = {
        "category_id": instances.pred_classes,
        "score": instances.scores,
        "bbox": instances.pred_boxes.tensor,
        "location": location,
        "dimensions": size,
        "yaw": yaw,
        "alpha": Boxes3D.alpha_from_yaw(yaw, location),
    }
    values = zip(*(column.tolist() for column in columns.values()), strict=True)
    rows = [dict(zip(columns, row, strict=True)) for row in values]
    return sorted(rows, key=lambda row: -row["score"])


def named_rows(instances: Instances, ground: Tensor | None, names: Sequence[str]) -> list[dict[str, Any]]:
    """:func:`instance_rows` as they are written for users: with the name of the class, one of ``names``."""
    return [{"class": names[row.pop("category_id")]} | row for row in instance_rows(instances, ground)]
