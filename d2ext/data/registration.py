"""Datasets that people bring, registered by one call each, as Detectron2's ``register_coco_instances`` does.

A file that names its own classes gives them to its dataset, whether or not they are road classes: models of a
fixed vocabulary tell them apart, those of an open one take their names. Which they are is known when the file
is read: when a model or loader asks for them, not when the dataset is registered.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from detectron2.data import DatasetCatalog, MetadataCatalog

from d2ext.structures.vocabulary import Vocabulary

from .formats import load_coco, load_cvat, load_label_studio, load_lvis, load_odvg, load_omni3d
from .formats.coco import Loaded
from .formats.listing import AssumedCamera
from .given_camera import USUAL_FOV
from .skipping import skip_broken

StrPath = str | Path
Names = Vocabulary | Sequence[str] | None


def register_coco(
    name: str,
    json_file: StrPath,
    image_root: StrPath,
    *,
    classes: Names = None,
    fov: float = USUAL_FOV,
    exif: bool = False,
    **metadata: Any,
) -> None:
    """Register a COCO file; see :func:`~d2ext.data.formats.load_coco`.

    Args:
        name: name in ``DatasetCatalog``.
        json_file, image_root: the file and the folder of its images; they need not exist before the dataset
            is used.
        classes: objects of other names are left out, and ids of classes are these; a
            :class:`~d2ext.structures.vocabulary.Vocabulary` may have ``aliases`` for the file's names. None:
            all categories of the file.
        fov: field of view across, degrees, of the camera that is assumed.
        exif: take the focal length that image files tell before that.
        metadata: more of it.
    """
    camera = AssumedCamera(fov, exif)
    register_file(name, partial(load_coco, camera=camera), json_file, image_root, classes, "coco", metadata)


def register_lvis(
    name: str,
    json_file: StrPath,
    image_root: StrPath,
    *,
    classes: Names = None,
    fov: float = USUAL_FOV,
    exif: bool = False,
    **metadata: Any,
) -> None:
    """Register an LVIS file; see :func:`register_coco` and :func:`~d2ext.data.formats.load_lvis`."""
    camera = AssumedCamera(fov, exif)
    register_file(name, partial(load_lvis, camera=camera), json_file, image_root, classes, "lvis", metadata)


def register_omni3d(
    name: str, json_file: StrPath, image_root: StrPath, *, classes: Names = None, **metadata: Any
) -> None:
    """Register an Omni3D file; see :func:`register_coco` and :func:`~d2ext.data.formats.load_omni3d`."""
    register_file(name, load_omni3d, json_file, image_root, classes, "omni3d", metadata)


def register_odvg(
    name: str,
    jsonl_file: StrPath,
    image_root: StrPath,
    *,
    label_map: StrPath | None = None,
    classes: Names = None,
    fov: float = USUAL_FOV,
    exif: bool = False,
    **metadata: Any,
) -> None:
    """Register an ODVG file, with the JSON file of its class names, ``label_map``, where it has one; see
    :func:`register_coco` and :func:`~d2ext.data.formats.load_odvg`."""
    load = partial(load_odvg, camera=AssumedCamera(fov, exif), label_map=label_map)
    register_file(name, load, jsonl_file, image_root, classes, "odvg", metadata)


def register_cvat(
    name: str,
    xml_file: StrPath,
    image_root: StrPath,
    *,
    classes: Names = None,
    fov: float = USUAL_FOV,
    exif: bool = False,
    **metadata: Any,
) -> None:
    """Register a CVAT file, for images or for video; see :func:`register_coco` and
    :func:`~d2ext.data.formats.load_cvat`."""
    load = partial(load_cvat, camera=AssumedCamera(fov, exif))
    register_file(name, load, xml_file, image_root, classes, "coco", metadata)


def register_label_studio(
    name: str,
    json_file: StrPath,
    image_root: StrPath,
    *,
    label_map: StrPath | None = None,
    classes: Names = None,
    fov: float = USUAL_FOV,
    exif: bool = False,
    **metadata: Any,
) -> None:
    """Register an export of Label Studio, with its labelling interface, ``label_map``, where that is at hand;
    see :func:`register_coco` and :func:`~d2ext.data.formats.load_label_studio`."""
    load = partial(load_label_studio, camera=AssumedCamera(fov, exif), label_map=label_map)
    register_file(name, load, json_file, image_root, classes, "coco", metadata)


def register_file(
    name: str,
    load: Callable[..., Loaded],
    file: StrPath,
    image_root: StrPath,
    classes: Names,
    kind: str,
    metadata: dict[str, Any],
) -> None:
    """Register what a loader makes of a file that names its own classes.

    Args:
        load: called with file, image root, whether to skip broken entries, and the classes or None; gives
            dataset dicts and classes.
        kind: ``evaluator_type`` of the metadata.
    """
    vocabulary = (
        classes if isinstance(classes, Vocabulary) else Vocabulary.of_names(classes) if classes else None
    )
    known: dict[str, Any] = {
        "json_file": str(file),
        "image_root": str(image_root),
        "evaluator_type": kind,
    }

    kept: list[list[dict[str, Any]]] = []  # what was read for the classes, until the records are asked for

    def records() -> list[dict[str, Any]]:
        if kept:
            return kept.pop()
        with _no_collecting():
            found, names = load(file, image_root, skip_broken(), vocabulary)
        MetadataCatalog.get(name).set(thing_classes=list(names.names), vocabulary=names)
        return found

    def read_vocabulary() -> Vocabulary:
        kept[:] = [records()]
        return MetadataCatalog.get(name).vocabulary

    if vocabulary is not None:
        known |= {"thing_classes": list(vocabulary.names), "vocabulary": vocabulary}
    else:
        known["read_vocabulary"] = read_vocabulary
    DatasetCatalog.register(name, records)
    MetadataCatalog.get(name).set(**known | metadata)


@contextmanager
def _no_collecting() -> Iterator[None]:
    """Loading makes millions of objects and no garbage: collecting in between doubles its time."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
