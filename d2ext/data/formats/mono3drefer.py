"""Mono3DRefer: KITTI images with sentences that each refer to one object.

Y. Zhan et al., "Mono3DVG: 3D Visual Grounding in Monocular Images", AAAI 2024.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path, PureWindowsPath
from typing import Any

from d2ext.data.formats.rows import (
    BrokenRows,
    list_fields,
    optional_texts,
    read_names,
    require_records,
    sentence_text,
)
from d2ext.data.image_io import IMAGE_SUFFIXES, read_image_size
from d2ext.reading import clear_errors, exists, read_json, read_text, require
from d2ext.structures.vocabulary import ROAD, Vocabulary

from .frames import images_by_name
from .kitti import parse_label, read_calib, read_ground, read_labels
from .matching import same_object

JSON_FILE = "Mono3DRefer.json"
SPLITS = ("train", "val", "test")
INSTANCE_SPLIT_FILE = "test_instanceID_split.json"


def split_file(split: str) -> str:
    """Name of the file that lists a split's images."""
    return f"Mono3DRefer_{split}_image.txt"


@clear_errors
def load_mono3drefer(
    root: str | Path, split: str, skip_broken: bool = False, vocabulary: Vocabulary = ROAD
) -> list[dict[str, Any]]:
    """Records of one split; an image carries all its sentences.

    Annotations are the referred objects (``id`` is the instanceID), then the other rows of
    ``label_2/NAME.txt`` when that folder exists (``id`` -1, -2, ...). The class of a referred object is its
    ``objectName``. The ground plane comes from ``planes/NAME.txt`` when there is one. An ``im_name`` may have
    a suffix or folders, and lack leading zeros.

    Args:
        root: folder with Mono3DRefer.json, images/, calib/ and the split files.
        split: "train", "val" or "test".
        skip_broken: skip and count broken rows and images instead of raising.
        vocabulary: classes of the labels.

    Raises:
        FileNotFoundError, ValueError: one line that names the file and the line or field; items of the JSON
            file that name no image of any split are counted.
    """
    root = Path(root)
    broken = BrokenRows(skip_broken)
    names_file = root / split_file(split)
    names = read_names(names_file)
    images = images_by_name(root / "images")
    lists = [root / split_file(s) for s in SPLITS if exists(root / split_file(s))]
    elsewhere = {*images, *(name for path in lists for name in read_text(path).split())}
    items = _items_by_image(root / JSON_FILE, names, elsewhere, broken)
    records = []
    for name in names:
        with broken:
            if name not in images:
                raise FileNotFoundError(f"{names_file}: image {name[:60]!r} is not in {root / 'images'}")
            image = images[name]
            height, width = size = read_image_size(image)
            plane = root / "planes" / f"{name}.txt"
            labels = root / "label_2" / f"{name}.txt"
            annotations, sentences = _referred(items[name], broken, vocabulary)
            if exists(labels):
                annotations += _others(read_labels(labels, broken, vocabulary), annotations)
            record = {
                "file_name": str(image),
                "image_id": name,
                "height": height,
                "width": width,
                "camera": read_calib(root / "calib" / f"{name}.txt", size),
                "ground_plane": read_ground(plane) if exists(plane) else None,
                "single_target": True,
                "level_boxes": True,  # KITTI boxes stand on the camera's x-z plane, whatever the ground
                "annotations": annotations,
                "sentences": sentences,
            }
            records.append(record)
    broken.report(f"mono3drefer {split}")
    return require_records(records, str(names_file))


