"""Registers the datasets under ``$DETECTRON2_DATASETS`` (default ``datasets``) in Detectron2's catalogs.

Broken rows raise. With ``D2EXT_SKIP_BROKEN=1`` in the environment they are skipped and counted in one
warning.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from detectron2.data import DatasetCatalog, MetadataCatalog

from d2ext.structures.vocabulary import ROAD, Vocabulary

from .formats import (
    load_dair_v2x_i,
    load_kitti,
    load_kitti_tracking,
    load_mono3drefer,
    load_monomulti3d,
    load_mvtec_ad,
    load_rope3d,
    load_trajectories,
    load_visa,
)
from .formats.mono3drefer import INSTANCE_SPLIT_FILE, JSON_FILE, split_file
from .formats.mvtec_ad import CATEGORIES as MVTEC_AD_CATEGORIES
from .looks import LOOKS_FILE, add_looks
from .skipping import skip_broken
from .synthesis import check_complete, command

Loader = Callable[..., list[dict[str, Any]]]

#: Readers of the layouts on disk, by name: (root, split, skip_broken, vocabulary) -> dataset dicts.
LOADERS: dict[str, Loader] = {
    "mono3drefer": load_mono3drefer,
    "monomulti3d": load_monomulti3d,
    "rope3d": load_rope3d,
    "kitti": load_kitti,
    "kitti_tracking": load_kitti_tracking,
    "dair_v2x_i": load_dair_v2x_i,
    "trajectories": load_trajectories,
    "mvtec_ad": load_mvtec_ad,
    "visa": load_visa,
}
#: Evaluator of the kinds that have none of their own name.
_EVALUATORS = {"dair_v2x_i": "rope3d", "kitti_tracking": "kitti", "visa": "mvtec_ad"}
#: Kinds whose boxes stand on the camera's x-z plane, whatever the ground.
_LEVEL_KINDS = ("mono3drefer", "kitti", "kitti_tracking")
_ANOMALY_KINDS = ("trajectories", "mvtec_ad", "visa")
#: Splits by folder below the root. In the names a generator's folder is a prefix: synthroad_rope3d_train.
_SPLITS = {
    "mono3drefer": ("train", "val", "test"),
    "monomulti3d": ("train", "test"),
    "rope3d": ("train", "val"),
    "kitti": ("train", "val"),
    "kitti_tracking": ("train", "val", "test"),
    "dair_v2x_i": ("train", "val"),
    "trajectories": ("train", "val", "test"),
    **{f"mvtec_ad/{category}": ("train", "test") for category in MVTEC_AD_CATEGORIES},
    "synthroad/mono3drefer": ("train", "val", "test"),
    "synthroad/monomulti3d": ("train", "val", "test"),
    "synthroad/rope3d": ("train", "val", "test"),
    "synthroad_video/kitti_tracking": ("train",),
    "synthroad_video/trajectories": ("train", "test"),
    "synthtraffic/trajectories": ("train", "val", "test"),
    "synthtraffic/mvtec_ad/arterial": ("train", "val", "test"),
}
_GENERATORS = ("synthroad", "synthroad_video", "synthtraffic")
#: Files, NAME.json, that mark folders of datasets, with the generator whose layouts those have.
_MARKERS = {**{name: name for name in _GENERATORS}, "scenes": "synthroad"}
#: How a folder of one of these names is made.
_MAKERS = {
    **{name: f"{command(name)} --root DIR --seed 0" for name in _GENERATORS},
    "scenes": "projects/SceneSana/make_crops.py --root DIR",
}
#: What is different in a layout that a generator writes: its boxes stand on the road.
_GENERATED: dict[str, dict[str, Any]] = {"kitti_tracking": {"evaluator_type": "rope3d", "level_boxes": False}}


def register_dataset(
    name: str,
    loader: str | Loader,
    root: str | Path | None = None,
    split: str | None = None,
    *,
    classes: Vocabulary | Sequence[str] | None = None,
    **metadata: Any,
) -> None:
    """Register a dataset: one split of a layout that this collection reads, or whatever a function gives.

    Args:
        name: name in ``DatasetCatalog``.
        loader: layout on disk: "mono3drefer", "monomulti3d", "rope3d", "kitti", "kitti_tracking",
            "dair_v2x_i", "trajectories", "mvtec_ad" or "visa"; or a function without arguments that gives
            dataset dicts as :mod:`d2ext.data` describes them.
        root: of a layout, the dataset's folder; it need not exist before the dataset is used.
        split: of a layout, the split to load.
        classes: what its labels call objects, and what models that are trained on it tell apart. Sizes that
            are not given are those of :data:`~d2ext.structures.vocabulary.ROAD` for the same name, or are
            measured on the training data. None: the classes of ``ROAD``.
        metadata: more of it, such as ``evaluator_type`` ("kitti", "rope3d", "mono3drefer", "monomulti3d",
            ...), by which evaluations and pictures are chosen, and ``level_boxes``: True where all of its
            dicts say so, for images that are of no dataset (``INPUT.BOX_PLANE``); a layout has its own.

    Raises:
        ValueError: an unknown layout, or classes that are no different names.
    """
    known: dict[str, Any] = {}
    vocabulary = (
        classes if isinstance(classes, Vocabulary) else Vocabulary.of_names(classes) if classes else ROAD
    )
    if isinstance(loader, str):
        if loader not in LOADERS or root is None or split is None:
            layouts = ", ".join(LOADERS)
            raise ValueError(
                f"dataset {name!r}: expected one of {layouts}, a root and a split, got {loader!r}"
            )
        kind, folder = loader, Path(root)
        loader = partial(_load, name, kind, folder, split, vocabulary)
        known = {
            "dataset_root": str(folder),
            "evaluator_type": _EVALUATORS.get(kind, kind),
            "split": split,
        }
        if kind in _LEVEL_KINDS:
            known["level_boxes"] = True
        if kind == "mono3drefer":
            known["json_file"] = str(folder / JSON_FILE)
            known["split_file"] = str(folder / split_file(split))
            known["instance_split_file"] = str(folder / INSTANCE_SPLIT_FILE)
    if known.get("evaluator_type") not in _ANOMALY_KINDS:
        known |= {"thing_classes": list(vocabulary.names), "vocabulary": vocabulary}
    DatasetCatalog.register(name, loader)
    MetadataCatalog.get(name).set(**known | metadata)


def _load(name: str, kind: str, root: Path, split: str, vocabulary: Vocabulary) -> list[dict[str, Any]]:
    if not root.is_dir():
        hint = "set DETECTRON2_DATASETS to the folder that holds the datasets"
        maker = max((folder for folder in _MAKERS if name.startswith(f"{folder}_")), key=len, default="")
        if maker:
            hint += f", or make it: {_MAKERS[maker]}"
        raise FileNotFoundError(f"dataset {name!r}: no folder {root.absolute()}; {hint}")
    check_complete(root, _GENERATORS)
    options = {} if kind in _ANOMALY_KINDS else {"vocabulary": vocabulary}
    collecting = gc.isenabled()
    gc.disable()  # loading makes millions of objects and no garbage: collecting in between doubles its time
    try:
        records = LOADERS[kind](root, split, skip_broken=skip_broken(), **options)
        return add_looks(records, root / LOOKS_FILE)
    finally:
        if collecting:
            gc.enable()


def register_all(root: str | Path) -> None:
    """Register every built-in name under a dataset root; those of more folders that a generator has written,
    or that scenes were drawn into (``yard/rope3d`` is ``yard_rope3d_train``); and categories for anomaly
    detection: every other folder of ``mvtec_ad``, those of ``visa`` as it is released, and in whatever folder
    those with ``train/good`` (``mvtec_loco/juice_bottle``). Names that are taken already are left alone."""
    root = Path(root)
    own: dict[str, tuple[str, tuple[str, ...]]] = {}
    for path in root.glob("visa/*/Data"):
        own[f"visa/{path.parent.name}"] = ("visa", ("train", "test"))
    for path in [*root.glob("mvtec_ad/*/train"), *(good.parent for good in root.glob("*/*/train/good"))]:
        validation = ("val",) if (path.parent / "validation").is_dir() else ()
        own[path.parent.relative_to(root).as_posix()] = ("mvtec_ad", ("train", *validation, "test"))
    written: dict[str, list[str]] = {generator: [] for generator in _GENERATORS}
    for marker, generator in _MARKERS.items():
        found = sorted(path.parent.name for path in root.glob(f"*/{marker}.json"))
        written[generator] += [marker, *found]
    generated = {name for names in written.values() for name in names}
    every = dict(_SPLITS)
    for folder, splits in _SPLITS.items():
        generator, _, rest = folder.partition("/")
        every |= {f"{name}/{rest}": splits for name in written.get(generator, ())}
    for folder, splits in every.items():
        own.setdefault(folder, (next(part for part in folder.split("/") if part in LOADERS), splits))
    for folder, (kind, splits) in own.items():
        generator, _, rest = folder.partition("/")
        dataset, different = folder, {}
        if generator in generated:
            dataset, different = f"{generator}_{rest}", _GENERATED.get(rest, {})
        for split in splits:
            if f"{dataset}_{split}" not in DatasetCatalog:
                register_dataset(f"{dataset}_{split}", kind, root / folder, split, **different)


register_all(Path(os.environ.get("DETECTRON2_DATASETS", "datasets")).expanduser())
