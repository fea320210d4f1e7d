"""CVAT's XML, version 1.1, "for images" and "for video": 2D boxes, cuboids, tracks and attributes.

As CVAT's documentation has it (XML annotation format): ``annotations`` holds ``meta`` with the labels, and

* for images: an ``image`` (``id``, ``name``, ``width``, ``height``) each, with its shapes;
* for video: a ``track`` (``id``, ``label``) for each object, with a shape for each of its ``frame``; one that
  is ``outside`` ends it there. Frame n is the n-th picture of the folder by name, from 0, as CVAT counts.

A shape is a ``box`` (``xtl``, ``ytl``, ``xbr``, ``ybr``, and perhaps ``rotation``, degrees clockwise) or a
``cuboid``: a box in space as its eight corners are seen, in pixels, which says nothing of metres. Shapes of
one ``group_id`` belong together: a box and a cuboid of one label are one object. Others (polygons, points,
masks, skeletons) and tags are not read.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from d2ext.data.formats.coco import Loaded
from d2ext.data.formats.drawn import drawn_annotation, settle_classes, turned_hull
from d2ext.data.formats.frames import images_by_name
from d2ext.data.formats.kitti import parse_floats
from d2ext.data.formats.listing import MAX_PIXEL, MAX_SIDE, AssumedCamera, ImageFolder, corner_box
from d2ext.data.formats.rows import BrokenRows, require_records
from d2ext.data.image_io import read_image_size
from d2ext.reading import clear_errors, found_value
from d2ext.structures.vocabulary import Vocabulary
from d2ext.xml_reading import Element, read_xml

logger = logging.getLogger(__name__)

VERSION = "1.1"
#: Pictures a second of a video, which the file does not tell.
FRAME_RATE = 10.0
BOX = ("xtl", "ytl", "xbr", "ybr")
#: Corners of a cuboid, top and bottom of each upright edge: left and right of the face in front (1), and
#: those behind them (2).
EDGES = ("l1", "r1", "l2", "r2")
CUBOID = tuple(f"{axis}{end}{edge}" for edge in EDGES for end in "tb" for axis in "xy")


@dataclass
class _Shape:
    """A box or a cuboid in one picture."""

    label: str
    box: list[float]
    corners: list[list[float]] | None
    group: int
    track: str | None
    hidden: bool
    attributes: dict[str, str]
    where: str


@clear_errors
def load_cvat(
    xml_file: str | Path,
    image_root: str | Path,
    skip_broken: bool = False,
    vocabulary: Vocabulary | None = None,
    camera: AssumedCamera | None = None,
) -> Loaded:
    """Records of the images or of the frames of a CVAT file, and their classes.

    Objects have no 3D box, images the camera that is assumed. Boxes are as in the file, so half a pixel to
    the right of and below this collection's. An object with a cuboid has its corners, ``cuboid`` (8, 2); its
    2D box is the one of its group, else the hull of the corners. Attributes: :mod:`.drawn`. Records of a
    video have ``sequence`` (the task's name), ``frame``, ``time`` (at ``FRAME_RATE``), and a ``track_id`` in
    each annotation; all pictures of the folder are labelled.

    Args:
        xml_file: either form.
        image_root: folder to which names are relative; of a video the one of its pictures.
        skip_broken: skip and count broken shapes and images instead of raising.
        vocabulary: classes to keep; objects of other names are left out. None: the labels of the file.
        camera: of all images.

    Raises:
        FileNotFoundError, ValueError: one line that names the file, the line and the field.
    """
    root = read_xml(xml_file, "annotations")
    for version in root.all("version"):
        if version.text != VERSION:
            found = found_value(version.text)
            raise ValueError(f"{version.where}: field 'version': expected {VERSION}, got {found}")
    broken, camera = BrokenRows(skip_broken), camera or AssumedCamera()
    labels = _labels(root)
    folder = ImageFolder(image_root)
    read = _video if any(root.all("track")) else _images
    records = []
    for path, size, shapes, more in read(root, folder, labels, broken):
        record = {
            "file_name": str(path),
            "height": size[0],
            "width": size[1],
            "camera": camera.of(size, path),
            "assumed_camera": True,
            "ground_plane": None,
            "annotations": _objects(shapes, broken),
            "sentences": [],
        }
        records.append(record | more)
    left_out = sum(shape.name in _OTHERS for part in root.all("image", "track") for shape in part.children)
    if left_out:
        logger.info("%s: %d shapes are neither boxes nor cuboids", xml_file, left_out)
    broken.report(str(xml_file), "shapes or images")
    require_records(records, str(xml_file))
    return records, settle_classes(records, labels, vocabulary, str(xml_file))


_OTHERS = frozenset({"polygon", "polyline", "points", "mask", "ellipse", "skeleton", "tag"})
_Read = Iterator[tuple[Path, tuple[int, int], list[_Shape], dict[str, Any]]]


def _meta(root: Element, *names: str) -> list[Element]:
    """Elements of the description, which is a task's, a job's or a project's."""
    holders = [holder for meta in root.all("meta") for holder in meta.all("task", "job", "project")]
    return [found for holder in holders for found in holder.below(*names)]


def _labels(root: Element) -> list[str]:
    found: dict[str, None] = {}
    for name in _meta(root, "labels", "label", "name"):
        if not 0 < len(name.text) <= 200:
            raise ValueError(f"{name.where}: field 'name': expected a label of 1 to 200 characters")
        found[name.text] = None
    return list(found)


def _images(root: Element, folder: ImageFolder, labels: list[str], broken: BrokenRows) -> _Read:
    seen: set[int] = set()
    for image in root.all("image"):
        with broken:
            path = folder.find(image.require("name"), f"{image.where}: field 'name'")
            if "width" in image.attributes or "height" in image.attributes:
                size = (image.whole("height"), image.whole("width"))
                if not 0 < min(size) <= max(size) <= MAX_SIDE:
                    raise ValueError(f"{image.where}: expected a height and width of 1 to {MAX_SIDE} pixels")
            else:
                size = read_image_size(path)
            number = image.whole("id")
            if number in seen:
                raise ValueError(f"{image.where}: field 'id': image {number} is there twice")
            seen.add(number)
            shapes = []
            for element in image.all("box", "cuboid"):
                with broken:
                    shapes.append(_shape(element, element.require("label"), labels, element, None))
            yield path, size, shapes, {"image_id": number}


def _video(root: Element, folder: ImageFolder, labels: list[str], broken: BrokenRows) -> _Read:
    pictures = list(images_by_name(folder.root).values())
    shapes: list[list[_Shape]] = [[] for _ in pictures]
    seen: set[tuple[int, int]] = set()
    for track in root.all("track"):
        with broken:
            number, label = track.whole("id"), track.require("label")
            for element in track.all("box", "cuboid"):
                with broken:
                    frame = element.whole("frame")
                    if frame >= len(pictures):
                        raise ValueError(
                            f"{element.where}: field 'frame': expected less than {len(pictures)}, the "
                            f"pictures of {folder.root}, got {frame}"
                        )
                    if (frame, number) in seen:
                        raise ValueError(f"{element.where}: field 'frame': {frame} twice in track {number}")
                    seen.add((frame, number))
                    if not element.whole("outside", 0):
                        shapes[frame].append(_shape(element, label, labels, track, str(number)))
    names = [name.text for name in _meta(root, "name") if name.text]
    sequence = names[0] if names else folder.root.name
    for frame, (path, there) in enumerate(zip(pictures, shapes, strict=True)):
        with broken:
            more = {"sequence": sequence, "frame": frame, "time": frame / FRAME_RATE}
            yield path, read_image_size(path), there, {"image_id": f"{sequence}/{path.stem}", **more}


def _shape(element: Element, label: str, labels: list[str], grouped: Element, track: str | None) -> _Shape:
    where = element.where
    if labels and label not in labels:
        found = found_value(label)
        raise ValueError(f"{where}: field 'label': expected one of the file's labels, got {found}")
    corners = None
    if element.name == "cuboid":
        flat = _pixels(element, CUBOID)
        corners = [flat[i : i + 2] for i in range(0, 16, 2)]
        box = [min(flat[::2]), min(flat[1::2]), max(flat[::2]), max(flat[1::2])]
    else:
        box = corner_box(_pixels(element, BOX), where, "xbr")
        (turn,) = parse_floats([element.attributes.get("rotation", "0")], ("rotation",), where)
        box = turned_hull(box, turn)
    attributes = {a.require("name"): a.text for a in element.all("attribute")}
    hidden = bool(element.whole("occluded", 0))
    group = grouped.whole("group_id", 0)
    return _Shape(label, box, corners, group, track, hidden, attributes, where)


def _pixels(element: Element, keys: tuple[str, ...]) -> list[float]:
    values = parse_floats([element.require(key) for key in keys], keys, element.where)
    for key, value in zip(keys, values, strict=True):
        if abs(value) > MAX_PIXEL:
            raise ValueError(f"{element.where}: field {key!r}: expected pixels of at most {MAX_PIXEL:g}")
    return values


def _objects(shapes: list[_Shape], broken: BrokenRows) -> list[dict[str, Any]]:
    """The annotations of a picture, a box and a cuboid of one group as one."""
    together: dict[int, list[_Shape]] = {}
    for shape in shapes:
        together.setdefault(shape.group, []).append(shape)
    taken = set()
    for group, (first, *rest) in together.items():
        pair = group and len(rest) == 1 and first.label == rest[0].label
        if pair and (first.corners is None) != (rest[0].corners is None):
            box, cuboid = (first, rest[0]) if first.corners is None else (rest[0], first)
            box.corners = cuboid.corners
            taken.add(id(cuboid))
    annotations: list[dict[str, Any]] = []
    for shape in shapes:
        if id(shape) in taken:
            continue
        with broken:
            number = len(annotations)
            found = drawn_annotation(
                number, shape.box, shape.label, shape.attributes, shape.hidden, shape.where
            )
            found |= {"cuboid": shape.corners} if shape.corners is not None else {}
            annotations.append(found | ({"track_id": shape.track} if shape.track is not None else {}))
    return annotations
