"""CVAT's XML, for images and for video."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from d2ext.data.formats.cvat import BOX, CUBOID, VERSION
from d2ext.data.formats.drawn import attributes_of, phrases_by_object
from d2ext.data.formats.frames import images_by_name
from d2ext.data.formats.upright import record_boxes
from d2ext.files import write_bytes

from .images import Record, names_below, unique_ids

#: What XML cannot hold.
_IMPOSSIBLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
#: Upright edges of a box as seen from outside of each of its upright faces, as signs of (x, z) in the object
#: frame (x along the length, z across): the two of the face, and those behind them.
_FACES = np.array(
    [[(a, -1), (a, 1), (-a, -1), (-a, 1)] for a in (-1, 1)]
    + [[(-1, a), (1, a), (-1, -a), (1, -a)] for a in (-1, 1)],
    dtype=np.float64,
)


def write_cvat(
    path: str | Path, records: Sequence[Record], names: Sequence[str], image_root: str | Path
) -> None:
    """Write "CVAT for images 1.1". An object is its 2D box and, where all corners of its 3D box are in front
    of the camera, or it had a cuboid, that cuboid, in a group of its own. Colours, occlusion, truncation and
    what sentences say of an object are its attributes.

    Args:
        path: XML file to write.
        records: dataset dicts.
        names: of their classes, the labels of the task.
        image_root: folder to which names of images are to be relative.

    Raises:
        ValueError: an image that is not below ``image_root``.
    """
    content: list[ElementTree.Element] = []
    used: dict[str, None] = {}
    ids, files = unique_ids(records), names_below(records, image_root)
    for record, number, file in zip(records, ids, files, strict=True):
        size = {"width": str(record["width"]), "height": str(record["height"])}
        image = ElementTree.Element("image", {"id": str(number), "name": xml_text(file), **size})
        for group, (annotation, shapes) in enumerate(_objects(record, used), start=1):
            label = {"label": xml_text(names[annotation["category_id"]])}
            for shape in shapes:
                shape.attrib = label | shape.attrib | ({"group_id": str(group)} if len(shapes) > 1 else {})
                image.append(shape)
        content.append(image)
    _write(path, content, names, len(records), "annotation", Path(path).stem, used)


def write_cvat_video(
    path: str | Path, records: Sequence[Record], names: Sequence[str], image_root: str | Path
) -> None:
    """Write "CVAT for video 1.1" of the frames of one sequence. A track has every frame in which its object
    is, and ends one later; objects without a ``track_id`` have tracks of one frame. Cuboids are tracks of
    their own, in the group of their object's.

    Args:
        image_root: the folder of the video's pictures, of which each frame is one.

    Raises:
        ValueError: images that are not directly in ``image_root``; several sequences.
    """
    sequences = list(dict.fromkeys(str(record.get("sequence", "")) for record in records))
    if len(sequences) > 1:
        first = ", ".join(sequences[:3])
        raise ValueError(f"{path}: expected frames of one sequence, got {len(sequences)} ({first[:100]})")
    root, used = Path(image_root).absolute(), dict[str, None]()
    frames = {file.name: number for number, file in enumerate(images_by_name(root).values())}
    tracks: dict[Any, list[tuple[int, list[ElementTree.Element]]]] = {}
    for record, name in zip(records, names_below(records, root), strict=True):
        if name not in frames:
            raise ValueError(f"{record['file_name']}: expected a picture of the video's folder {root}")
        for annotation, shapes in _objects(record, used):
            lone = (frames[name], annotation["id"])
            key = (annotation.get("track_id", lone), annotation["category_id"])
            tracks.setdefault(key, []).append((frames[name], shapes))
    numbers = _numbers(list(tracks))
    free = max(numbers.values(), default=-1) + 1
    content: list[ElementTree.Element] = []
    for group, (key, seen) in enumerate(tracks.items(), start=1):
        seen.sort(key=lambda pair: pair[0])
        label = xml_text(names[key[1]])
        boxes = [(frame, shapes[0]) for frame, shapes in seen]
        cuboids = [(frame, shapes[1]) for frame, shapes in seen if len(shapes) > 1]
        more = {"group_id": str(group)} if cuboids else {}
        content.append(_track(numbers[key], label, boxes, more, len(frames)))
        if cuboids:
            content.append(_track(free, label, cuboids, more, len(frames)))
            free += 1
    _write(path, content, names, len(frames), "interpolation", sequences[0] or Path(path).stem, used)


def _numbers(keys: Sequence[Any]) -> dict[Any, int]:
    """Track ids: the objects' own where these are numbers that differ, else from 0 in order."""
    own = [str(key[0]) for key in keys]
    if all(text.isascii() and text.isdigit() and len(text) < 9 for text in own) and len(set(own)) == len(own):
        return {key: int(key[0]) for key in keys}
    return {key: number for number, key in enumerate(keys)}


