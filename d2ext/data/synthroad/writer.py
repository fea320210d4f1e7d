"""SynthRoad's files: the layouts of Mono3DRefer, MonoMulti3D-ROPE and Rope3D."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from d2ext.data.looks import LOOKS_FILE
from d2ext.data.synthroad import predicates as P
from d2ext.data.synthroad.geometry import View
from d2ext.data.synthroad.labels import Label

SPLITS = ("train", "val", "test")
_JPEG_QUALITY = 92


@dataclass(frozen=True)
class Referral:
    """A description, the indices of the labels it means, and the kinds of properties it uses."""

    text: str
    targets: list[int]
    properties: list[str]


@dataclass(frozen=True)
class FrameRecord:
    """What the dataset-wide files need to know of one frame. rows: the fields of each label line."""

    stem: str
    labels: list[Label]
    rows: list[list[str]]
    referrals: list[Referral]


def make_folders(root: Path, mono: bool = True, multi: bool = True, splits: Iterable[str] = SPLITS) -> None:
    """Create the folders of Mono3DRefer (mono), and those of MonoMulti3D and Rope3D (multi)."""
    folders = [f"mono3drefer/{name}" for name in ("images", "calib", "planes", "label_2") if mono]
    if multi:
        names = ("images", "jsons", "labels", "calib", "denorm")
        folders += [f"monomulti3d/{split}/{name}" for split in splits for name in names]
        folders += [f"rope3d/training/{name}" for name in ("image_2", "label_2", "calib", "denorm")]
    for folder in folders:
        (root / folder).mkdir(parents=True, exist_ok=True)


def kitti_row(label: Label) -> list[str]:
    """15 fields as KITTI writes them: two decimals, capitalised class."""
    numbers = (*label.box, *label.size, *label.location, label.yaw)
    return [label.category.capitalize(), f"{label.truncated:.2f}", str(label.occluded), f"{label.alpha:.2f}",
            *(f"{number:.2f}" for number in numbers)]  # fmt: skip


def rope_row(label: Label) -> list[str]:
    """15 fields as Rope3D writes them; truncated: 1 at the left or right, 2 at the top or bottom border."""
    code = 0 if label.truncated <= 0 else (2 if {"top", "bottom"} & set(label.border) else 1)
    numbers = (*label.box, *label.size, *label.location, label.yaw)
    return [
        label.category,
        str(code),
        str(label.occluded),
        repr(label.alpha),
        *(f"{number:.6f}" for number in numbers),
    ]


def _matrix_text(matrix: np.ndarray) -> str:
    return " ".join(f"{value:.12e}" for value in np.asarray(matrix).ravel())


def _calib_text(view: View) -> str:
    """All lines of a KITTI calib file; P2 is this camera, the other sensors are nominal."""
    zero = view.projection.copy()
    zero[:, 3] = 0.0
    right, third = zero.copy(), zero.copy()
    right[0, 3], third[:, 3] = -0.537 * zero[0, 0], (-0.471 * zero[0, 0], 2.199936, 0.002729905)
    velodyne = np.array([[0, -1, 0, -0.004], [0, 0, -1, -0.076], [1, 0, 0, -0.272]], dtype=float)
    imu = np.array([[1, 0, 0, -0.81], [0, 1, 0, 0.32], [0, 0, 1, -0.8]], dtype=float)
    lines = {"P0": zero, "P1": right, "P2": view.projection, "P3": third, "R0_rect": np.eye(3),
             "Tr_velo_to_cam": velodyne, "Tr_imu_to_velo": imu}  # fmt: skip
    return "".join(f"{name}: {_matrix_text(matrix)}\n" for name, matrix in lines.items())


def _write_image(path: Path, image: np.ndarray, options: Sequence[int]) -> None:
    if not cv2.imwrite(str(path), image, list(options)):
        raise OSError(f"{path}: the image could not be written")


def write_mono_frame(
    root: Path, stem: str, image: np.ndarray, view: View, rows: Sequence[Sequence[str]]
) -> None:
    """One Mono3DRefer frame: image, calibration, plane and all labels."""
    base = root / "mono3drefer"
    _write_image(base / "images" / f"{stem}.png", image, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    (base / "calib" / f"{stem}.txt").write_text(_calib_text(view))
    plane = " ".join(f"{value:.9e}" for value in view.plane)
    (base / "planes" / f"{stem}.txt").write_text(f"# Matrix\nWIDTH 4\nHEIGHT 1\n{plane}\n")
    (base / "label_2" / f"{stem}.txt").write_text("".join(" ".join(row) + "\n" for row in rows))


def write_multi_frame(root: Path, split: str, image: np.ndarray, view: View, record: FrameRecord) -> None:
    """One MonoMulti3D frame, and for train and val the same frame as Rope3D."""
    base, stem = root / "monomulti3d" / split, record.stem
    image_path = base / "images" / f"{stem}.jpg"
    _write_image(image_path, image, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    calib = "P2: " + " ".join(f"{value:.9f}" for value in view.projection.ravel()) + "\n"
    denorm = " ".join(f"{value:.12f}" for value in view.plane) + "\n"
    (base / "calib" / f"{stem}.txt").write_text(calib)
    (base / "denorm" / f"{stem}.txt").write_text(denorm)
    lines = []
    for i, (label, row) in enumerate(zip(record.labels, record.rows, strict=True)):
        flags = [str(int(i in referral.targets)) for referral in record.referrals]
        lines.append(" ".join([*row, label.color, *flags]) + "\n")
    (base / "labels" / f"{stem}.txt").write_text("".join(lines))
    items = [_multi_item(record, referral) for referral in record.referrals]
    (base / "jsons" / f"{stem}.json").write_text(
        json.dumps(items, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    rope = root / "rope3d" / "training"
    _link(image_path, rope / "image_2" / f"{stem}.jpg")
    (rope / "calib" / f"{stem}.txt").write_text(calib)
    (rope / "denorm" / f"{stem}.txt").write_text(denorm)
    (rope / "label_2" / f"{stem}.txt").write_text("".join(" ".join(row) + "\n" for row in record.rows))


def _link(source: Path, target: Path) -> None:
    """A hard link, or a copy where the file system has none."""
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        target.write_bytes(source.read_bytes())


def _multi_item(record: FrameRecord, referral: Referral) -> dict:
    return {
        "image_file_name": f"{record.stem}.jpg",
        "public_description": referral.text,
        "public_properties": referral.properties,
        "label_3": [str([*record.rows[i], record.labels[i].color]) for i in referral.targets],
    }


def property_text(predicate: P.Predicate) -> str:
    """A predicate of a multi-target description as MonoMulti3D writes properties: "kind : value"."""
    match predicate:
        case P.IsCategory(category=value) | P.IsKind(word=value) | P.IsShape(shape=value):
            text = value
        case P.HasColor(color=value) | P.Extreme(order=value):
            text = value
        case P.Within(meters=meters, beyond=beyond):
            text = f"beyond {meters}" if beyond else str(meters)
        case P.HeightBetween(low=low, high=high):
            text = f"{low:.2f} to {high:.2f}"
        case P.InPlace(horizontal=horizontal, vertical=vertical):
            text = f"{vertical} {horizontal}".strip()
        case P.Occlusion(level=level):
            text = ("no occluded", "partly occluded", "largely occluded")[level]
        case P.Faces(direction=direction):
            text = {"me": "facing me", "away": "facing away"}.get(direction, f"facing {direction}")
        case _:
            raise ValueError(f"{type(predicate).__name__} is no property of multi-target descriptions")
    return f"{predicate.kind} : {text}"


def write_mono_index(root: Path, records: dict[str, list[FrameRecord]]) -> None:
    """Mono3DRefer.json, the three image lists and the subsets of the test objects."""
    base = root / "mono3drefer"
    items: list[dict] = []
    subsets: dict[str, list[int]] = {
        name: [] for name in ("Unique", "Multiple", "Near", "Medium", "Far", "Easy", "Moderate", "Hard")
    }
    instance = 0
    for split in SPLITS:
        for record in records[split]:
            counts = Counter(label.category for label in record.labels)
            by_target: dict[int, list[Referral]] = {}
            for referral in record.referrals:
                by_target.setdefault(referral.targets[0], []).append(referral)
            for target, referrals in by_target.items():
                instance += 1
                items += [
                    _mono_item(record, target, instance, len(items) + k + 1, r)
                    for k, r in enumerate(referrals)
                ]
                if split == "test":
                    for name in _subsets(record.labels[target], counts):
                        subsets[name].append(instance)
        stems = "".join(f"{record.stem}\n" for record in records[split])
        (base / f"Mono3DRefer_{split}_image.txt").write_text(stems)
    text = json.dumps(items, indent=1, ensure_ascii=False) + "\n"
    (base / "Mono3DRefer.json").write_text(text, encoding="utf-8")
    (base / "test_instanceID_split.json").write_text(json.dumps(subsets, indent=1) + "\n")


def _mono_item(record: FrameRecord, target: int, instance: int, annotation: int, referral: Referral) -> dict:
    return {
        "im_name": record.stem,
        "instanceID": instance,
        "ann_id": annotation,
        "objectName": record.labels[target].category,
        "description": referral.text,
        "label_2": str(record.rows[target]),
        "properties": referral.properties,
    }


def _subsets(label: Label, counts: Counter) -> list[str]:
    """Unique by category, range by z (15, 35 m), difficulty by occlusion and truncation (KITTI's limits)."""
    names = ["Unique"] if counts[label.category] == 1 else []
    depth = label.location[2]
    names.append("Near" if depth < 15 else ("Medium" if depth <= 35 else "Far"))
    if label.occluded == 0 and label.truncated <= 0.15:
        names.append("Easy")
    elif label.occluded <= 1 and label.truncated <= 0.30:
        names.append("Moderate")
    else:
        names.append("Hard")
    return names


def write_looks(folder: Path, records: dict[str, list[FrameRecord]]) -> None:
    """looks.jsonl, what the layouts have no place for: colour and shape of the object of every label row,
    which its 2D box names."""
    lines = []
    for split in SPLITS:
        for record in records[split]:
            objects = [
                {"bbox": [float(x) for x in row[4:8]], "color": label.color, "shape": label.shape}
                for label, row in zip(record.labels, record.rows, strict=True)
            ]
            lines.append(json.dumps({"image": record.stem, "objects": objects}) + "\n")
    (folder / LOOKS_FILE).write_text("".join(lines), encoding="utf-8")


def write_rope_index(root: Path, records: dict[str, list[FrameRecord]]) -> None:
    """rope3d/training/{train,val,test}.txt; Rope3D has no labelled test images, SynthRoad has."""
    for split in SPLITS:
        stems = "".join(f"{record.stem}\n" for record in records[split])
        (root / "rope3d" / "training" / f"{split}.txt").write_text(stems)
