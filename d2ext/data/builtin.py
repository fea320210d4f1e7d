"""Registers the datasets under ``$DETECTRON2_DATASETS`` (default ``datasets``) in Detectron2's catalogs.

Broken rows raise. With ``D2EXT_SKIP_BROKEN=1`` in the environment they are skipped and counted in one
warning.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from detectron2.data import DatasetCatalog, MetadataCatalog

from .categories import thing_classes
from .formats import load_dair_v2x_i, load_kitti, load_mono3drefer, load_monomulti3d, load_rope3d
from .formats.mono3drefer import INSTANCE_SPLIT_FILE, JSON_FILE, split_file

SKIP_BROKEN_VARIABLE = "D2EXT_SKIP_BROKEN"

_LOADERS: dict[str, Callable[..., list[dict[str, Any]]]] = {
    "mono3drefer": load_mono3drefer,
    "monomulti3d": load_monomulti3d,
    "rope3d": load_rope3d,
    "kitti": load_kitti,
    "dair_v2x_i": load_dair_v2x_i,
}
#: Evaluator of the kinds that have none of their own name.
_EVALUATORS = {"dair_v2x_i": "rope3d"}
_SPLITS = {
    "mono3drefer": ("train", "val", "test"),
    "monomulti3d": ("train", "test"),
    "rope3d": ("train", "val"),
    "kitti": ("train", "val"),
    "dair_v2x_i": ("train", "val"),
    "synthroad_mono3drefer": ("train", "val", "test"),
    "synthroad_monomulti3d": ("train", "val", "test"),
    "synthroad_rope3d": ("train", "val"),
}


def register_dataset(name: str, kind: str, root: str | Path, split: str) -> None:
    """Register one split of a dataset.

    Args:
        name: name in ``DatasetCatalog``.
        kind: layout on disk: "mono3drefer", "monomulti3d", "rope3d", "kitti" or "dair_v2x_i".
        root: the dataset's folder; it need not exist before the dataset is used.
        split: split to load.
    """
    root = Path(root)
    DatasetCatalog.register(name, lambda: _load(name, kind, root, split))
    metadata: dict[str, Any] = {
        "thing_classes": thing_classes(),
        "dataset_root": str(root),
        "evaluator_type": _EVALUATORS.get(kind, kind),
        "split": split,
    }
    if kind == "mono3drefer":
        metadata["json_file"] = str(root / JSON_FILE)
        metadata["split_file"] = str(root / split_file(split))
        metadata["instance_split_file"] = str(root / INSTANCE_SPLIT_FILE)
    MetadataCatalog.get(name).set(**metadata)


def _load(name: str, kind: str, root: Path, split: str) -> list[dict[str, Any]]:
    if not root.is_dir():
        hint = "set DETECTRON2_DATASETS to the folder that holds the datasets"
        if name.startswith("synthroad_"):
            hint += ", or render it: python -m d2ext.data.synthroad --root DIR"
        raise FileNotFoundError(f"dataset {name!r}: no folder {root.absolute()}; {hint}")
    collecting = gc.isenabled()
    gc.disable()  # loading makes millions of objects and no garbage: collecting in between doubles its time
    try:
        return _LOADERS[kind](root, split, skip_broken=os.environ.get(SKIP_BROKEN_VARIABLE) == "1")
    finally:
        if collecting:
            gc.enable()


def register_all(root: str | Path) -> None:
    """Register every built-in name under a dataset root; names that are taken already are left alone."""
    for dataset, splits in _SPLITS.items():
        kind = dataset.removeprefix("synthroad_")
        folder = Path(root) / "synthroad" / kind if dataset != kind else Path(root) / kind
        for split in splits:
            if f"{dataset}_{split}" not in DatasetCatalog:
                register_dataset(f"{dataset}_{split}", kind, folder, split)


register_all(Path(os.environ.get("DETECTRON2_DATASETS", "datasets")).expanduser())
