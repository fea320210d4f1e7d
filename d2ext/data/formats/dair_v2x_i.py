"""DAIR-V2X-I: the infrastructure side of DAIR-V2X, roadside images with 3D boxes in a virtual LiDAR's frame.

H. Yu et al., "DAIR-V2X: A Large-Scale Dataset for Vehicle-Infrastructure Cooperative 3D Object Detection",
CVPR 2022. The virtual LiDAR (x forward, y left, z up, metres) stands upright: boxes turn about its z axis.

Files and fields that are read; paths in ``data_info.json`` are relative to the dataset's folder:

* ``single-infrastructure-split-data.json``: lists of ids ``train`` and ``val``;
* ``data_info.json``, a list: ``image_path`` (its stem is the id), ``label_camera_std_path`` or
  ``label_camera_path``, ``calib_camera_intrinsic_path``, ``calib_virtuallidar_to_camera_path`` and, where
  there is one, ``intersection_loc``;
* a label file, a list: ``type``, ``truncated_state``, ``occluded_state``, ``2d_box`` (``xmin``, ``ymin``,
  ``xmax``, ``ymax``), ``3d_dimensions`` (``h``, ``w``, ``l``), ``3d_location`` (``x``, ``y``, ``z`` of the
  centre of the box) and ``rotation`` about z in radians; numbers may be texts;
* intrinsics: ``cam_K``, 9 numbers; the images are taken as undistorted;
* virtual LiDAR to camera: ``rotation``, 3x3, and ``translation``, 3 numbers.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from d2ext.data.image_io import read_image_size
from d2ext.structures import ground_rotation

from .kitti import parse_floats, parse_label
from .records import BrokenRows, read_json, require, require_records

SPLIT_FILE = "single-infrastructure-split-data.json"


def load_dair_v2x_i(root: str | Path, split: str, skip_broken: bool = False) -> list[dict[str, Any]]:
    """Records of one split, in the camera's frame and in KITTI's terms.

    The ground plane is across the virtual LiDAR's z axis, at the median height of the lower faces of the
    split's boxes at the same intersection (over all of them where ``intersection_loc`` is missing). A
    record's ``ignored_boxes`` are the 2D boxes of the types that end in "ignore".

    Args:
        root: the dataset's folder (``single-infrastructure-side`` of the release).
        split: "train" or "val".
        skip_broken: skip and count broken rows and images instead of raising.

    Raises:
        FileNotFoundError, ValueError: one line that names the file and the field.
    """
    root = Path(root)
    broken = BrokenRows(skip_broken)
    split_file, info_file = root / SPLIT_FILE, root / "data_info.json"
    infos = _infos(info_file, broken)
    records, up_axes, places = [], [], []
    bottoms: dict[str, list[float]] = defaultdict(list)
    for name in require(read_json(split_file), split, list, str(split_file)):
        with broken:
            if name not in infos:
                raise ValueError(f"{split_file}: field {split!r}: id {name!r} is not in {info_file}")
            where, info = infos[name]
            rotation, translation = _extrinsics(_path(root, info, "calib_virtuallidar_to_camera_path", where))
            place = str(info.get("intersection_loc", ""))
            record, heights = _record(root, info, where, rotation, translation, broken)
            bottoms[place] += heights
            records.append(record)
            up_axes.append((rotation[:, 2], translation))
            places.append(place)
    broken.report(f"dair_v2x_i {split}")
    require_records(records, str(split_file))
    everywhere = [z for heights in bottoms.values() for z in heights]
    if not everywhere:
        raise ValueError(
            f"{split_file}: field {split!r}: expected 3D boxes to find the ground with, got none"
        )
    ground = {place: statistics.median(heights or everywhere) for place, heights in bottoms.items()}
    for record, (up, translation), place in zip(records, up_axes, places, strict=True):
        record["ground_plane"] = [*up.tolist(), -float(up @ (up * ground[place] + translation))]
    return records


def _infos(path: Path, broken: BrokenRows) -> dict[str, tuple[str, dict[str, Any]]]:
    """id -> (where, entry) of ``data_info.json``."""
    data = read_json(path)
    if not isinstance(data, list):
        raise ValueError(f"{path}: expected a list of frames, got {type(data).__name__}")
    infos = {}
    for index, info in enumerate(data):
        with broken:
            where = f"{path}: item {index}"
            infos[Path(require(info, "image_path", str, where)).stem] = (where, info)
    return infos


def _path(root: Path, info: dict[str, Any], key: str, where: str) -> Path:
    return root / require(info, key, str, where)


def _extrinsics(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Rotation (3, 3) and translation (3,) from the virtual LiDAR to the camera."""
    data = read_json(path)
    rotation = np.array(_numbers(data, "rotation", 9, path)).reshape(3, 3)
    if np.abs(rotation @ rotation.T - np.eye(3)).max() > 1e-2 or np.linalg.det(rotation) < 0:
        raise ValueError(f"{path}: field 'rotation': expected a rotation matrix")
    if rotation[1, 2] >= 0:
        raise ValueError(f"{path}: field 'rotation': expected the LiDAR's z axis to point up in the image")
    u, _, v = np.linalg.svd(rotation)  # published with few digits: the nearest rotation
    return u @ v, np.array(_numbers(data, "translation", 3, path))


