"""From one format of objects to another: what is read, what is written, and what gets lost on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from d2ext.structures.vocabulary import ROAD, Vocabulary

from .formats import (
    load_coco,
    load_cvat,
    load_dair_v2x_i,
    load_kitti,
    load_label_studio,
    load_lvis,
    load_mono3drefer,
    load_monomulti3d,
    load_odvg,
    load_omni3d,
    load_rope3d,
)
from .formats.writing import (
    write_coco,
    write_cvat,
    write_cvat_video,
    write_dair_v2x_i,
    write_kitti_folder,
    write_label_studio,
    write_lvis,
    write_odvg,
    write_omni3d,
    write_rerun,
    write_rope3d_folder,
)

Records = Sequence[Mapping[str, Any]]

#: Formats of one file, whose images lie in a folder that it names them from; None: not read.
_FILES: dict[str, tuple[Callable[..., Any] | None, Callable[..., None]]] = {
    "coco": (load_coco, write_coco),
    "lvis": (load_lvis, write_lvis),
    "omni3d": (load_omni3d, write_omni3d),
    "odvg": (load_odvg, write_odvg),
    "cvat": (load_cvat, write_cvat),
    "cvat_video": (load_cvat, write_cvat_video),
    "label_studio": (load_label_studio, write_label_studio),
    "rerun": (None, write_rerun),
}
#: Of those with the names of their classes in a file beside them, the end of its name when it is written.
_LABEL_MAPS = {"odvg": "_label_map.json", "label_studio": "_interface.xml"}
#: Formats of a folder, of which a split is read; None: not written.
_FOLDERS: dict[str, tuple[Callable[..., Any], Callable[..., None] | None]] = {
    "kitti": (load_kitti, write_kitti_folder),
    "rope3d": (load_rope3d, write_rope3d_folder),
    "dair_v2x_i": (load_dair_v2x_i, write_dair_v2x_i),
    "mono3drefer": (load_mono3drefer, None),
    "monomulti3d": (load_monomulti3d, None),
}
#: Formats that are read, and those that are written.
READ = (*(name for name, (load, _) in _FILES.items() if load is not None), *_FOLDERS)
WRITTEN = (*_FILES, *(name for name, (_, write) in _FOLDERS.items() if write is not None))
_TURNED = {"3D boxes", "cameras", "ground planes", "tilt of the boxes", "occlusion", "truncation"}
_DRAWN = {"occlusion", "truncation", "colours", "sentences", "phrases", "attributes"}
#: What each format has a place for, of what :func:`contents` finds.
_HELD: dict[str, set[str]] = {
    "coco": {"crowds", "classes of crowds"},
    "lvis": {"which categories are absent", "which categories are not labelled throughout"},
    "omni3d": {
        "3D boxes", "cameras", "ground planes", "tilt of the boxes", "lean of single boxes", "truncation",
        "regions without labels", "crowds", "visibility and counts of points",
    },
    "cvat": _DRAWN | {"cuboids"},
    "cvat_video": _DRAWN | {"cuboids", "tracks"},
    "label_studio": _DRAWN,
    "rerun": {
        "3D boxes", "cameras", "ground planes", "tilt of the boxes", "lean of single boxes", "colours",
        "sentences", "phrases", "tracks",
    },
    "odvg": {"sentences", "phrases", "captions", "which categories are absent"},
    "kitti": _TURNED - {"tilt of the boxes"} | {"regions without labels", "crowds"},
    "rope3d": _TURNED,
    "dair_v2x_i": _TURNED,
}  # fmt: skip


def read_objects(
    layout: str,
    path: Path,
    images: Path | None = None,
    split: str = "train",
    skip_broken: bool = False,
    label_map: Path | None = None,
    vocabulary: Vocabulary | None = None,
) -> tuple[list[dict[str, Any]], Vocabulary]:
    """Dataset dicts and classes of a dataset.

    Args:
        layout: a key of ``_FILES`` or ``_FOLDERS``.
        path: the file, or the dataset's folder.
        images: of a file, the folder that its images are named from; None: the file's own.
        split: of a folder.
        label_map: of "odvg" and "label_studio", the file beside theirs that lists the classes.
        vocabulary: classes. None: the file's own; of a folder the road classes.

    Raises:
        FileNotFoundError, ValueError: as the loaders; an unknown layout.
    """
    if layout in _FOLDERS:
        vocabulary = vocabulary or ROAD
        return _FOLDERS[layout][0](path, split, skip_broken, vocabulary), vocabulary
    load = _FILES.get(layout, (None, None))[0]
    if load is None:
        raise ValueError(f"layout {layout!r}: expected one of {', '.join(READ)}")
    more = {"label_map": label_map} if layout in _LABEL_MAPS else {}
    return load(path, images or path.parent, skip_broken, vocabulary, **more)


def write_objects(
    layout: str,
    path: Path,
    records: list[dict[str, Any]],
    vocabulary: Vocabulary,
    images: Path | None = None,
    split: str = "train",
    link: bool = False,
) -> None:
    """Write a dataset.

    Args:
        layout: as in :func:`read_objects`.
        path: the file, or the dataset's folder. Beside it "odvg" has a label map, NAME_label_map.json, and
            "label_studio" the labelling interface, NAME_interface.xml.
        images: of a file, the folder to name images from; None: the deepest that holds all.
        split: of a folder.
        link: in a folder, links to the images instead of copies.

    Raises:
        ValueError: as the writers; a layout that cannot be written.
        OSError: a file cannot be written.
    """
    names = list(vocabulary.names)
    if layout in _FILES:
        write: Callable[..., None] = _FILES[layout][1]
        if layout in _LABEL_MAPS:
            write = partial(write, label_map=path.with_name(path.stem + _LABEL_MAPS[layout]))
        write(path, records, names, images or common_folder(records))
        return
    folder_writer = _FOLDERS.get(layout, (None, None))[1]
    if folder_writer is None:
        raise ValueError(f"layout {layout!r}: expected one of {', '.join(WRITTEN)} to write")
    folder_writer(path, records, names, split, link)


def common_folder(records: Records) -> Path:
    """The deepest folder that holds the image files of all records."""
    folders = [Path(record["file_name"]).absolute().parent for record in records]
    shared = folders[0]
    while not all(shared == f or shared in f.parents for f in folders):
        shared = shared.parent
    return shared


def contents(records: Records) -> list[str]:
    """What there is in dataset dicts beside images, 2D boxes and names of classes."""
    return list(dict.fromkeys(part for record in records for part in _contents(record)))


def _contents(record: Mapping[str, Any]) -> Iterator[str]:
    objects = record["annotations"]
    solid = [a for a in objects if a["has_3d"]]
    plane = record["ground_plane"]
    known: list[tuple[str, Any]] = [
        ("3D boxes", solid),
        ("cameras", not record.get("assumed_camera")),
        ("ground planes", plane is not None),
        ("tilt of the boxes", solid and plane is not None and not record.get("level_boxes")),
        ("lean of single boxes", any("rotation" in a for a in solid)),
        ("truncation", any(a["truncated"] for a in objects)),
        ("occlusion", any(a["occluded"] for a in objects)),
        ("colours", any(a["color"] for a in objects)),
        ("sentences", record["sentences"]),
        ("phrases", any("phrases" in a for a in objects)),
        ("captions", record.get("caption")),
        ("cuboids", any("cuboid" in a for a in objects)),
        ("attributes", any("attributes" in a for a in objects)),
        ("tracks", any("track_id" in a for a in objects)),
        ("which categories are absent", "neg_category_ids" in record),
        ("which categories are not labelled throughout", record.get("not_exhaustive_category_ids")),
        ("visibility and counts of points", any("omni3d" in a for a in objects)),
        ("crowds", record.get("ignored_category_ids")),
        ("classes of crowds", record.get("ignored_category_ids")),
        ("regions without labels", record.get("ignored_boxes") and "ignored_category_ids" not in record),
    ]
    yield from (name for name, there in known if there)


def lost(records: Records, layout: str) -> str:
    """One line: what of dataset dicts a format has no place for."""
    missing = [part for part in contents(records) if part not in _HELD[layout]]
    return f"{layout} has no place for: {', '.join(missing)}" if missing else f"{layout} holds all of it"
