"""Label Studio's tasks with annotations (its export "JSON"): rectangles, and what is said of each.

As Label Studio's documentation has it (task format; tags RectangleLabels, TextArea, Choices, Number): a list
of tasks with ``data`` (the picture's address), and ``annotations`` whose ``result`` are entries with an
``id``; those of one id are one region. A region's ``value`` is in percent of the picture: ``x``, ``y`` of
the upper left corner, ``width``, ``height``, and ``rotation``, degrees clockwise about that corner. The
labelling interface, XML, lists the labels in order.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from d2ext.data.formats.coco import Loaded
from d2ext.data.formats.drawn import drawn_annotation, settle_classes, turned_hull
from d2ext.data.formats.listing import MAX_LISTING, MAX_SIDE, AssumedCamera, ImageFolder, read_id
from d2ext.data.formats.rows import BrokenRows, require_records
from d2ext.data.image_io import read_image_size
from d2ext.reading import clear_errors, found_value, read_json, require
from d2ext.structures.vocabulary import Vocabulary
from d2ext.xml_reading import Element, read_xml

logger = logging.getLogger(__name__)

#: Where Label Studio serves files of its own disk, with their path after it.
LOCAL_FILES = "/data/local-files/?d="
RECTANGLES = "rectanglelabels"
#: Types of results that say something of a region, and where.
_SAID = {"textarea": "text", "choices": "choices", "number": "number", "rating": "rating"}
_MAX_PERCENT = 1e4
_MOST_FOLDERS = 6
#: What Label Studio puts before the name of an uploaded file.
_UPLOADED = re.compile(r"[0-9a-f]{8}-(?=.)")


@clear_errors
def load_label_studio(
    json_file: str | Path,
    image_root: str | Path,
    skip_broken: bool = False,
    vocabulary: Vocabulary | None = None,
    camera: AssumedCamera | None = None,
    label_map: str | Path | None = None,
) -> Loaded:
    """Records of the tasks of a Label Studio export, and their classes.

    Of several annotations of a task the one that is its ``ground_truth`` is taken, else the first that was
    not cancelled; tasks without any are not labelled, and left out. A picture lies where its address ends:
    at the longest end of it that is in ``image_root``. Objects have no 3D box, images the camera that is
    assumed; a turned rectangle becomes the upright one around it. What texts, choices and numbers say of a
    region are its attributes (:mod:`.drawn`), by the names of the tags.

    Args:
        json_file: list of tasks.
        image_root: folder of the pictures.
        skip_broken: skip and count broken tasks and regions instead of raising.
        vocabulary: classes to keep; objects of other names are left out. None: all labels.
        camera: of all images.
        label_map: the labelling interface, which gives the labels and their order; None: those of the
            regions, sorted.

    Raises:
        FileNotFoundError, ValueError: one line that names the file, the task and the field.
    """
    tasks = read_json(json_file, MAX_LISTING)
    if not isinstance(tasks, list):
        raise ValueError(f"{json_file}: expected a list of tasks, got {type(tasks).__name__}")
    labels = [] if label_map is None else read_interface(label_map)
    broken, camera = BrokenRows(skip_broken), camera or AssumedCamera()
    reader = _Reader(ImageFolder(image_root), labels, camera, broken)
    for index, task in enumerate(tasks):
        with broken:
            reader.add(task, index, f"{json_file}: [{index}]")
    if reader.bare:
        logger.info("%s: %d tasks have no annotation", json_file, reader.bare)
    broken.report(str(json_file), "tasks or regions")
    require_records(reader.records, str(json_file))
    return reader.records, settle_classes(reader.records, labels, vocabulary, str(json_file))


class _Reader:
    """Records of one task after the other; ``bare`` counts those without annotation."""

    def __init__(
        self, folder: ImageFolder, labels: Sequence[str], camera: AssumedCamera, broken: BrokenRows
    ) -> None:
        self.folder, self.labels, self.camera, self.broken = folder, labels, camera, broken
        self.records: list[dict[str, Any]] = []
        self.bare = 0
        self._seen: set[int | str] = set()

    def add(self, task: Any, index: int, where: str) -> None:
        number = index if isinstance(task, dict) and "id" not in task else read_id(task, "id", where)
        if number in self._seen:
            raise ValueError(f"{where}: field 'id': task {str(number)[:40]!r} is there twice")
        self._seen.add(number)
        result = _result(task, where)
        if result is None:
            self.bare += 1
            return
        path = _picture(task, self.folder, where)
        size = _size(result, path, where)
        self.records.append(
            {
                "file_name": str(path),
                "image_id": number,
                "height": size[0],
                "width": size[1],
                "camera": self.camera.of(size, path),
                "assumed_camera": True,
                "ground_plane": None,
                "annotations": _annotations(result, size, self.labels, self.broken, where),
                "sentences": [],
            }
        )


def read_interface(path: str | Path) -> list[str]:
    """The labels of rectangles in a labelling interface, in order.

    Raises:
        FileNotFoundError, ValueError: no such file; no interface, or one without rectangles.
    """
    found: dict[str, None] = {}
    waiting: list[Element] = [read_xml(path, "View")]
    while waiting:
        element = waiting.pop()
        if element.name == "RectangleLabels":
            found |= {label.require("value"): None for label in element.all("Label")}
        waiting += reversed(element.children)
    if not found:
        raise ValueError(f"{path}: expected <RectangleLabels> with a <Label>")
    return list(found)


def _result(task: Any, where: str) -> list[Any] | None:
    """The regions of the annotation to take; None: there is none."""
    chosen = None
    for index, annotation in enumerate(require(task, "annotations", list, where)):
        place = f"{where}: annotations[{index}]"
        result = require(annotation, "result", list, place)
        if annotation.get("was_cancelled") is True:
            continue
        if annotation.get("ground_truth") is True:
            return result
        chosen = result if chosen is None else chosen
    return chosen


def _picture(task: dict[str, Any], folder: ImageFolder, where: str) -> Path:
    data = require(task, "data", dict, where)
    others = [key for key, value in data.items() if isinstance(value, str)]
    key = "image" if "image" in data or len(others) != 1 else others[0]
    address = require(data, key, str, f"{where}: data")
    there = (name for name in _names(address) if folder.holds(folder.root / name))
    names = _names(address)
    return folder.find(next(there, names[0] if names else address), f"{where}: field {key!r}")


def _names(address: str) -> list[str]:
    """Where the picture of an address can lie, the longest path first."""
    before, mark, local = address.partition(LOCAL_FILES)
    try:
        path = unquote(local) if mark else unquote(urlsplit(address).path)
    except ValueError:  # brackets that are no host
        return []
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts or not parts or not path.isprintable() or max(map(len, map(os.fsencode, parts))) > 255:
        return []
    names = ["/".join(parts[i:]) for i in range(max(0, len(parts) - _MOST_FOLDERS), len(parts))]
    bare = _UPLOADED.sub("", parts[-1], count=1)
    return names + ([bare] if bare != parts[-1] else [])


def _size(result: Sequence[Any], path: Path, where: str) -> tuple[int, int]:
    """(height, width) of the picture: that of the file, which regions must not contradict."""
    size = read_image_size(path)
    for index, entry in enumerate(result):
        if isinstance(entry, dict) and "original_width" in entry and "original_height" in entry:
            told = tuple(require(entry, f"original_{s}", int, where) for s in ("height", "width"))
            if told != size or max(told) > MAX_SIDE:
                raise ValueError(
                    f"{where}: result[{index}]: field 'original_width': expected the picture's "
                    f"{size[1]} x {size[0]}, got {str(told[1])[:20]} x {str(told[0])[:20]}"
                )
    return size


def _annotations(
    result: Sequence[Any], size: tuple[int, int], labels: Sequence[str], broken: BrokenRows, where: str
) -> list[dict[str, Any]]:
    said: dict[str, dict[str, str]] = {}
    regions: dict[str, tuple[str, list[float], str]] = {}
    for index, entry in enumerate(result):
        with broken:
            place = f"{where}: result[{index}]"
            kind = require(entry, "type", str, place)
            if kind != RECTANGLES and kind not in _SAID:
                continue
            value = require(entry, "value", dict, place)
            number = require(entry, "id", str, place) if "id" in entry else f"[{index}]"
            if kind in _SAID:
                name = require(entry, "from_name", str, place)
                said.setdefault(number, {})[name] = _text(value, _SAID[kind], place)
            elif number in regions:
                raise ValueError(f"{place}: field 'id': region {number[:40]!r} is there twice")
            else:
                regions[number] = (_label(value, labels, place), _box(entry, value, size, place), place)
    annotations: list[dict[str, Any]] = []
    for number, (label, box, place) in regions.items():
        with broken:
            annotations.append(
                drawn_annotation(len(annotations), box, label, said.get(number, {}), False, place)
            )
    return annotations


def _label(value: dict[str, Any], labels: Sequence[str], where: str) -> str:
    names = require(value, RECTANGLES, list, where)
    if len(names) != 1:
        raise ValueError(f"{where}: field '{RECTANGLES}': expected one label, got {len(names)}")
    name = require({RECTANGLES: names[0]}, RECTANGLES, str, where)
    if not 0 < len(name) <= 200 or labels and name not in labels:
        expected = "one of the interface's labels" if labels else "a label of 1 to 200 characters"
        raise ValueError(f"{where}: field '{RECTANGLES}': expected {expected}, got {found_value(name)}")
    return name


def _box(entry: dict[str, Any], value: dict[str, Any], size: tuple[int, int], where: str) -> list[float]:
    if entry.get("image_rotation", 0) not in (0, 0.0):
        got = found_value(entry["image_rotation"])
        raise ValueError(f"{where}: field 'image_rotation': expected 0, got {got}")
    numbers = []
    for key in ("x", "y", "width", "height"):
        number = require(value, key, (int, float), where)
        if not -_MAX_PERCENT <= number <= _MAX_PERCENT or number < 0 and key in ("width", "height"):
            raise ValueError(f"{where}: field {key!r}: expected percent of the picture, got {number:g}")
        numbers.append(float(number))
    turn = require(value, "rotation", (int, float), where) if "rotation" in value else 0.0
    if not abs(turn) <= 360:
        raise ValueError(f"{where}: field 'rotation': expected degrees up to 360, got {turn:g}")
    height, width = size
    x, y, w, h = (p * side / 100 for p, side in zip(numbers, (width, height) * 2, strict=True))
    return turned_hull([x, y, x + w, y + h], turn, (x, y))


def _text(value: Mapping[str, Any], key: str, where: str) -> str:
    """What an entry says, lines of several."""
    content = value.get(key)
    parts = content if isinstance(content, list) else [content]
    for part in parts:
        if isinstance(part, bool) or not isinstance(part, str | int | float):
            raise ValueError(f"{where}: field {key!r}: expected texts or numbers, got {found_value(part)}")
    return "\n".join(require({key: str(part)}, key, str, where) for part in parts)
