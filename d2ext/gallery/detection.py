"""Detections against the labels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from d2ext.engine.gallery import PREDICTIONS, Gallery, Picture, draws, fit_width
from d2ext.evaluation import (
    FIELDS,
    FIELDS_2D,
    Detection3DEvaluator,
    JudgedImage,
    box_plane,
    boxes_of,
    check_boxes,
    read_predictions,
    worst_images,
)
from d2ext.visualization import draw_judged

from .boxes import instances_of, read_scene


@draws("kitti", "rope3d")
class DetectionGallery(Gallery):
    """Draws right and false detections and missed objects, each in a colour, and the labels in white."""

    note = (
        "Green: right. Orange: false. Blue: missed. White: the labels; what is white only is too small, "
        "hidden or cut off to count, or of a class that is not evaluated. Predictions below the score that "
        "gives the dataset its greatest F1 are left out."
    )

    def read(self, records: list[dict[str, Any]]) -> list[JudgedImage]:
        """Predictions judged as in evaluation.

        Raises:
            FileNotFoundError, ValueError: missing or damaged predictions.
        """
        rows = self.rows(self.folder / PREDICTIONS)
        records = [record for record in records if record["image_id"] in rows]
        masks = self.cfg.get("TEST", {}).get("REGION_MASKS") or None
        return Detection3DEvaluator(self.name, None, masks).judge(records, rows)

    def rows(self, path: Path) -> dict[str, dict[str, Any]]:
        """Predictions by image, whose classes are the dataset's."""
        rows, classes = read_predictions(path), len(self.metadata.thing_classes)
        for name, row in rows.items():
            check_boxes(row.get("predictions"), f"{path}: image {name!r}", classes, FIELDS | FIELDS_2D)
        return rows

    def draw(self, answer: JudgedImage) -> Picture:
        """Right, false and missed boxes, and the labels, in 2D and from above."""
        record = answer.record
        plane = box_plane(record)
        image, camera = read_scene(record)
        parts = (answer.right, answer.false, answer.missed)
        right, false, missed = (instances_of(rows, plane, image.shape[:2]) for rows in parts)
        truth = boxes_of([a for a in record["annotations"] if a["has_3d"]], plane)
        names = self.metadata.thing_classes
        pixels = draw_judged(image, right, false, missed, truth, camera, names, record["ground_plane"])
        title = f"image {record['image_id']}"
        return Picture(record["image_id"], title, answer.verdict, fit_width(pixels))

    def worst(self, count: int) -> Iterator[Picture]:
        """The images with most that is false or missed."""
        for image in worst_images(self.answers, count):
            yield self.draw(image)
