"""Where a written dataset has its images: named from a root that stays, or put into a folder of its own."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from d2ext.files import write_bytes

Record = dict[str, Any]


def names_below(records: Sequence[Record], image_root: str | Path) -> list[str]:
    """The image files' paths relative to a folder, with "/".

    Raises:
        ValueError: an image that is not below it.
    """
    root = Path(image_root).absolute()
    names = []
    for record in records:
        try:
            names.append(Path(record["file_name"]).absolute().relative_to(root).as_posix())
        except ValueError:
            raise ValueError(f"{record['file_name']}: expected an image below {root}") from None
    return names


def own_names(records: Sequence[Record]) -> list[str]:
    """A name without suffix for every image: that of its file, with those of its folders where two have one.

    Raises:
        ValueError: an image twice.
    """
    paths = [Path(record["file_name"]).absolute().with_suffix("") for record in records]
    parts = 1
    while len(set(names := ["_".join(p.parts[-parts:]) for p in paths])) < len(paths):
        parts += 1
        if parts > max(len(p.parts) for p in paths):
            name, _ = Counter(map(str, paths)).most_common(1)[0]
            raise ValueError(f"{name}: two images of one name, or one twice: each needs a file of its own")
    return ["_".join(name.split()) for name in names]


def place_images(records: Sequence[Record], folder: Path, names: Iterable[str], link: bool) -> list[str]:
    """Copy or link image files into a folder under new names; the names with their suffixes.

    Raises:
        OSError: a file cannot be copied or linked.
    """
    folder.mkdir(parents=True, exist_ok=True)
    placed = []
    for record, name in zip(records, names, strict=True):
        source = Path(record["file_name"])
        target = folder / f"{name}{source.suffix}"
        if not (target.exists() and target.samefile(source)):
            target.unlink(missing_ok=True)
            if link:
                target.symlink_to(source.absolute())
            else:
                shutil.copyfile(source, target)
        placed.append(target.name)
    return placed


def write_compact_json(path: str | Path, content: Any) -> None:
    """JSON without needless blanks.

    Raises:
        ValueError: the content holds nan or inf.
    """
    text = json.dumps(content, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    write_bytes(path, text.encode() + b"\n")


def unique_ids(records: Sequence[Record]) -> list[Any]:
    """The image ids of the records where these are whole numbers and differ; else 1, 2, ..."""
    ids = [record["image_id"] for record in records]
    if all(isinstance(i, int) for i in ids) and len(set(ids)) == len(ids):
        return ids
    return list(range(1, len(records) + 1))


def annotation_ids(records: Sequence[Record]) -> list[list[int]]:
    """The ids of the annotations of each record where they differ over the whole dataset; else 1, 2, ..."""
    ids = [[a["id"] for a in record["annotations"]] for record in records]
    flat = [i for of_record in ids for i in of_record]
    if len(set(flat)) == len(flat):
        return ids
    numbers = iter(range(1, len(flat) + 1))
    return [[next(numbers) for _ in of_record] for of_record in ids]
