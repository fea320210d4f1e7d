"""A dataset as it is read: how much of what there is, and what is broken."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from d2ext.data.builtin import LOADERS
from d2ext.data.conversion import READ, read_objects
from d2ext.data.formats.rows import BrokenRows, hear_broken
from d2ext.data.image_io import read_image
from d2ext.data.trajectories import read_road, read_tracks
from d2ext.reading import one_line
from d2ext.structures.vocabulary import ROAD, Vocabulary

from .layouts import Found

Record = dict[str, Any]
_ANOMALY = ("trajectories", "mvtec_ad", "visa")


@dataclass
class Checked:
    """A split of a dataset.

    Attributes:
        name: layout and split.
        counts: of images, objects, sentences, ... by what they are.
        classes: objects by class.
        broken: a line for each thing that cannot be read, with its file, line or field.
        records: what can be read.
        class_names: of the records' objects.
    """

    name: str
    counts: dict[str, int] = field(default_factory=dict)
    classes: dict[str, int] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    class_names: Sequence[str] = ()

    def lines(self, most: int = 20) -> list[str]:
        """For a person; of what is broken the first ``most``."""
        counted = ", ".join(f"{count} {what}" for what, count in self.counts.items())
        found = [f"{self.name}: {counted or 'nothing that can be read'}"]
        if self.classes:
            found.append("  " + ", ".join(f"{name} {count}" for name, count in self.classes.items()))
        if self.broken:
            found.append(f"  broken: {len(self.broken)}")
            found += [f"    {line}" for line in self.broken[:most]]
            found += [f"    and {len(self.broken) - most} more"] if len(self.broken) > most else []
        return found


def check_dataset_folder(found: Found, classes: Sequence[str] = (), decode: bool = False) -> list[Checked]:
    """Read every split of a dataset; nothing in it is raised, all of it is told.

    Args:
        classes: of its labels; empty: the road classes.
        decode: decode every image too, in place of looking at its header and its end.
    """
    vocabulary = Vocabulary.of_names(classes) if classes else ROAD
    options = {} if found.layout in _ANOMALY else {"vocabulary": vocabulary}
    names = () if found.layout in _ANOMALY else vocabulary.names

    def read(split: str) -> Callable[[], list[Record]]:
        return lambda: LOADERS[found.layout](found.root, split, skip_broken=True, **options)

    checked = [_check(f"{found.layout} {s} ({found.root})", read(s), names, decode) for s in found.splits]
    if not checked:
        checked = [Checked(f"{found.layout} ({found.root})", broken=["no list of images of any split"])]
    return checked


def check_dataset_file(
    path: Path, layout: str, images: Path | None = None, classes: Sequence[str] = (), decode: bool = False
) -> Checked:
    """The same for a file in COCO's, LVIS's, Omni3D's or ODVG's form.

    Raises:
        ValueError: another layout.
    """
    if layout not in READ:
        raise ValueError(f"--layout: expected one of {', '.join(READ)} for a file, got {layout or 'none'}")
    names: list[str] = []

    def read() -> list[Record]:
        wanted = Vocabulary.of_names(classes) if classes else None
        records, vocabulary = read_objects(layout, path, images, skip_broken=True, vocabulary=wanted)
        names.extend(vocabulary.names)
        return records

    return _check(f"{layout} ({path})", read, names, decode)


def _check(name: str, read: Callable[[], list[Record]], names: Sequence[str], decode: bool) -> Checked:
    result = Checked(name, class_names=names)
    logging.disable(logging.WARNING)  # the loader's own summary of what it skipped
    try:
        with hear_broken() as result.broken, BrokenRows(True):
            result.records = read()
            for record in result.records:
                _read_whole(record, decode)
    finally:
        logging.disable(logging.NOTSET)
    _count(result)
    return result


def _read_whole(record: Record, decode: bool) -> None:
    """Read what the loaders leave for later; what fails is heard."""
    with BrokenRows(True):
        if "road_file" in record:
            road = read_road(record["road_file"]) if record["road_file"] else None
            read_tracks(record["file_name"], road=road)
        elif decode:
            read_image(record["file_name"])


def _count(result: Checked) -> None:
    records = result.records
    if not records:
        return
    if "label" in records[0]:
        kinds = Counter(record["kind"] for record in records)
        what = "recordings" if "road_file" in records[0] else "images"
        result.counts = {what: len(records), "abnormal": sum(record["label"] for record in records)}
        result.classes = dict(kinds.most_common())
        return
    objects = [a for record in records for a in record["annotations"]]
    result.counts = {
        "images": len(records),
        "objects": len(objects),
        "with 3D boxes": sum(a["has_3d"] for a in objects),
        "sentences": sum(len(record["sentences"]) for record in records),
        "images without objects": sum(not record["annotations"] for record in records),
        "images with an assumed camera": sum(bool(record.get("assumed_camera")) for record in records),
    }
    result.counts = {what: n for i, (what, n) in enumerate(result.counts.items()) if n or i < 2}
    told = Counter(one_line(str(result.class_names[a["category_id"]]), 40) for a in objects)
    result.classes = dict(told.most_common())
