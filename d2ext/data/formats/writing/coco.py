"""COCO and LVIS files: 2D boxes and categories."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .images import Record, annotation_ids, names_below, unique_ids, write_compact_json

#: A category of LVIS is rare in at most so many images, common in at most so many, else frequent.
RARE, COMMON = 10, 100


def write_coco(
    path: str | Path, records: Sequence[Record], names: Sequence[str], image_root: str | Path
) -> None:
    """Write a COCO file. Ids of categories count from 1 in the order of the names; regions without labels are
    crowds of the class that they are known to have.

    Args:
        path: JSON file to write.
        records: dataset dicts.
        names: of their classes.
        image_root: folder to which ``file_name`` is to be relative.

    Raises:
        ValueError: an image that is not below ``image_root``.
    """
    write_compact_json(path, _content(records, names, image_root))


def write_lvis(
    path: str | Path, records: Sequence[Record], names: Sequence[str], image_root: str | Path
) -> None:
    """Write an LVIS file: what :func:`write_coco` writes without crowds, the categories known to be absent
    and those not labelled throughout, and outlines, which are the boxes. An image without
    ``neg_category_ids`` is labelled throughout, so all categories that it has no object of are absent.

    Raises:
        ValueError: as :func:`write_coco`.
    """
    content = _content(records, names, image_root)
    content["annotations"] = [a for a in content["annotations"] if not a.pop("iscrowd")]
    for annotation in content["annotations"]:
        x, y, w, h = annotation["bbox"]
        annotation["segmentation"] = [[x, y, x + w, y, x + w, y + h, x, y + h]]
    for record, image in zip(records, content["images"], strict=True):
        present = {a["category_id"] for a in record["annotations"]}
        absent = record.get("neg_category_ids", [i for i in range(len(names)) if i not in present])
        image["neg_category_ids"] = [i + 1 for i in absent]
        image["not_exhaustive_category_ids"] = [i + 1 for i in record.get("not_exhaustive_category_ids", ())]
        parts = Path(record["file_name"]).absolute().parts
        image["coco_url"] = "/".join(parts[-2:])
    instances = Counter(a["category_id"] for a in content["annotations"])
    images = Counter(i for _, i in {(a["image_id"], a["category_id"]) for a in content["annotations"]})
    for category in content["categories"]:
        count = images[category["id"]]
        category |= {
            "image_count": count,
            "instance_count": instances[category["id"]],
            "frequency": "r" if count <= RARE else "c" if count <= COMMON else "f",
            "synonyms": [category["name"]],
            "synset": "",
            "def": "",
        }
    write_compact_json(path, content)


def _content(records: Sequence[Record], names: Sequence[str], image_root: str | Path) -> dict[str, Any]:
    ids, numbers = unique_ids(records), annotation_ids(records)
    files = names_below(records, image_root)
    images, annotations, crowds = [], [], []
    for record, image_id, file, of_record in zip(records, ids, files, numbers, strict=True):
        size = {"height": record["height"], "width": record["width"]}
        images.append({"id": image_id, "file_name": file, **size})
        for annotation, number in zip(record["annotations"], of_record, strict=True):
            row = _row(annotation["bbox"], annotation["category_id"], image_id, 0)
            annotations.append({"id": number, **row})
        regions = zip(record.get("ignored_boxes", ()), record.get("ignored_category_ids", ()), strict=False)
        crowds += [_row(box, category, image_id, 1) for box, category in regions]
    free = max((a["id"] for a in annotations), default=0) + 1
    annotations += [{"id": free + i, **crowd} for i, crowd in enumerate(crowds)]
    categories = [{"id": i + 1, "name": name, "supercategory": ""} for i, name in enumerate(names)]
    return {
        "info": {},
        "licenses": [],
        "images": images,
        "annotations": annotations,
        "categories": categories,
    }


def _row(box: Sequence[float], category: int, image_id: Any, crowd: int) -> dict[str, Any]:
    x1, y1, x2, y2 = box
    return {
        "image_id": image_id,
        "category_id": category + 1,
        "bbox": [x1, y1, x2 - x1, y2 - y1],
        "area": (x2 - x1) * (y2 - y1),
        "iscrowd": crowd,
    }
