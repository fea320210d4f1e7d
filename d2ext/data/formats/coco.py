"""COCO's and LVIS's annotation files: 2D boxes of the categories that the file lists.

T.-Y. Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014. A. Gupta et al., "LVIS: A Dataset
for Large Vocabulary Instance Segmentation", CVPR 2019. Outlines and key points are not read.

LVIS is not labelled for every category in every image: an image names the categories that were looked for and
are not there (``neg_category_ids``), and those of which some objects may be without label
(``not_exhaustive_category_ids``). Of all others that it has no object of nothing is known.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from d2ext.data.formats.listing import (
    MAX_PIXEL,
    AssumedCamera,
    Classes,
    Id,
    ImageFolder,
    Listing,
    flat_annotation,
    read_camera,
    read_numbers,
    read_size,
)
from d2ext.data.formats.rows import BrokenRows, require_records
from d2ext.reading import clear_errors, found_value, require
from d2ext.structures.vocabulary import Vocabulary

logger = logging.getLogger(__name__)

Loaded = tuple[list[dict[str, Any]], Vocabulary]
Find = Callable[[dict[str, Any], str], Path]


@clear_errors
def load_coco(
    json_file: str | Path,
    image_root: str | Path,
    skip_broken: bool = False,
    vocabulary: Vocabulary | None = None,
    camera: AssumedCamera | None = None,
) -> Loaded:
    """Records of the images of a COCO file, and their classes.

    Objects have no 3D box. The camera of an image is that of its entry's ``K`` where it has one, which COCO
    does not know, else an assumed one, and its record says ``assumed_camera``. Boxes are as in the file, so
    half a pixel to the right of and below this collection's. Crowds become ``ignored_boxes``, with their
    ``ignored_category_ids``.

    Args:
        json_file: images, annotations and categories.
        image_root: folder to which ``file_name`` is relative.
        skip_broken: skip and count broken entries instead of raising.
        vocabulary: classes to keep; objects of other names are left out. None: all categories of the file.
        camera: of images that have none.

    Raises:
        FileNotFoundError, ValueError: one line that names the file, the entry and the field.
    """
    folder = ImageFolder(image_root)

    def find(entry: dict[str, Any], where: str) -> Path:
        return folder.find(require(entry, "file_name", str, where), where)

    return _load(json_file, find, skip_broken, vocabulary, camera or AssumedCamera(), False)


@clear_errors
def load_lvis(
    json_file: str | Path,
    image_root: str | Path,
    skip_broken: bool = False,
    vocabulary: Vocabulary | None = None,
    camera: AssumedCamera | None = None,
) -> Loaded:
    """The same of an LVIS file. A record's ``neg_category_ids`` and ``not_exhaustive_category_ids`` are
    classes. An image lies where ``file_name`` says, or the end of ``coco_url`` (``val2017/NAME``, or
    NAME)."""
    folder = ImageFolder(image_root)

    def find(entry: dict[str, Any], where: str) -> Path:
        names = [require(entry, "file_name", str, where)] if "file_name" in entry else []
        if "coco_url" in entry:
            parts = require(entry, "coco_url", str, where).split("/")
            names += ["/".join(parts[-2:]), parts[-1]]
        if not names:
            raise ValueError(f"{where}: field 'coco_url': expected str, got nothing")
        there = (name for name in names if ".." not in name and folder.holds(folder.root / name))
        return folder.find(next(there, names[0]), where)

    return _load(json_file, find, skip_broken, vocabulary, camera or AssumedCamera(), True)


def _load(
    json_file: str | Path,
    find: Find,
    skip_broken: bool,
    vocabulary: Vocabulary | None,
    camera: AssumedCamera,
    federated: bool,
) -> Loaded:
    broken = BrokenRows(skip_broken)
    listing = Listing(json_file, broken)
    classes = Classes.of(listing, vocabulary)
    records, left_out = [], 0
    for where, number, entry, objects in listing.images():
        with broken:
            path = find(entry, where)
            size = height, width = read_size(entry, path, where)
            known = {"camera": read_camera(entry, size, where)} if "K" in entry else None
            record: dict[str, Any] = {
                "file_name": str(path),
                "image_id": number,
                "height": height,
                "width": width,
                **(known or {"camera": camera.of(size, path), "assumed_camera": True}),
                "ground_plane": None,
                "annotations": [],
                "sentences": [],
            }
            if federated:
                for key in ("neg_category_ids", "not_exhaustive_category_ids"):
                    record[key] = _categories(entry, key, listing, classes, where)
            left_out += _add_objects(record, objects, listing, classes, broken)
            records.append(record)
    broken.report(str(json_file), "entries")
    if left_out:
        logger.info("%s: %d objects are of no class that was asked for", json_file, left_out)
    return require_records(records, str(json_file)), classes.vocabulary


def _categories(entry: dict[str, Any], key: str, listing: Listing, classes: Classes, where: str) -> list[int]:
    """The classes of the category ids of an image's key; without the key, none."""
    found: dict[int, None] = {}
    for number in require(entry, key, list, where) if key in entry else []:
        if not isinstance(number, int | str) or number not in listing.categories:
            raise ValueError(f"{where}: field {key!r}: no category {str(number)[:40]!r}")
        if number in classes.numbers:
            found[classes.numbers[number]] = None
    return list(found)


def _add_objects(
    record: dict[str, Any],
    annotations: list[tuple[str, dict[str, Any]]],
    listing: Listing,
    classes: Classes,
    broken: BrokenRows,
) -> int:
    """Put an image's objects into its record; how many are of no class."""
    left_out = 0
    for index, (where, entry) in enumerate(annotations):
        with broken:
            box = read_numbers(entry, "bbox", 4, where, MAX_PIXEL)
            if min(box[2:]) < 0:
                raise ValueError(f"{where}: field 'bbox': expected no negative width or height, got {box}")
            box = [box[0], box[1], box[0] + box[2], box[1] + box[3]]
            category = classes.numbers.get(entry["category_id"])
            if category is None:
                left_out += 1
            elif _is_crowd(entry, where):
                record.setdefault("ignored_boxes", []).append(box)
                record.setdefault("ignored_category_ids", []).append(category)
            else:
                name = listing.categories[entry["category_id"]]
                number = annotation_id(entry, index)
                record["annotations"].append(flat_annotation(number, box, category, name))
    return left_out


def _is_crowd(entry: dict[str, Any], where: str) -> bool:
    value = entry.get("iscrowd", 0)
    if type(value) not in (int, bool) or value not in (0, 1):
        raise ValueError(f"{where}: field 'iscrowd': expected 0 or 1, got {found_value(value)}")
    return bool(value)


def annotation_id(entry: dict[str, Any], index: int) -> int:
    """The whole number that a file gives an annotation, else its position in the image."""
    number: Id | None = entry.get("id")
    return number if isinstance(number, int) else index
