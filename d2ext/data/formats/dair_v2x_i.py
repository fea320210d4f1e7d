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

import logging
import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from d2ext.data.formats.rows import BrokenRows, require_records
from d2ext.data.image_io import read_image_size
from d2ext.reading import clear_errors, path_below, read_json, require, whole_text
from d2ext.structures import check_ground, check_projection, check_view, ground_rotation
from d2ext.structures.vocabulary import ROAD, Vocabulary

from .kitti import parse_floats, parse_label, parse_region

logger = logging.getLogger(__name__)

#: How far an entry of a published matrix may be from the nearest rotation.
MAX_SKEW, USUAL_SKEW = 0.4, 0.01
SPLIT_FILE = "single-infrastructure-split-data.json"


@clear_errors
def load_dair_v2x_i(
    root: str | Path, split: str, skip_broken: bool = False, vocabulary: Vocabulary = ROAD
) -> list[dict[str, Any]]:
    """Records of one split, in the camera's frame and in KITTI's terms.

    The ground plane is across the virtual LiDAR's z axis, at the median height of the lower faces of the
    split's boxes at the same intersection (over all of them where ``intersection_loc`` is missing). A
    record's ``ignored_boxes`` are the 2D boxes of the types that end in "ignore".

    Args:
        root: the dataset's folder (``single-infrastructure-side`` of the release).
        split: "train" or "val".
        skip_broken: skip and count broken rows and images instead of raising.
        vocabulary: classes of the labels.

    Raises:
        FileNotFoundError, ValueError: one line that names the file and the field.
    """
    root = Path(root)
    broken = BrokenRows(skip_broken)
    split_file, info_file = root / SPLIT_FILE, root / "data_info.json"
    infos = _infos(info_file, broken)
    records, places, poses = [], [], []
    bottoms: dict[str, list[float]] = defaultdict(list)
    for name in require(read_json(split_file), split, list, str(split_file)):
        with broken:
            if whole_text(name, f"{split_file}: field {split!r}") not in infos:
                raise ValueError(f"{split_file}: field {split!r}: id {name[:40]!r} is not in {info_file}")
            where, info = infos[name]
            pose = _read_pose(_path(root, info, "calib_virtuallidar_to_camera_path", where))
            record, heights = _record(root, info, where, pose, broken, vocabulary)
            place = str(info.get("intersection_loc", ""))[:40]
            bottoms[place] += heights
            records.append(record)
            poses.append(pose)
            places.append(place)
    _warn_of_skew(root, poses)
    everywhere = [z for heights in bottoms.values() for z in heights]
    if records and not everywhere:
        raise ValueError(
            f"{split_file}: field {split!r}: expected 3D boxes to find the ground with, got none"
        )
    ground = {place: statistics.median(heights or everywhere) for place, heights in bottoms.items()}
    usable = []
    for record, pose, place in zip(records, poses, places, strict=True):
        with broken:
            plane = pose.ground(ground[place])
            try:
                check_ground(plane)
            except ValueError as error:
                raise ValueError(f"{record['file_name']}: the boxes' lower faces: {error}") from None
            usable.append(record | {"ground_plane": plane})
    broken.report(f"dair_v2x_i {split}")
    return require_records(usable, str(split_file))


def _warn_of_skew(root: Path, poses: Sequence[_Pose]) -> None:
    skewed = sum(pose.skew > USUAL_SKEW for pose in poses)
    if skewed:
        logger.warning(
            "%s: the calibration of %d of %d images is no exact rotation: points go through the published "
            "matrix, headings through the nearest rotation", root, skewed, len(poses),
        )  # fmt: skip


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
    return path_below(root, require(info, key, str, where), f"{where}: field {key!r}")


@dataclass(frozen=True)
class _Pose:
    """From the virtual LiDAR to the camera.

    The released matrices are no exact rotations. What they map points to fits the images, so points and the
    ground go through them as they are; headings need the nearest rotation.
    """

    matrix: np.ndarray  # (3, 3), as published
    rotation: np.ndarray  # (3, 3), the nearest rotation
    translation: np.ndarray  # (3,) metres

    @property
    def skew(self) -> float:
        """Largest distance of an entry from the rotation."""
        return float(np.abs(self.matrix - self.rotation).max())

    def ground(self, height: float) -> list[float]:
        """The plane of the points at a height over the LiDAR, in metres: a unit normal that points up, and
        the camera's height."""
        across = np.cross(self.matrix[:, 0], self.matrix[:, 1])
        up = across / np.linalg.norm(across)
        return [*up.tolist(), -float(up @ (self.matrix[:, 2] * height + self.translation))]