def _numbers(data: Any, key: str, count: int, path: Path) -> list[float]:
    """``count`` finite numbers of a field that is a list, of lists or of one number each or flat."""
    values = np.array(require(data, key, list, str(path)), dtype=object).ravel().tolist()
    if len(values) != count:
        raise ValueError(f"{path}: field {key!r}: expected {count} numbers, got {len(values)}")
    return parse_floats([str(v) for v in values], [f"{key}[{i}]" for i in range(count)], str(path))


def _record(
    root: Path,
    info: dict[str, Any],
    where: str,
    rotation: np.ndarray,
    translation: np.ndarray,
    broken: BrokenRows,
) -> tuple[dict[str, Any], list[float]]:
    """The record of a frame without its ground plane, and the heights of the lower faces of its boxes."""
    image = _path(root, info, "image_path", where)
    height, width = read_image_size(image)
    intrinsics = _path(root, info, "calib_camera_intrinsic_path", where)
    K = np.array(_numbers(read_json(intrinsics), "cam_K", 9, intrinsics)).reshape(3, 3)
    if K[2].tolist() != [0, 0, 1] or K[0, 0] <= 0 or K[1, 1] <= 0:
        raise ValueError(f"{intrinsics}: field 'cam_K': expected positive focal lengths and a last row 0 0 1")
    key = "label_camera_std_path" if "label_camera_std_path" in info else "label_camera_path"
    path = _path(root, info, key, where)
    labels = read_json(path)
    if not isinstance(labels, list):
        raise ValueError(f"{path}: expected a list of objects, got {type(labels).__name__}")
    annotations, regions, bottoms = [], [], []
    for index, item in enumerate(labels):
        with broken:
            fields, bottom = _kitti_fields(item, f"{path}: item {index}", rotation, translation)
            if fields[0].lower().endswith("ignore"):
                regions.append([float(x) for x in fields[4:8]])
                continue
            annotation = parse_label(fields, f"{path}: item {index}")
            if annotation is not None:
                annotations.append({"id": index, **annotation})
                bottoms += [bottom] if annotation["has_3d"] else []
    record = {
        "file_name": str(image),
        "image_id": image.stem,
        "height": height,
        "width": width,
        "camera": np.concatenate((K, np.zeros((3, 1))), axis=1).tolist(),
        "annotations": annotations,
        "ignored_boxes": regions,
        "sentences": [],
    }
    return record, bottoms


def _kitti_fields(
    item: Any, where: str, rotation: np.ndarray, translation: np.ndarray
) -> tuple[list[str], float]:
    """The 15 fields of a KITTI row for a label, and the height of the box's lower face over the LiDAR."""

    def group(key: str, names: Sequence[str]) -> list[float]:
        part = require(item, key, dict, where)
        return parse_floats([str(part.get(n)) for n in names], [f"{key}.{n}" for n in names], where)

    kind = require(item, "type", str, where)
    states = ("truncated_state", "occluded_state")
    truncated, occluded = parse_floats([str(item.get(name)) for name in states], states, where)
    box = group("2d_box", ("xmin", "ymin", "xmax", "ymax"))
    size = group("3d_dimensions", ("h", "w", "l"))
    centre = np.array(group("3d_location", ("x", "y", "z")))
    if not any(size):  # a 2D label only
        return [kind, *map(repr, (truncated, occluded, 0.0, *box, *[0.0] * 7))], 0.0
    (turn,) = parse_floats([str(item.get("rotation"))], ("rotation",), where)
    bottom = centre - [0, 0, size[0] / 2]
    location = rotation @ bottom + translation
    # KITTI's yaw is about the downward axis of the ground, which is across the virtual LiDAR's z axis.
    upright = ground_rotation(torch.from_numpy(np.append(rotation[:, 2], 0.0))).numpy()
    heading = rotation @ [np.cos(turn), np.sin(turn), 0] @ upright
    yaw = np.arctan2(-heading[2], heading[0])
    alpha = np.remainder(yaw - np.arctan2(location[0], location[2]) + np.pi, 2 * np.pi) - np.pi
    numbers = (truncated, occluded, alpha, *box, *size, *location, yaw)
    return [kind, *(repr(float(n)) for n in numbers)], float(bottom[2])
