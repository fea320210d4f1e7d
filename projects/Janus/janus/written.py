"""Annotated sentences as datasets: Mono3DRefer's files where boxes are level, else MonoMulti3D's."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from d2ext.data.formats.mono3drefer import INSTANCE_SPLIT_FILE, JSON_FILE, split_file
from d2ext.files import write_bytes, write_json
from d2ext.projects.janus.verify import Candidate

_SUBSETS = ("Unique", "Multiple", "Near", "Medium", "Far", "Easy", "Moderate", "Hard")
Annotated = tuple[Mapping[str, Any], list[Candidate]]


def write_mono3drefer(root: Path, split: str, annotated: Sequence[Annotated], names: Sequence[str]) -> int:
    """Write single-target sentences below ``root/mono3drefer``; returns how many.

    Args:
        annotated: dataset dicts with their kept sentences; those of several targets are left out.
        names: of the classes.
    """
    base = root / "mono3drefer"
    items: list[dict[str, Any]] = []
    instances: dict[tuple[str, int], int] = {}
    stems = []
    for record, kept in annotated:
        single = [candidate for candidate in kept if len(candidate.targets) == 1]
        if not single:
            continue
        stem = Path(record["file_name"]).stem
        stems.append(stem)
        rows = {a["id"]: label_row(a, names) for a in record["annotations"]}
        category = {a["id"]: names[a["category_id"]] for a in record["annotations"]}
        _link(record, base / "images")
        _write(base / "calib" / f"{stem}.txt", calib_text(record))
        if record["ground_plane"] is not None:
            plane = " ".join(f"{value:.9e}" for value in record["ground_plane"])
            _write(base / "planes" / f"{stem}.txt", f"# Matrix\nWIDTH 4\nHEIGHT 1\n{plane}\n")
        _write(base / "label_2" / f"{stem}.txt", "".join(" ".join(row) + "\n" for row in rows.values()))
        for candidate in single:
            target = candidate.targets[0]
            instance = instances.setdefault((stem, target), len(instances) + 1)
            items.append(
                {
                    "im_name": stem,
                    "instanceID": instance,
                    "ann_id": len(items) + 1,
                    "objectName": category[target],
                    "description": candidate.text,
                    "label_2": str(rows[target]),
                }
            )
    _write(base / JSON_FILE, json.dumps(items, indent=1, ensure_ascii=False) + "\n")
    _write(base / split_file(split), "".join(f"{stem}\n" for stem in stems))
    if split == "test":
        write_json(base / INSTANCE_SPLIT_FILE, {name: [] for name in _SUBSETS})
    return len(items)


def write_monomulti3d(root: Path, split: str, annotated: Sequence[Annotated], names: Sequence[str]) -> int:
    """Write sentences of any number of targets below ``root/monomulti3d``; returns how many."""
    count = 0
    for record, kept in annotated:
        if not kept:
            continue
        base, stem = root / "monomulti3d" / split, Path(record["file_name"]).stem
        image = _link(record, base / "images")
        rows = {
            a["id"]: [*label_row(a, names), (a.get("color") or "unknown").replace(" ", "_")]
            for a in record["annotations"]
        }
        lines = [[*row, *(str(int(i in c.targets)) for c in kept)] for i, row in rows.items()]
        items = [
            {
                "image_file_name": image.name,
                "public_description": candidate.text,
                "public_properties": [],
                "label_3": [str(rows[i]) for i in candidate.targets],
            }
            for candidate in kept
        ]
        _write(base / "labels" / f"{stem}.txt", "".join(" ".join(line) + "\n" for line in lines))
        _write(base / "calib" / f"{stem}.txt", calib_text(record))
        _write(base / "denorm" / f"{stem}.txt", " ".join(f"{v:.12f}" for v in record["ground_plane"]) + "\n")
        _write(base / "jsons" / f"{stem}.json", json.dumps(items, indent=1, ensure_ascii=False) + "\n")
        count += len(items)
    return count


def label_row(annotation: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """The 15 fields of a KITTI label."""
    numbers = (
        *annotation["bbox"], *annotation["dimensions"], *annotation["location"], annotation["yaw"]
    )  # fmt: skip
    first = (names[annotation["category_id"]], f"{annotation['truncated']:g}", str(annotation["occluded"]))
    return [*first, f"{annotation['alpha']:.6f}", *(f"{number:.6f}" for number in numbers)]


def calib_text(record: Mapping[str, Any]) -> str:
    """The line of a KITTI calib file with the projection of a dataset dict's camera."""
    return "P2: " + " ".join(f"{value:.12e}" for row in record["camera"] for value in row) + "\n"


def _write(path: Path, text: str) -> None:
    write_bytes(path, text.encode())


def _link(record: Mapping[str, Any], folder: Path) -> Path:
    """A hard link to an image, or a copy where the file system has none."""
    source = Path(record["file_name"])
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / source.name
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        target.write_bytes(source.read_bytes())
    return target
