"""Answers to the names of a dataset's classes, against the labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from d2ext.data.open_vocab.queries import Query
from d2ext.engine.gallery import draws
from d2ext.evaluation import FIELDS, FIELDS_2D, check_boxes, read_predictions
from d2ext.evaluation.detection3d import PROTOCOLS
from d2ext.evaluation.judged import JudgedImage

from .detection import DetectionGallery


@draws("OpenVocabDet3D")
class OpenVocabGallery(DetectionGallery):
    """:class:`DetectionGallery` of the answers to prompts that are names of classes; no others are drawn."""

    def read(self, records: list[dict[str, Any]]) -> list[JudgedImage]:
        """As of detections; none of data that has no protocol of detection."""
        return super().read(records) if self.metadata.get("evaluator_type") in PROTOCOLS else []

    def rows(self, path: Path) -> dict[str, dict[str, Any]]:
        """Predictions by image; the class of each is what its prompt names."""
        classes = {Query(name).text(): i for i, name in enumerate(self.metadata.thing_classes)}
        rows = read_predictions(path)
        for name, row in rows.items():
            where = f"{path}: image {name!r}"
            found = check_boxes(row.get("predictions"), where, 1 << 16, FIELDS | FIELDS_2D)
            named = ((one, classes.get(str(one.get("prompt")))) for one in found)
            row["predictions"] = [{**one, "category_id": k} for one, k in named if k is not None]
        return rows
