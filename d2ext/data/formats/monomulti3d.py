"""MonoMulti3D-ROPE: Rope3D images with sentences that each refer to any number of objects.

K. Guo et al., "Beyond Human Perception: Understanding Multi-Object World from Monocular View", CVPR 2025.
Two layouts are read and may be mixed:

* released: ``{train,test}/{images,jsons,labels,calib,denorm}/NAME.*``; a JSON file is the list of
  descriptions;
* challenge: ``NAME.json`` and ``NAME.jpg`` (or ``.png``, ``.jpeg``) lie directly in ``{train,test}/``, the
  list is nested once more (``data[0]``), and test files are ``{"public_description": [texts], "test_data":
  [rows]}`` without targets. Files that would all be called ``NAME.txt`` are told apart by folder
  (``labels/``, ``calib/``, ``denorm/``) or by suffix: ``NAME.txt`` is the label file, ``NAME_calib.txt`` and
  ``NAME_denorm.txt`` the other two.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from d2ext.data.formats.rows import BrokenRows, list_fields, optional_texts, require_records, sentence_text
from d2ext.data.image_io import IMAGE_SUFFIXES, read_image_size
from d2ext.reading import clear_errors, is_folder, read_json, require
from d2ext.structures.vocabulary import ROAD, Vocabulary

from .kitti import parse_label, read_calib, read_ground, read_labels
from .matching import find_object


class _SplitFolder:
    """Finds the files of one image in either layout; every folder is listed once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.flat = _file_names(folder)
        self.kinds = {
            kind: _file_names(folder / kind) for kind in ("images", "jsons", "labels", "calib", "denorm")
        }

    def names(self) -> list[str]:
        files = self.kinds["jsons"] or self.flat
        return sorted(name[: -len(".json")] for name in files if name.endswith(".json"))

    def find(self, kind: str, name: str) -> Path | None:
        """Path of a file of a kind (a key of ``kinds``), None when there is none."""
        suffixes = {"images": IMAGE_SUFFIXES, "jsons": (".json",)}.get(kind, (".txt",))
        infix = f"_{kind}" if kind in ("calib", "denorm") else ""
        for suffix in suffixes:
            if name + suffix in self.kinds[kind]:
                return self.folder / kind / self.kinds[kind][name + suffix]
            if name + infix + suffix in self.flat:
                return self.folder / self.flat[name + infix + suffix]
        return None

    def require(self, kind: str, name: str) -> Path:
        path = self.find(kind, name)
        if path is None:
            raise FileNotFoundError(
                f"{self.folder / kind / name}: no such file (needed by {self.find('jsons', name)})"
            )
        return path


def _file_names(folder: Path) -> dict[str, str]:
    """The names of a folder's files by the same with a suffix in small letters."""
    names = os.listdir(folder) if is_folder(folder) else []
    return {stem + suffix.lower(): stem + suffix for stem, suffix in map(os.path.splitext, names)}


@clear_errors
def load_monomulti3d(
    root: str | Path, split: str, skip_broken: bool = False, vocabulary: Vocabulary = ROAD
) -> list[dict[str, Any]]:
    """Records of one split; an image carries all its sentences.

    Annotations are the rows of the label file or of ``test_data`` (``id`` is the row's position, from 0), or,
    where an image has neither, the objects its descriptions refer to. Sentences of ``test_data`` files have
    ``target_ids`` None: their targets are not published.

    Args:
        root: the dataset's folder.
        split: "train" or "test".
        skip_broken: skip and count broken rows, sentences and images instead of raising.
        vocabulary: classes of the labels.

    Raises:
        FileNotFoundError, ValueError: one line that names the file and the line or field.
    """
    folder = Path(root) / split
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder")
    files = _SplitFolder(folder)
    broken = BrokenRows(skip_broken)
    records = []
    for name in files.names():
        with broken:
            records.append(_record(files, name, broken, vocabulary))
    broken.report(f"monomulti3d {split}")
    return require_records(records, str(folder))