def _track(
    number: int, label: str, seen: Sequence[tuple[int, ElementTree.Element]], more: dict[str, str], count: int
) -> ElementTree.Element:
    """A track of shapes by their frames, with one that is outside after each gap and the end."""
    track = ElementTree.Element("track", {"id": str(number), "label": label, "source": "manual", **more})
    there = {frame for frame, _ in seen}
    for frame, shape in seen:
        shape.attrib = {"frame": str(frame), "outside": "0", "keyframe": "1", **shape.attrib}
        track.append(shape)
        if frame + 1 < count and frame + 1 not in there:
            gone = ElementTree.Element(shape.tag, shape.attrib | {"frame": str(frame + 1), "outside": "1"})
            track.append(gone)
    return track


def _objects(
    record: Record, used: dict[str, None]
) -> Iterator[tuple[dict[str, Any], list[ElementTree.Element]]]:
    """Annotations with their shapes: a box, and a cuboid where there is one. ``used`` gets the names of their
    attributes."""
    phrases = phrases_by_object(record)
    for annotation in record["annotations"]:
        hidden = {"occluded": str(int(annotation["occluded"] > 0)), "source": "manual"}
        box = ElementTree.Element("box", hidden | _pixels(BOX, annotation["bbox"]) | {"z_order": "0"})
        for name, value in attributes_of(annotation, phrases[annotation["id"]]).items():
            used[name] = None
            ElementTree.SubElement(box, "attribute", {"name": xml_text(name)}).text = xml_text(value)
        corners = _cuboid(record, annotation)
        if corners is None:
            yield annotation, [box]
            continue
        flat = [x for corner in corners for x in corner]
        seen = hidden | _pixels(CUBOID, flat) | {"z_order": "0"}
        yield annotation, [box, ElementTree.Element("cuboid", seen)]


def _cuboid(record: Record, annotation: Mapping[str, Any]) -> list[list[float]] | None:
    """Pixels (8, 2) of the corners in CVAT's order; None where there are none or some are behind."""
    if not annotation["has_3d"]:
        return annotation.get("cuboid")
    box = record_boxes(record, [annotation])
    rotation, center, (h, w, length) = box.rotation[0].numpy(), box.center[0].numpy(), box.size[0].tolist()
    half, ahead = np.array((length / 2, w / 2)), rotation[:, [0, 2]].T @ center
    normals = _FACES[:, :2].mean(1)
    # The face nearest to one that is looked at straight: how far the camera is in front of each.
    signs = _FACES[int(np.argmax(-normals @ ahead - abs(normals) @ half))]
    P = np.array(record["camera"], dtype=np.float64)
    pixels = []
    for x, z in signs:
        for y in (-1, 1):  # top, bottom: y points down
            corner = rotation @ np.array((x * length / 2, y * h / 2, z * w / 2)) + center
            u, v, s = P @ np.append(corner, 1.0)
            if s <= 0 or corner[2] <= 0:
                return None
            pixels.append([float(u / s), float(v / s)])
    if pixels[0][0] > pixels[2][0]:  # the edge on the left first
        pixels = [pixels[i] for i in (2, 3, 0, 1, 6, 7, 4, 5)]
    return pixels


def _pixels(keys: Sequence[str], values: Sequence[float]) -> dict[str, str]:
    return {key: f"{value:.12g}" for key, value in zip(keys, values, strict=True)}


def xml_text(value: str) -> str:
    """A text without the letters that XML cannot hold, which become question marks."""
    return _IMPOSSIBLE.sub("?", value)


def _write(
    path: str | Path,
    content: Sequence[ElementTree.Element],
    names: Sequence[str],
    size: int,
    mode: str,
    name: str,
    used: Iterable[str],
) -> None:
    """The file, with the labels of the task, each with all attributes, as its description."""
    root = ElementTree.Element("annotations")
    ElementTree.SubElement(root, "version").text = VERSION
    task = ElementTree.SubElement(ElementTree.SubElement(root, "meta"), "task")
    for key, value in (("name", name), ("size", str(size)), ("mode", mode)):
        ElementTree.SubElement(task, key).text = xml_text(value)
    labels = ElementTree.SubElement(task, "labels")
    for label in names:
        one = ElementTree.SubElement(labels, "label")
        ElementTree.SubElement(one, "name").text = xml_text(label)
        attributes = ElementTree.SubElement(one, "attributes")
        for attribute in used:
            entry = ElementTree.SubElement(attributes, "attribute")
            kind = {"name": xml_text(attribute), "mutable": "True", "input_type": "text", "default_value": ""}
            for key, value in kind.items():
                ElementTree.SubElement(entry, key).text = value
    root.extend(content)
    ElementTree.indent(root)
    write_bytes(path, ElementTree.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n")
