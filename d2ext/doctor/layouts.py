"""Which datasets a folder holds, by the files that their layouts must have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from d2ext.data.formats.dair_v2x_i import SPLIT_FILE
from d2ext.data.formats.mono3drefer import JSON_FILE, split_file
from d2ext.data.formats.trajectories import is_recording
from d2ext.data.formats.visa import SPLIT_FILE as VISA_FILE

SPLITS = ("train", "val", "test")
DEPTH = 3  # folders below the one that is named


@dataclass(frozen=True)
class Found:
    """A dataset: its layout as :func:`d2ext.data.register_dataset` names it, its folder, its splits."""

    layout: str
    root: Path
    splits: tuple[str, ...]


#: Layout -> whether a folder has it, and the file or folder without which a split of it is not there. Of two
#: that fit the first counts.
_LAYOUTS: dict[str, tuple[Callable[[Path], bool], Callable[[Path, str], Path]]] = {
    "mono3drefer": (lambda r: (r / JSON_FILE).is_file(), lambda r, s: r / split_file(s)),
    "dair_v2x_i": (
        lambda r: (r / "data_info.json").is_file(),
        lambda r, s: r / (SPLIT_FILE if s != "test" else "no such split"),
    ),
    "visa": (lambda r: (r / VISA_FILE).is_file(), lambda r, s: r / (VISA_FILE if s != "val" else "none")),
    "kitti_tracking": (
        lambda r: (r / "training/image_02").is_dir(),
        lambda r, s: r / {"train": "training", "test": "testing"}.get(s, f"ImageSets/{s}.txt"),
    ),
    "rope3d": (
        lambda r: (r / "training/image_2").is_dir() and (r / "training/denorm").is_dir(),
        lambda r, s: r / f"training/{s}.txt",
    ),
    "kitti": (lambda r: (r / "training/image_2").is_dir(), lambda r, s: r / f"ImageSets/{s}.txt"),
    "monomulti3d": (
        lambda r: any((r / s / "images").is_dir() and (r / s / "calib").is_dir() for s in SPLITS),
        lambda r, s: r / s,
    ),
    "mvtec_ad": (
        lambda r: (r / "train/good").is_dir(),
        lambda r, s: r / {"val": "validation"}.get(s, s),
    ),
    "trajectories": (lambda r: any(_has_recordings(r / s) for s in SPLITS), lambda r, s: r / s),
}


def find_datasets(folder: Path, layout: str = "") -> list[Found]:
    """The datasets of a folder: itself, or those below it.

    Args:
        layout: of the folder; empty: to be found out.

    Raises:
        ValueError: there is none, and the message says what each layout is known by; or a layout of files.
    """
    if layout:
        if layout not in _LAYOUTS:
            raise ValueError(
                f"--layout {layout}: of a file, expected of a folder one of {', '.join(_LAYOUTS)}"
            )
        split_of = _LAYOUTS[layout][1]
        return [Found(layout, folder, _splits(folder, split_of))]
    found = list(_below(folder, DEPTH))
    if not found:
        raise ValueError(
            f"{folder}: no dataset in it: expected {JSON_FILE}, training/image_2, training/image_02, "
            "train/images, train/good, train/*.csv or data_info.json; --layout names the layout"
        )
    return found


def _below(folder: Path, depth: int) -> Iterator[Found]:
    for layout, (fits, split_of) in _LAYOUTS.items():
        if fits(folder):
            yield Found(layout, folder, _splits(folder, split_of))
            return
    if depth:
        for path in sorted(folder.iterdir()):
            if path.is_dir() and not path.name.startswith("."):
                yield from _below(path, depth - 1)


def _splits(folder: Path, split_of: Callable[[Path, str], Path]) -> tuple[str, ...]:
    return tuple(split for split in SPLITS if split_of(folder, split).exists())


def _has_recordings(folder: Path) -> bool:
    return folder.is_dir() and any(is_recording(path) for path in folder.iterdir() if path.is_file())
