"""ODVG: a JSON line for each image, with boxes that have class names, or phrases of a caption, or both.

As Open-GroundingDino and MMDetection train on it: ``filename``, ``height``, ``width`` and

* ``detection``: ``instances`` with ``bbox`` (x1, y1, x2, y2), ``label`` (from 0) and ``category``, its name;
  a label map beside the file, ``{"0": NAME, ...}``, names all classes;
* ``grounding``: a ``caption`` and ``regions``, each with a ``phrase`` of it, one ``bbox`` or a list of them,
  and ``tokens_positive``, the [start, end) characters of the phrase in the caption.

S. Liu et al., "Grounding DINO", ECCV 2024; X. Zhao et al., "An Open and Comprehensive Pipeline for Unified
Object Grounding and Detection" (MM-Grounding-DINO), 2024.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from d2ext.data.formats.coco import Loaded
from d2ext.data.formats.listing import (
    MAX_PIXEL,
    AssumedCamera,
    ImageFolder,
    corner_box,
    flat_annotation,
    read_numbers,
    read_size,
)
from d2ext.data.formats.rows import BrokenRows, require_records, sentence_text
from d2ext.reading import clear_errors, open_file, parse_json, read_json, require
from d2ext.structures.vocabulary import Vocabulary

MAX_LINE = 1 << 26  # bytes
#: Class of objects that have a phrase and no class name.
OBJECT = "object"


@clear_errors
def load_odvg(
    jsonl_file: str | Path,
    image_root: str | Path,
    skip_broken: bool = False,
    vocabulary: Vocabulary | None = None,
    camera: AssumedCamera | None = None,
    label_map: str | Path | None = None,
) -> Loaded:
    """Records of the images of an ODVG file, and their classes.

    Objects have no 3D box, and images the camera that is assumed. An instance has the class of its label. A
    region is an object with ``phrases``: the instance of the same box, or one of its own, whose ``name`` is
    its first phrase, and its class the one of that name or ``OBJECT``. The ``sentences`` of a record are its
    phrases, each with all its objects. An image with regions alone has ``neg_category_ids`` []: of names that
    it has no object of nothing is known. An image can have several lines.

    Args:
        jsonl_file: a JSON object a line.
        image_root: folder to which ``filename`` is relative.
        skip_broken: skip and count broken lines and boxes instead of raising.
        vocabulary: classes to keep; instances of other names are left out. None: those of the label map, or
            the names of the instances by their labels.
        camera: of all images.
        label_map: JSON file of class names by label; None: instances name their ``category``.

    Raises:
        FileNotFoundError, ValueError: one line that names the file, the line and the field.
    """
    broken = BrokenRows(skip_broken)
    names = None if label_map is None else read_label_map(label_map)
    reader = _Reader(ImageFolder(image_root), names, camera or AssumedCamera(), broken)
    for number, line in _lines(jsonl_file):
        with broken:
            where = f"{jsonl_file}:{number}"
            reader.add(parse_json(line, where, non_finite=True), where)
    broken.report(str(jsonl_file), "lines or boxes")
    require_records(reader.records, str(jsonl_file))
    return reader.records, reader.settle(vocabulary, str(jsonl_file))


def _lines(path: str | Path) -> Iterator[tuple[int, bytes]]:
    with open_file(path) as file:
        number = 0
        while line := file.readline(MAX_LINE):
            number += 1
            if len(line) == MAX_LINE:
                raise ValueError(f"{path}:{number}: expected a line of fewer than {MAX_LINE} bytes")
            if line.strip():
                yield number, line


def read_label_map(path: str | Path) -> list[str]:
    """Class names by label.

    Raises:
        FileNotFoundError, ValueError: no such file, or other keys than "0", "1", ... without a gap.
    """
    data = read_json(path)
    if not isinstance(data, dict) or not data:
        raise ValueError(f"{path}: expected an object of names by label")
    names = [require(data, str(i), str, str(path)) for i in range(len(data))]
    if not all(name.strip() for name in names) or len(set(names)) < len(names):
        raise ValueError(f"{path}: expected different names")
    return names


class _Reader:
    """Records from one line after the other; classes are settled when all are read."""

    def __init__(
        self, folder: ImageFolder, names: list[str] | None, camera: AssumedCamera, broken: BrokenRows
    ) -> None:
        self.folder, self.names, self.camera, self.broken = folder, names, camera, broken
        self.records: list[dict[str, Any]] = []
        self.labels: dict[str, int] = {}  # lowest label of each name
        self._stems: dict[str, int] = {}

    def add(self, item: Any, where: str) -> None:
        name = require(item, "filename", str, where)
        path = self.folder.find(name, where)
        size = height, width = read_size(item, path, where)
        stem = os.path.splitext(name)[0].replace("/", "_")
        self._stems[stem] = count = self._stems.get(stem, 0) + 1
        record = {
            "file_name": str(path),
            "image_id": stem if count == 1 else f"{stem}_{count}",
            "height": height,
            "width": width,
            "camera": self.camera.of(size, path),
            "assumed_camera": True,
            "ground_plane": None,
            "annotations": [],
            "sentences": [],
        }
        if "detection" not in item and "grounding" not in item:
            raise ValueError(f"{where}: expected a field 'detection' or 'grounding'")
        if "detection" in item:
            part = f"{where}: detection"
            instances = require(require(item, "detection", dict, where), "instances", list, part)
            for index, entry in enumerate(instances):
                with self.broken:
                    self._add_instance(record, entry, f"{part}: instances[{index}]")
        else:
            record["neg_category_ids"] = []
        if "grounding" in item:
            self._add_grounding(record, require(item, "grounding", dict, where), f"{where}: grounding")
        self.records.append(record)

    def _add_instance(self, record: dict[str, Any], entry: Any, where: str) -> None:
        label = require(entry, "label", int, where)
        if self.names is not None and not 0 <= label < len(self.names):
            raise ValueError(f"{where}: field 'label': expected 0 to {len(self.names) - 1}, got {label}")
        name = self.names[label] if self.names is not None else require(entry, "category", str, where).strip()
        if not name:
            raise ValueError(f"{where}: field 'category': expected a name")
        box = corner_box(read_numbers(entry, "bbox", 4, where, MAX_PIXEL), where)
        self.labels[name] = min(label, self.labels.get(name, label))
        record["annotations"].append(flat_annotation(len(record["annotations"]), box, -1, name))

    def _add_grounding(self, record: dict[str, Any], part: dict[str, Any], where: str) -> None:
        record["caption"] = sentence_text(part.get("caption"), f"{where}: field 'caption'")
        sentences: dict[str, dict[str, Any]] = {}
        there = {tuple(a["bbox"]): a["id"] for a in record["annotations"]}
        for index, entry in enumerate(require(part, "regions", list, where)):
            place = f"{where}: regions[{index}]"
            with self.broken:
                phrase = sentence_text(require(entry, "phrase", str, place), f"{place}: field 'phrase'")
                sentence = sentences.get(phrase) or {
                    "id": len(sentences), "text": phrase, "target_ids": [], "properties": [], "spans": [],
                }  # fmt: skip
                boxes, spans = _boxes(entry, place), _spans(entry, record["caption"], phrase, place)
                sentences[phrase] = sentence
                sentence["spans"] += [span for span in spans if span not in sentence["spans"]]
                for box in boxes:
                    number = there.setdefault(tuple(box), len(record["annotations"]))
                    if number == len(record["annotations"]):
                        record["annotations"].append(flat_annotation(number, box, -1, phrase))
                    phrases = record["annotations"][number].setdefault("phrases", [])
                    if phrase not in phrases:
                        phrases.append(phrase)
                        sentence["target_ids"].append(number)
        record["sentences"] = list(sentences.values())

    def settle(self, vocabulary: Vocabulary | None, where: str) -> Vocabulary:
        """Give every annotation its class."""
        if vocabulary is None:
            names = self.names or sorted(self.labels, key=lambda name: (self.labels[name], name))
            known = {name.lower() for name in names}
            every = (a["name"].lower() in known for r in self.records for a in r["annotations"])
            if not names or not all(every):
                names = [*names, OBJECT]
            vocabulary = Vocabulary.of_names(dict.fromkeys(names))
        place = {name.lower(): i for i, name in enumerate(vocabulary.names)}
        place |= {a.lower(): place[n.lower()] for a, n in vocabulary.aliases.items() if n.lower() in place}
        kept, found = 0, [len(record["annotations"]) for record in self.records]
        for record in self.records:
            annotations = []
            for annotation in record["annotations"]:
                rest = OBJECT if only_phrases(annotation) else ""
                category = place.get(annotation["name"].lower(), place.get(rest))
                if category is not None:
                    annotations.append(annotation | {"category_id": category})
            record["annotations"] = annotations
            kept += len(annotations)
            there = {a["id"] for a in annotations}
            for sentence in record["sentences"]:
                sentence["target_ids"] = [i for i in sentence["target_ids"] if i in there]
            record["sentences"] = [s for s in record["sentences"] if s["target_ids"]]
        if not kept and any(found):
            raise ValueError(f"{where}: no object is one of {', '.join(vocabulary.names)}")
        return vocabulary


def only_phrases(annotation: dict[str, Any]) -> bool:
    """Whether an object is known by what a caption says of it, and by no class name."""
    return annotation["name"] in annotation.get("phrases", ())[:1]


def _boxes(entry: dict[str, Any], where: str) -> list[list[float]]:
    """One box or several."""
    values = require(entry, "bbox", list, where)
    rows = values if values and isinstance(values[0], list) else [values]
    return [corner_box(read_numbers({"bbox": row}, "bbox", 4, where, MAX_PIXEL), where) for row in rows]


def _spans(entry: dict[str, Any], caption: str, phrase: str, where: str) -> list[list[int]]:
    """[start, end) of a phrase in the caption: as told, or the first place where it is found; none else."""
    if "tokens_positive" not in entry:
        start = caption.lower().find(phrase.lower())
        return [[start, start + len(phrase)]] if start >= 0 else []
    spans = []
    for span in require(entry, "tokens_positive", list, where):
        whole = isinstance(span, list) and len(span) == 2 and all(type(x) is int for x in span)
        if not whole or not 0 <= span[0] < span[1] <= len(caption) + 1:
            raise ValueError(
                f"{where}: field 'tokens_positive': expected [start, end) of 0 to {len(caption)}, got "
                f"{str(span)[:40]}"
            )
        spans.append(list(span))
    return spans
