"""Label Studio's tasks with annotations, and the labelling interface for them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

from d2ext.data.formats.drawn import attributes_of, phrases_by_object
from d2ext.data.formats.label_studio import LOCAL_FILES, RECTANGLES
from d2ext.files import write_bytes

from .cvat import xml_text
from .images import Record, names_below, unique_ids, write_compact_json

_IMAGE, _LABEL = "image", "label"


def write_label_studio(
    path: str | Path,
    records: Sequence[Record],
    names: Sequence[str],
    image_root: str | Path,
    label_map: str | Path | None = None,
) -> None:
    """Write tasks with one annotation each. Pictures are addressed as files of Label Studio's own disk, below
    its ``LOCAL_FILES_DOCUMENT_ROOT``, which is ``image_root``. Colours, occlusion, truncation and what
    sentences say of an object are texts of its region.

    Args:
        path: JSON file to write.
        records: dataset dicts.
        names: of their classes.
        image_root: folder to which addresses are to be relative.
        label_map: XML file to write, the labelling interface of a project for these tasks.

    Raises:
        ValueError: an image that is not below ``image_root``.
    """
    tasks, used = [], dict[str, None]()
    ids, files = unique_ids(records), names_below(records, image_root)
    for record, number, file in zip(records, ids, files, strict=True):
        result = _result(record, names, number, used)
        data = {_IMAGE: LOCAL_FILES + quote(file)}
        tasks.append({"id": number, "data": data, "annotations": [{"result": result}]})
    write_compact_json(path, tasks)
    if label_map is not None:
        write_bytes(label_map, _interface(names, used))


def _result(record: Record, names: Sequence[str], task: Any, used: dict[str, None]) -> list[dict[str, Any]]:
    size = {"original_width": record["width"], "original_height": record["height"], "image_rotation": 0}
    phrases, result = phrases_by_object(record), []
    for index, annotation in enumerate(record["annotations"]):
        x1, y1, x2, y2 = annotation["bbox"]
        place = {
            "x": 100 * x1 / record["width"],
            "y": 100 * y1 / record["height"],
            "width": 100 * (x2 - x1) / record["width"],
            "height": 100 * (y2 - y1) / record["height"],
            "rotation": 0,
        }
        shared = {"id": f"{task}_{index}", "to_name": _IMAGE, **size}
        label = {RECTANGLES: [names[annotation["category_id"]]]}
        result.append({**shared, "from_name": _LABEL, "type": RECTANGLES, "value": place | label})
        for name, value in attributes_of(annotation, phrases[annotation["id"]]).items():
            used[name] = None
            text = {"text": value.split("\n")}
            result.append({**shared, "from_name": name, "type": "textarea", "value": place | text})
    return result


def _interface(names: Sequence[str], used: Iterable[str]) -> bytes:
    view = ElementTree.Element("View")
    ElementTree.SubElement(view, "Image", {"name": _IMAGE, "value": f"${_IMAGE}"})
    labels = ElementTree.SubElement(view, "RectangleLabels", {"name": _LABEL, "toName": _IMAGE})
    for name in names:
        ElementTree.SubElement(labels, "Label", {"value": xml_text(name)})
    for name in used:
        area = {"name": xml_text(name), "toName": _IMAGE, "perRegion": "true", "editable": "true"}
        ElementTree.SubElement(view, "TextArea", area)
    ElementTree.indent(view)
    return ElementTree.tostring(view, encoding="utf-8") + b"\n"