def _record(files: _SplitFolder, name: str, broken: BrokenRows, vocabulary: Vocabulary) -> dict[str, Any]:
    json_path = files.require("jsons", name)
    data = read_json(json_path)
    if isinstance(data, dict):
        annotations, sentences = _challenge_test(data, json_path, broken, vocabulary)
    else:
        labels = files.find("labels", name)
        annotations = read_labels(labels, broken, vocabulary) if labels is not None else []
        objects = _Objects(annotations, labels, vocabulary)
        sentences = _described(_items(data, json_path), name, json_path, objects, broken)
    image = files.require("images", name)
    height, width = size = read_image_size(image)
    return {
        "file_name": str(image),
        "image_id": name,
        "height": height,
        "width": width,
        "camera": read_calib(files.require("calib", name), size),
        "ground_plane": read_ground(files.require("denorm", name)),
        "annotations": annotations,
        "sentences": sentences,
    }


def _items(data: Any, path: Path) -> list[Any]:
    if isinstance(data, list) and len(data) == 1 and isinstance(data[0], list):
        data = data[0]
    if not isinstance(data, list):
        raise ValueError(f"{path}: expected a list of descriptions, got {type(data).__name__}")
    return data


def _described(
    items: list[Any], name: str, path: Path, objects: _Objects, broken: BrokenRows
) -> list[dict[str, Any]]:
    """Sentences of an image."""
    sentences = []
    for index, item in enumerate(items):
        where = f"{path}: item {index}"
        with broken:
            text = sentence_text(
                require(item, "public_description", str, where), f"{where}: field 'public_description'"
            )
            image_name = require(item, "image_file_name", str, where)
            if Path(image_name).stem != name:
                raise ValueError(f"{where}: field 'image_file_name': expected {name}.*, got {image_name!r}")
            properties = optional_texts(item, "public_properties", where)
            target_ids = [
                objects.find(label, f"{where}: label_3[{i}]")
                for i, label in enumerate(require(item, "label_3", list, where))
            ]
            if len(set(target_ids)) < len(target_ids):
                raise ValueError(
                    f"{where}: field 'label_3': expected different objects, got one of them twice"
                )
            sentences.append({"id": index, "text": text, "target_ids": target_ids, "properties": properties})
    return sentences


class _Objects:
    """The objects of an image, found by the texts that ``label_3`` gives them.

    Args:
        annotations: those of ``labels``; without such a file objects are added as they are named.
    """

    def __init__(
        self, annotations: list[dict[str, Any]], labels: Path | None, vocabulary: Vocabulary
    ) -> None:
        self.annotations = annotations
        self.labels = labels
        self.vocabulary = vocabulary
        self.found: dict[str, int] = {}  # the same object's text recurs in many descriptions

    def find(self, label: Any, where: str) -> int:
        """The id of the annotation.

        Raises:
            ValueError: no object, or one that is not in the label file.
        """
        if not isinstance(label, str) or label not in self.found:
            annotation = parse_label(list_fields(label, where), where, self.vocabulary)
            if annotation is None:
                raise ValueError(f"{where}: field 'type': expected an object, got an ignored region")
            same = find_object(annotation, self.annotations)
            if same is None:
                if self.labels is not None:
                    raise ValueError(
                        f"{where}: expected an object of {self.labels}, got one that is not there"
                    )
                same = {"id": len(self.annotations), **annotation}
                self.annotations.append(same)
            self.found[label] = same["id"]
        return self.found[label]


def _challenge_test(
    data: dict[str, Any], path: Path, broken: BrokenRows, vocabulary: Vocabulary
) -> tuple[list, list]:
    """Annotations and sentences of a ``{"public_description": ..., "test_data": ...}`` file."""
    annotations = []
    for index, row in enumerate(require(data, "test_data", list, str(path))):
        where = f"{path}: test_data[{index}]"
        with broken:
            annotation = parse_label(_row_fields(row, where), where, vocabulary)
            if annotation is not None:
                annotations.append({"id": index, **annotation})
    sentences = []
    for index, text in enumerate(require(data, "public_description", list, str(path))):
        with broken:
            text = sentence_text(text, f"{path}: public_description[{index}]")
            sentences.append({"id": index, "text": text, "target_ids": None, "properties": []})
    return annotations, sentences


def _row_fields(row: Any, where: str) -> list[str]:
    """Fields of a ``test_data`` row, which is a list, the text of a list, or a line of text."""
    if isinstance(row, list):
        return [str(field) for field in row]
    if isinstance(row, str):
        return list_fields(row, where) if row.lstrip().startswith("[") else row.split()
    raise ValueError(f"{where}: expected a label row, got {type(row).__name__}")
