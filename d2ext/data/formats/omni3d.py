"""Omni3D's annotation files: 2D and 3D boxes of any rotation, and the intrinsics of every image.

G. Brazil et al., "Omni3D: A Large Benchmark and Model for 3D Object Detection in the Wild", CVPR 2023; the
fields as its DATA.md has them. The camera frame is this collection's. A box has its ``center_cam``, its
``dimensions`` (width, height, length) and ``R_cam``, object to camera, of an object frame with x along the
length, y down and z across, which is that of :class:`~d2ext.structures.Boxes3D`; ``bbox3D_cam`` are its
corners: four of the face towards -z, round it from (-x, -y), and the four behind them.

A record keeps more than the detectors of this collection use: ``rotation`` of boxes that lean against the
others of their image, and under ``omni3d`` the fields of an annotation that nothing else here has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from d2ext.data.formats.coco import Loaded, annotation_id
from d2ext.data.formats.listing import (
    MAX_PIXEL,
    Classes,
    ImageFolder,
    Listing,
    corner_box,
    flat_annotation,
    read_camera,
    read_matrix,
    read_numbers,
    read_size,
)
from d2ext.data.formats.rows import BrokenRows, require_records
from d2ext.data.formats.upright import are_level, label_fields, plane_below, with_y_down
from d2ext.reading import clear_errors, found_value, require
from d2ext.structures import Boxes3D, Camera, check_ground
from d2ext.structures.vocabulary import Vocabulary

#: Names of what marks a region without usable objects.
IGNORED = frozenset({"dontcare", "ignore", "void"})
#: Signs of (x, y, z) in the object frame of the corners of ``bbox3D_cam``, in their order.
CORNERS = np.array(
    [(x, y, z) for z in (-1, 1) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))], dtype=np.float64
)
#: Numbers of an annotation that are kept as they are; -1 says that there is none.
KEPT = ("visibility", "segmentation_pts", "lidar_pts", "depth_error")
#: Objects of which a larger share is outside of the image are not counted.
IGNORED_TRUNCATION = 0.99
_MAX_SKEW = 1e-2  # what lengths, angles and handedness of a rotation's rows may be off together
_BOXES_2D = ("bbox2D_trunc", "bbox2D_proj", "bbox2D_tight")


@clear_errors
def load_omni3d(
    json_file: str | Path,
    image_root: str | Path,
    skip_broken: bool = False,
    vocabulary: Vocabulary | None = None,
) -> Loaded:
    """Records of the images of an Omni3D file, and their classes.

    A 2D box is ``bbox2D_trunc``, else ``bbox2D_proj`` cut to the image, else ``bbox2D_tight``. An object has
    a 3D box where ``valid3D`` says so, no corner is behind the camera and its sizes are positive. What
    Omni3D's own training and evaluation leave out for lack of evidence (no LiDAR point, no pixel, a depth
    that is off by more than 0.5 m, less than 1 % visible or more than 99 % truncated) is one of the
    ``ignored_boxes``, and so is what is called one of ``IGNORED``. Where all boxes of an image are level so
    is its record; else their common down axis gives its ground plane, at the median of their lower faces. An
    entry's ``ground_plane``, which this collection writes, goes before that.

    Args:
        json_file: info, images, annotations and categories.
        image_root: folder to which ``file_path`` is relative.
        skip_broken: skip and count broken entries instead of raising.
        vocabulary: classes to keep; objects of other names are left out. None: all categories of the file.

    Raises:
        FileNotFoundError, ValueError: one line that names the file, the entry and the field.
    """
    broken = BrokenRows(skip_broken)
    listing = Listing(json_file, broken)
    regions = {number for number, name in listing.categories.items() if name.lower() in IGNORED}
    classes = Classes.of(listing, vocabulary, regions)
    folder = ImageFolder(image_root)
    records = []
    for where, number, entry, objects in listing.images():
        with broken:
            path = folder.find(require(entry, "file_path", str, where), where)
            size = height, width = read_size(entry, path, where)
            record = {
                "file_name": str(path),
                "image_id": number,
                "height": height,
                "width": width,
                "camera": read_camera(entry, size, where),
                "ground_plane": _plane(entry, where),
                "annotations": [],
                "ignored_boxes": [],
                "sentences": [],
            }
            _add_objects(record, objects, listing, classes, broken)
            records.append(record)
    broken.report(str(json_file), "entries")
    return require_records(records, str(json_file)), classes.vocabulary


def _plane(entry: dict[str, Any], where: str) -> list[float] | None:
    if entry.get("ground_plane") is None:
        return None
    plane = read_numbers(entry, "ground_plane", 4, where, 1e3)
    try:
        if abs(np.linalg.norm(plane[:3]) - 1) > 1e-3 or plane[1] >= 0:
            raise ValueError("expected a unit normal that points up")
        check_ground(plane)
    except ValueError as error:
        raise ValueError(f"{where}: field 'ground_plane': {error}") from None
    return plane


def _add_objects(
    record: dict[str, Any],
    annotations: list[tuple[str, dict[str, Any]]],
    listing: Listing,
    classes: Classes,
    broken: BrokenRows,
) -> None:
    found, solid = [], []
    for index, (where, entry) in enumerate(annotations):
        with broken:
            box = _box2d(entry, record, where)
            category = classes.numbers.get(entry["category_id"])
            name = listing.categories[entry["category_id"]]
            cuboid = _cuboid(entry, where)
            if box is None:
                continue
            counts = _counts(entry, where)
            if name.lower() in IGNORED or category is not None and _without_evidence(counts):
                record["ignored_boxes"].append(box)
            elif category is not None:
                annotation = flat_annotation(annotation_id(entry, index), box, category, name)
                found.append(annotation | _more(entry, counts, where))
                if cuboid is not None:
                    solid.append((found[-1], cuboid))
    record["annotations"] = found
    boxes = with_y_down(boxes_of([cuboid for _, cuboid in solid]))
    if are_level(boxes) and record["ground_plane"] is None:
        plane = None
        record["level_boxes"] = True
    else:
        plane = record["ground_plane"] = record["ground_plane"] or plane_below(boxes)
        record["level_boxes"] = plane is None
    for (annotation, _), fields in zip(solid, label_fields(boxes, plane), strict=True):
        annotation |= fields | {"has_3d": True}


def boxes_of(cuboids: Sequence[Mapping[str, Any]]) -> Boxes3D:
    """Boxes (float64) of annotations with ``center_cam``, ``dimensions`` (width, height, length) and
    ``R_cam``."""
    rows = [[*c["center_cam"], *c["dimensions"], *np.ravel(c["R_cam"])] for c in cuboids]
    table = torch.tensor(rows, dtype=torch.float64).reshape(-1, 15)
    return Boxes3D(table[:, :3], table[:, [4, 3, 5]], table[:, 6:].reshape(-1, 3, 3))


def cuboids_of(boxes: Boxes3D, camera: Camera) -> list[dict[str, Any]]:
    """The fields of an annotation that say where each box is: the inverse of :func:`boxes_of`, with corners
    and projections by a camera without a fourth column."""
    hwl = boxes.size.double().numpy()
    rotation, center = boxes.rotation.double().numpy(), boxes.center.double().numpy()
    corners = np.einsum("nij,nkj->nki", rotation, CORNERS * hwl[:, None, [2, 0, 1]] / 2) + center[:, None]
    whole, _, _ = boxes.project(camera)
    cut, _, _ = boxes.project(camera, clipped=True)
    rows = []
    for i in range(len(boxes)):
        h, w, length = hwl[i].tolist()
        rows.append(
            {
                "valid3D": True,
                "behind_camera": bool((corners[i, :, 2] <= 0).any()),
                "center_cam": center[i].tolist(),
                "dimensions": [w, h, length],
                "R_cam": rotation[i].tolist(),
                "bbox3D_cam": corners[i].tolist(),
                "bbox2D_proj": whole[i].tolist(),
                "bbox2D_trunc": cut[i].tolist(),
            }
        )
    return rows


def _box2d(entry: dict[str, Any], record: dict[str, Any], where: str) -> list[float] | None:
    """None: there is none, or none in the image."""
    for key in _BOXES_2D:
        values = entry.get(key)
        if values is None or values == [-1] * 4:
            continue
        box = corner_box(read_numbers(entry, key, 4, where, 1e30), where, key)
        right, lower = record["width"] - 1.0, record["height"] - 1.0
        cut = [max(box[0], 0.0), max(box[1], 0.0), min(box[2], right), min(box[3], lower)]
        box = cut if key == "bbox2D_proj" else box
        if max(map(abs, box)) > MAX_PIXEL:
            raise ValueError(f"{where}: field {key!r}: expected pixels of at most {MAX_PIXEL:g}")
        return box if box[0] <= box[2] and box[1] <= box[3] else None
    return None


def _cuboid(entry: dict[str, Any], where: str) -> dict[str, Any] | None:
    """The checked 3D box of an annotation; None where it has none that can be used."""
    if not _flag(entry, "valid3D", where) or _flag(entry, "behind_camera", where):
        return None
    sizes = read_numbers(entry, "dimensions", 3, where, 1e4)
    if min(sizes) <= 0:
        return None
    matrix = read_matrix(entry, "R_cam", where, 2.0)
    if not _is_rotation(matrix):
        raise ValueError(f"{where}: field 'R_cam': expected a rotation matrix")
    return {
        "center_cam": read_numbers(entry, "center_cam", 3, where, 1e4),
        "dimensions": sizes,
        "R_cam": matrix,
    }


def _is_rotation(rows: list[list[float]]) -> bool:
    """In plain numbers, which for one matrix is ten times as fast as in arrays."""
    (a, b, c), (d, e, f), (g, h, i) = rows
    across = (b * f - c * e, c * d - a * f, a * e - b * d)  # of the first two, which the third is to be
    third = abs(across[0] - g) + abs(across[1] - h) + abs(across[2] - i)
    lengths = abs(a * a + b * b + c * c - 1) + abs(d * d + e * e + f * f - 1)
    return third + lengths + abs(a * d + b * e + c * f) <= _MAX_SKEW


def _flag(entry: dict[str, Any], key: str, where: str) -> bool:
    value = entry.get(key, False)
    if value not in (True, False, 0, 1, -1) or not isinstance(value, int | float):
        raise ValueError(f"{where}: field {key!r}: expected true or false, got {found_value(value)}")
    return value > 0


def _counts(entry: dict[str, Any], where: str) -> dict[str, float]:
    """The numbers of ``KEPT`` and ``truncation``; -1 where there is none."""
    found = {}
    for key in (*KEPT, "truncation"):
        value = entry.get(key, -1.0)
        if type(value) not in (int, float) or not abs(value) < 1e9:
            raise ValueError(f"{where}: field {key!r}: expected a number, got {found_value(value)}")
        found[key] = float(value)
    return found


def _without_evidence(counts: Mapping[str, float]) -> bool:
    """Whether Omni3D's own filter takes an object out; see :func:`load_omni3d`."""
    visible, pixels, points, error, truncation = counts.values()
    hidden = truncation >= IGNORED_TRUNCATION or 0 <= visible <= 0.01
    return pixels == 0 or points == 0 or error > 0.5 or hidden


def _more(entry: dict[str, Any], counts: Mapping[str, float], where: str) -> dict[str, Any]:
    """What a record keeps of an annotation beside its boxes."""
    kept: dict[str, Any] = {key: counts[key] for key in KEPT if counts[key] != -1}
    tight = entry.get("bbox2D_tight")
    if tight is not None and tight != [-1] * 4:
        kept["bbox2D_tight"] = corner_box(
            read_numbers(entry, "bbox2D_tight", 4, where, MAX_PIXEL), where, "bbox2D_tight"
        )
    return {"truncated": max(counts["truncation"], 0.0)} | ({"omni3d": kept} if kept else {})
