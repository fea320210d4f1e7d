"""Pictures of sentences, and whether they show the colour that was named."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import cv2
import numpy as np
from detectron2.data import DatasetCatalog

from d2ext.data.describe.box_input import crop_square, square
from d2ext.data.describe.mapper import record_labels
from d2ext.data.facts.pictures import seen_color
from d2ext.data.synthroad.palette import COLORS
from d2ext.evaluation import Table
from d2ext.projects.janus.grounder import class_names

CATEGORIES = ("car", "van", "truck", "bus")
#: Text and seed -> a picture (S, S, 3) BGR.
Draw = Callable[[str, int], np.ndarray]


def draw_colors(draw: Draw, count: int, context: float) -> tuple[np.ndarray, Table]:
    """A sheet of pictures of single objects, a row a colour, and how often each shows its colour.

    Args:
        draw: makes a picture.
        count: pictures of each colour.
        context: side of the pictures that were learnt from by that of the object (``INPUT.DRAW.CONTEXT``).
    """
    rows, table = [], {}
    for color in COLORS:
        pictures = []
        for i in range(count):
            category = CATEGORIES[i % len(CATEGORIES)]
            pictures.append(draw(f"a {color} {category} on a road.", i))
        right = [seen_color(picture, _middle(picture, context)) == color for picture in pictures]
        table[color] = {"right": 100 * float(np.mean(right)), "pictures": count}
        rows.append(cv2.hconcat(pictures))
    return cv2.vconcat(rows), _overall(table)


def rendered_colors(dataset: str, context: float, size: int, count: int) -> Table:
    """The same figure of a dataset's own pictures of objects that are fully visible: what can be reached."""
    hits: dict[str, list[bool]] = {}
    for color, picture in _crops(dataset, context, size):
        found = hits.setdefault(color, [])
        if len(found) < count:
            found.append(seen_color(picture, _middle(picture, context)) == color)
    table = {
        c: {"right": 100 * float(np.mean(hits[c])), "pictures": len(hits[c])} for c in COLORS if c in hits
    }
    return _overall(table)


def _crops(dataset: str, context: float, size: int) -> Iterator[tuple[str, np.ndarray]]:
    from d2ext.data.image_io import read_image

    for record in DatasetCatalog.get(dataset):
        image = read_image(record["file_name"])
        for label in record_labels(record, class_names(dataset)).values():
            large = label.box[2] - label.box[0] >= 24 and not label.border
            if label.category in CATEGORIES and label.color in COLORS and label.hidden < 0.06 and large:
                yield label.color, square(crop_square(image, [label.box], context), size)


def _middle(picture: np.ndarray, context: float) -> tuple[float, float, float, float]:
    side = picture.shape[0]
    half = side / max(context, 1.0) / 2
    return side / 2 - half, side / 2 - half / 2, side / 2 + half, side / 2 + half / 2


def _overall(table: Table) -> Table:
    counts = sum(row["pictures"] for row in table.values())
    right = sum(row["right"] * row["pictures"] for row in table.values()) / max(counts, 1)
    return {"Overall": {"right": right, "pictures": counts}} | table