def _items_by_image(
    path: Path, names: list[str], elsewhere: set[str], broken: BrokenRows
) -> dict[str, list[tuple[str, dict[str, Any]]]]:
    """(where, item) pairs of the JSON file for the images in ``names``."""
    data = read_json(path)
    if not isinstance(data, list):
        raise ValueError(f"{path}: expected a list of objects, got {type(data).__name__}")
    items: dict[str, list[tuple[str, dict[str, Any]]]] = defaultdict(list)
    seen: dict[tuple[Any, Any], int] = {}
    images: dict[Any, str] = {}
    of_split, of_others, unknown = _Names(names), _Names(elsewhere), []
    for index, item in enumerate(data):
        where = f"{path}: item {index}"
        with broken:
            number = isinstance(item, dict) and type(item.get("im_name")) is int
            given = str(item["im_name"]) if number else require(item, "im_name", str, where)
            name = of_split.find(given)
            if name is None:
                unknown += [] if of_others.find(given) else [f"item {index} names {given[:60]!r}"]
                continue
            instance = require(item, "instanceID", int, where)
            if instance < 0:  # such ids are those of the other objects
                raise ValueError(f"{where}: field 'instanceID': expected at least 0, got {instance}")
            key = (instance, require(item, "ann_id", int, where))
            if key in seen:
                raise ValueError(
                    f"{where}: field 'ann_id': {key[1]} of instance {instance} is in item {seen[key]} too"
                )
            if images.setdefault(instance, name) != name:
                raise ValueError(
                    f"{where}: field 'instanceID': {instance} is in image {images[instance]!r} too"
                )
            seen[key] = index
            items[name].append((where, item))
    with broken:
        if unknown:
            raise ValueError(
                f"{path}: {len(unknown)} of {len(data)} items name no image of any split: {unknown[0]}"
            )
    return items


class _Names:
    """Image names, found by what items call them."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = set(names)
        self.unpadded: dict[str, set[str]] = defaultdict(set)
        for name in self.names:
            self.unpadded[name.lstrip("0")].add(name)

    def find(self, given: str) -> str | None:
        if given in self.names:
            return given
        name = PureWindowsPath(given).name  # either slash
        stem, dot, suffix = name.rpartition(".")
        name = stem if f"{dot}{suffix}".lower() in IMAGE_SUFFIXES else name
        same = self.unpadded.get(name.lstrip("0"), set()) if name.isdecimal() else set()
        return name if name in self.names else next(iter(same)) if len(same) == 1 else None


def _referred(
    items: list[tuple[str, dict[str, Any]]], broken: BrokenRows, vocabulary: Vocabulary
) -> tuple[list, list]:
    """Annotations of the referred objects of one image, and its sentences."""
    objects: dict[int, tuple[Any, dict[str, Any]]] = {}
    sentences = []
    for where, item in items:
        with broken:
            text = sentence_text(item.get("description"), f"{where}: field 'description'")
            kinds = optional_texts(item, "properties", where)  # SynthRoad says what a sentence names
            instance = item["instanceID"]
            source = (item.get("objectName"), item.get("label_2"))
            if instance not in objects:
                objects[instance] = (source, _annotation(item, instance, where, vocabulary))
            elif objects[instance][0] != source and not same_object(
                objects[instance][1], _annotation(item, instance, where, vocabulary)
            ):
                raise ValueError(
                    f"{where}: field 'label_2': instance {instance} has another label in another item"
                )
            sentences.append(
                {"id": item["ann_id"], "text": text, "target_ids": [instance], "properties": kinds}
            )
    if len({sentence["id"] for sentence in sentences}) < len(
        sentences
    ):  # ann_id counted per object, not globally
        for index, sentence in enumerate(sentences):
            sentence["id"] = index
    return [annotation for _, annotation in objects.values()], sentences


def _annotation(item: dict[str, Any], instance: int, where: str, vocabulary: Vocabulary) -> dict[str, Any]:
    fields = list_fields(item.get("label_2"), f"{where}: field 'label_2'")
    fields[:1] = [require(item, "objectName", str, where)]
    annotation = parse_label(fields, f"{where}: field 'label_2'", vocabulary)
    if annotation is None or not annotation["has_3d"]:
        raise ValueError(f"{where}: field 'label_2': expected an object with a 3D box")
    return {"id": instance, **annotation}


def _others(rows: list[dict[str, Any]], referred: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The label rows that are none of the referred objects, with negative ids."""
    rows = [row for row in rows if not any(same_object(row, other) for other in referred)]
    return [{**row, "id": -1 - index} for index, row in enumerate(rows)]
