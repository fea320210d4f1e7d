"""Mono3DRefer: KITTI images with sentences that each refer to one object.

Y. Zhan et al., "Mono3DVG: 3D Visual Grounding in Monocular Images", AAAI 2024.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from d2ext.data.image_io import read_image_size

from .kitti import parse_label, read_calib, read_ground, read_labels
from .records import (
    BrokenRows,
    list_fields,
    read_json,
    read_names,
    require,
    require_records,
    sentence_text,
)

JSON_FILE = "Mono3DRefer.json"
INSTANCE_SPLIT_FILE = "test_instanceID_split.json"


def split_file(split: str) -> str:
    """Name of the file that lists a split's images."""
    return f"Mono3DRefer_{split}_image.txt"


def load_mono3drefer(root: str | Path, split: str, skip_broken: bool = False) -> list[dict[str, Any]]:
    """Records of one split; an image carries all its sentences.

    Annotations are the referred objects (``id`` is the instanceID), then the other rows of
    ``label_2/NAME.txt`` when that folder exists (``id`` -1, -2, ...). The class of a referred object is its
    ``objectName``. The ground plane comes from ``planes/NAME.txt`` when there is one.

    Args:
        root: folder with Mono3DRefer.json, images/, calib/ and the split files.
        split: "train", "val" or "test".
        skip_broken: skip and count broken rows and images instead of raising.

    Raises:
        FileNotFoundError, ValueError: one line that names the file and the line or field.
    """
    root = Path(root)
    broken = BrokenRows(skip_broken)
    names_file = root / split_file(split)
    names = read_names(names_file)
    items = _items_by_image(root / JSON_FILE, set(names), broken)
    records = []
    for name in names:
        with broken:
            image = root / "images" / f"{name}.png"
            if not image.is_file():
                raise FileNotFoundError(f"{names_file}: image {name!r} is not in {root / 'images'}")
            height, width = read_image_size(image)
            plane = root / "planes" / f"{name}.txt"
            labels = root / "label_2" / f"{name}.txt"
            annotations, sentences = _referred(items[name], broken)
            if labels.is_file():
                annotations += _others(read_labels(labels, broken), annotations)
            record = {
                "file_name": str(image),
                "image_id": name,
                "height": height,
                "width": width,
                "camera": read_calib(root / "calib" / f"{name}.txt"),
                "ground_plane": read_ground(plane) if plane.is_file() else None,
                "single_target": True,
                "level_boxes": True,  # KITTI boxes stand on the camera's x-z plane, whatever the ground
                "annotations": annotations,
                "sentences": sentences,
            }
            records.append(record)
    broken.report(f"mono3drefer {split}")
    return require_records(records, str(names_file))


def _items_by_image(
    path: Path, names: set[str], broken: BrokenRows
) -> dict[str, list[tuple[str, dict[str, Any]]]]:
    """(where, item) pairs of the JSON file for the images in ``names``."""
    data = read_json(path)
    if not isinstance(data, list):
        raise ValueError(f"{path}: expected a list of objects, got {type(data).__name__}")
    items: dict[str, list[tuple[str, dict[str, Any]]]] = defaultdict(list)
    seen: dict[tuple[Any, Any], int] = {}
    images: dict[Any, str] = {}
    for index, item in enumerate(data):
        where = f"{path}: item {index}"
        with broken:
            name = require(item, "im_name", str, where).removesuffix(".png")
            if name not in names:
                continue
            instance = require(item, "instanceID", int, where)
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
    return items


def _referred(items: list[tuple[str, dict[str, Any]]], broken: BrokenRows) -> tuple[list, list]:
    """Annotations of the referred objects of one image, and its sentences."""
    objects: dict[int, tuple[Any, dict[str, Any]]] = {}
    sentences = []
    for where, item in items:
        with broken:
            text = sentence_text(item.get("description"), f"{where}: field 'description'")
            kinds = [
                str(entry) for entry in item.get("properties") or []
            ]  # SynthRoad says what a sentence names
            instance = item["instanceID"]
            source = (item.get("objectName"), item.get("label_2"))
            if instance not in objects:
                objects[instance] = (source, _annotation(item, instance, where))
            elif objects[instance][0] != source:
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


def _annotation(item: dict[str, Any], instance: int, where: str) -> dict[str, Any]:
    fields = list_fields(item.get("label_2"), f"{where}: field 'label_2'")
    fields[:1] = [require(item, "objectName", str, where)]
    annotation = parse_label(fields, f"{where}: field 'label_2'")
    if annotation is None or not annotation["has_3d"]:
        raise ValueError(f"{where}: field 'label_2': expected an object with a 3D box")
    return {"id": instance, **annotation}


def _others(rows: list[dict[str, Any]], referred: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The label rows that are none of the referred objects (told by the 2D box), with negative ids."""
    boxes = {tuple(annotation["bbox"]) for annotation in referred}
    rows = [row for row in rows if tuple(row["bbox"]) not in boxes]
    return [{**row, "id": -1 - index} for index, row in enumerate(rows)]
