"""``d2ext doctor``: what is installed, what this machine has, and whether a dataset on disk is whole."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import platform
import sys
from collections.abc import Iterator
from typing import Any

from d2ext_cli import (
    OBJECT_LAYOUTS,
    CommandParser,
    existing_folder,
    existing_path,
    how_to_install,
    integer,
    output_file,
    run_command,
)
from d2ext_cli.shipped import RESOURCES, SHIPPED

#: Layouts of folders and files, as the loaders name them.
DATASETS = (*dict.fromkeys([*OBJECT_LAYOUTS, "kitti_tracking", "trajectories", "mvtec_ad", "visa"]),)
#: Builds of Detectron2 that the tests ran with: distribution and version, or the commit it was built from.
KNOWN_WHEEL, KNOWN_COMMIT = ("sal-detectron2", "0.7.2"), "02b5c4e2"
#: Extras that users choose; the others are for work on the collection itself.
EXTRAS = ("export", "serve", "watch", "scale", "maps", "tracking", "exchange", "wandb", "gpu", "janus")
_HELP = """Say what is installed and what this machine has; with a folder, read the datasets in it.

    d2ext doctor
    d2ext doctor datasets/kitti --sheet sheet.jpg
    d2ext doctor instances.json --layout coco --images pictures

Of a dataset it tells how many images, objects and sentences it has and every row or file that cannot be read,
and --sheet draws some of its pictures with their labels. The exit status is 1 where something is wrong."""


def run(words: list[str]) -> None:
    """The command."""
    parser = build_parser()
    args = parser.parse_args(words)
    if args.dataset is None:
        sys.exit(examine())
    run_command(parser, check_dataset, words)


def build_parser() -> CommandParser:
    """The arguments."""
    parser = CommandParser(_HELP, prog="d2ext doctor")
    parser.add_argument("dataset", nargs="?", type=existing_path, help="folder of datasets, or a file")
    parser.add_argument("--layout", choices=DATASETS, help="where it cannot be told from the files")
    parser.add_argument("--images", type=existing_folder, help="folder that a file names images from")
    parser.add_argument("--classes", nargs="+", default=[], help="of the labels (default: the road classes)")
    parser.add_argument("--decode", action="store_true", help="decode every image; takes longer")
    parser.add_argument("--sheet", type=output_file, help="picture to write, of some images with labels")
    parser.add_argument("--most", type=integer(0), default=20, help="broken rows to print (default 20)")
    return parser


def examine() -> int:
    """Print what is here; returns 1 where something that is needed is not."""
    faults = list(_faults())
    print(f"d2ext {_version('d2ext') or '(not installed as a package)'}: {SHIPPED}", end="")
    print(" (installed)" if SHIPPED == RESOURCES else " (a checkout)")
    print(f"Python {platform.python_version()}: {sys.executable}; {platform.platform()}")
    for name in (
        "torch",
        "torchvision",
        "transformers",
        "timm",
        "diffusers",
        "numpy",
        "opencv-python-headless",
    ):
        print(f"  {name} {_version(name) or 'not here'}")
    print(f"Detectron2: {detectron2_build()}")
    print("extras:")
    for line in _extras():
        print(f"  {line}")
    if _version("torch") and detectron2_version():
        from d2ext.quiet import quiet_warnings

        quiet_warnings()
        from d2ext.doctor import machine_lines, zoo_lines

        there, wrong = zoo_lines()
        print("\n".join([*machine_lines(), "weights:", *(f"  {line}" for line in there)]))
        faults += wrong
    for fault in faults:
        print(f"FAULT: {fault}")
    print("all is well" if not faults else f"{len(faults)} faults")
    return int(bool(faults))


def check_dataset(args: argparse.Namespace) -> None:
    """Print what is in a folder or a file; ends the program with status 1 where something is broken."""
    from d2ext.doctor import check_dataset_folder, find_datasets, write_sheet
    from d2ext.doctor.dataset import check_dataset_file

    checked = []
    if args.dataset.is_file():
        checked = [check_dataset_file(args.dataset, args.layout, args.images, args.classes, args.decode)]
    else:
        for found in find_datasets(args.dataset, args.layout or ""):
            checked += check_dataset_folder(found, args.classes, args.decode)
    for one in checked:
        print("\n".join(one.lines(args.most)))
    if args.sheet and write_sheet(args.sheet, checked):
        print(f"wrote {args.sheet}")
    broken = sum(len(one.broken) for one in checked)
    print("all can be read" if not broken else f"{broken} broken rows or files")
    if broken:
        sys.exit(1)


def detectron2_version() -> str:
    """Of whichever build is installed; "" without."""
    return _version("detectron2") or _version(KNOWN_WHEEL[0])


def detectron2_build() -> str:
    """Which build of Detectron2 is here, and whether this collection was tested with it."""
    if _version(KNOWN_WHEEL[0]):
        name, version = KNOWN_WHEEL[0], _version(KNOWN_WHEEL[0])
        known = "known" if (name, version) == KNOWN_WHEEL else f"not known: tested with {KNOWN_WHEEL[1]}"
        return f"{name} {version} from the package index, {known}"
    version = _version("detectron2")
    if not version:
        return "not here"
    commit = _commit("detectron2")
    if commit.startswith(KNOWN_COMMIT):
        return f"{version}, official commit {KNOWN_COMMIT}, known"
    built = f"commit {commit[:8]}" if commit else "of no known commit"
    return (
        f"{version}, {built}, not known: tested with the official {KNOWN_COMMIT} and {' '.join(KNOWN_WHEEL)}"
    )


def _faults() -> Iterator[str]:
    """What must be here and is not, or is too old or too new."""
    for requirement in _requirements(""):
        if not _fits(requirement):
            found = _version(requirement.name) or "not installed"
            yield f"{requirement.name}: {found}, expected {requirement}"
    if not detectron2_version():
        yield f"Detectron2: not installed: {how_to_install()}"


def _extras() -> Iterator[str]:
    """A line for each extra: what of it is missing, and how to get it."""
    for extra in EXTRAS:
        needed = list(_requirements(extra))
        missing = [r for r in needed if not _fits(r)]
        if needed and missing:
            yield f"{extra}: no {', '.join(r.name for r in missing)}: pip install 'd2ext[{extra}]'"
        elif needed:
            yield f"{extra}: here"


def _requirements(extra: str) -> Iterator[Any]:
    """What the package (``extra`` "") or one of its extras needs, as ``packaging`` reads it."""
    from packaging.requirements import Requirement

    try:
        lines = importlib.metadata.requires("d2ext") or []
    except importlib.metadata.PackageNotFoundError:
        return
    for line in lines:
        requirement = Requirement(line)
        marker = requirement.marker
        is_extra = marker is not None and "extra" in str(marker)
        if is_extra != bool(extra) or not (marker is None or marker.evaluate({"extra": extra})):
            continue
        if requirement.name == "d2ext":  # an extra of several others
            for other in requirement.extras:
                yield from _requirements(other)
        else:
            yield requirement


def _fits(requirement: Any) -> bool:
    found = _version(requirement.name)
    return bool(found) and requirement.specifier.contains(found, prereleases=True)


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _commit(name: str) -> str:
    """That a distribution was built from, where pip wrote it down."""
    text = importlib.metadata.distribution(name).read_text("direct_url.json")
    return json.loads(text or "{}").get("vcs_info", {}).get("commit_id", "")