def _read_pose(path: Path) -> _Pose:
    data = read_json(path)
    matrix = np.array(_numbers(data, "rotation", 9, path)).reshape(3, 3)
    where = f"{path}: field 'rotation'"
    if np.abs(matrix).max() > 1 + MAX_SKEW or np.linalg.det(matrix) <= 0:
        raise ValueError(f"{where}: expected a rotation matrix")
    u, _, v = np.linalg.svd(matrix)
    pose = _Pose(matrix, u @ v, np.array(_numbers(data, "translation", 3, path)))
    if pose.skew > MAX_SKEW:
        raise ValueError(f"{where}: expected a rotation matrix, got one that is {pose.skew:.2f} off")
    if pose.rotation[1, 2] >= 0:
        raise ValueError(f"{where}: expected the LiDAR's z axis to point up in the image")
    return pose


def _numbers(data: Any, key: str, count: int, path: Path) -> list[float]:
    """``count`` finite numbers of a field that is a list, of lists or of one number each or flat."""
    rows = require(data, key, list, str(path))
    values = [value for row in rows for value in (row if isinstance(row, list) else [row])]
    if len(values) != count:
        raise ValueError(f"{path}: field {key!r}: expected {count} numbers, got {len(values)}")
    return parse_floats([_number_text(v) for v in values], [f"{key}[{i}]" for i in range(count)], str(path))


def _number_text(value: Any) -> str:
    """A number, which may be given as text, for ``parse_floats``; anything else is none."""
    return str(value) if value is None or isinstance(value, int | float | str) else type(value).__name__


def _record(
    root: Path,
    info: dict[str, Any],
    where: str,
    pose: _Pose,
    broken: BrokenRows,
    vocabulary: Vocabulary,
) -> tuple[dict[str, Any], list[float]]:
    """The record of a frame without its ground plane, and the heights of the lower faces of its boxes."""
    image = _path(root, info, "image_path", where)
    height, width = read_image_size(image)
    intrinsics = _path(root, info, "calib_camera_intrinsic_path", where)
    K = np.array(_numbers(read_json(intrinsics), "cam_K", 9, intrinsics)).reshape(3, 3)
    P = np.concatenate((K, np.zeros((3, 1))), axis=1).tolist()
    try:
        check_projection(P)
        check_view(P, (height, width))
    except ValueError as error:
        raise ValueError(f"{intrinsics}: field 'cam_K': {error}") from None
    key = "label_camera_std_path" if "label_camera_std_path" in info else "label_camera_path"
    path = _path(root, info, key, where)
    labels = read_json(path)
    if not isinstance(labels, list):
        raise ValueError(f"{path}: expected a list of objects, got {type(labels).__name__}")
    annotations, regions, bottoms = [], [], []
    for index, item in enumerate(labels):
        with broken:
            fields, bottom = _kitti_fields(item, f"{path}: item {index}", pose)
            if fields[0].lower().endswith("ignore"):
                regions.append(parse_region(fields[4:8], f"{path}: item {index}"))
                continue
            annotation = parse_label(fields, f"{path}: item {index}", vocabulary)
            if annotation is not None:
                annotations.append({"id": index, **annotation})
                bottoms += [bottom] if annotation["has_3d"] else []
    record = {
        "file_name": str(image),
        "image_id": image.stem,
        "height": height,
        "width": width,
        "camera": P,
        "annotations": annotations,
        "ignored_boxes": regions,
        "sentences": [],
    }
    return record, bottoms


def _kitti_fields(item: Any, where: str, pose: _Pose) -> tuple[list[str], float]:
    """The 15 fields of a KITTI row for a label, and the height of the box's lower face over the LiDAR."""

    def group(key: str, names: Sequence[str]) -> list[float]:
        part = require(item, key, dict, where)
        return parse_floats([_number_text(part.get(n)) for n in names], [f"{key}.{n}" for n in names], where)

    kind = require(item, "type", str, where)
    states = ("truncated_state", "occluded_state")
    truncated, occluded = parse_floats([_number_text(item.get(name)) for name in states], states, where)
    box = group("2d_box", ("xmin", "ymin", "xmax", "ymax"))
    size = group("3d_dimensions", ("h", "w", "l"))
    centre = np.array(group("3d_location", ("x", "y", "z")))
    if not any(size):  # a 2D label only
        return [kind, *map(repr, (truncated, occluded, 0.0, *box, *[0.0] * 7))], 0.0
    (turn,) = parse_floats([_number_text(item.get("rotation"))], ("rotation",), where)
    bottom = centre - [0, 0, size[0] / 2]
    location = pose.matrix @ bottom + pose.translation
    # KITTI's yaw is about the downward axis of the ground, which is across the virtual LiDAR's z axis.
    upright = ground_rotation(torch.tensor(pose.ground(0.0))).numpy()
    heading = pose.rotation @ [np.cos(turn), np.sin(turn), 0] @ upright
    yaw = np.arctan2(-heading[2], heading[0])
    alpha = np.remainder(yaw - np.arctan2(location[0], location[2]) + np.pi, 2 * np.pi) - np.pi
    numbers = (truncated, occluded, alpha, *box, *size, *location, yaw)
    return [kind, *(repr(float(n)) for n in numbers)], float(bottom[2])
