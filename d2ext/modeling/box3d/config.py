"""Keys of boxes: which classes a model tells apart, and its box head."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog

from d2ext.checks import Expected, declare, every, number, some_of, whole
from d2ext.modeling.box3d.head import DEPTH_ESTIMATES, Box3DHead, size_priors
from d2ext.structures.vocabulary import ROAD, Size, Vocabulary

#: Height, width and length where no object says better.
UNKNOWN_SIZE: Size = (1.5, 1.5, 3.0)


def add_classes_config(cfg: CfgNode) -> None:
    """Add the keys of the classes that models of 3D boxes tell apart."""
    # Names of the classes. Empty: those of the datasets in DATASETS.TRAIN, or without any the 14 of
    # d2ext.structures.vocabulary.ROAD. A training writes what it found into its config.yaml.
    cfg.MODEL.CLASSES = []
    # Mean (height, width, length) in metres of each class, from which sizes are predicted. Empty: those of
    # the datasets, and where they know none, measured on the labels of DATASETS.TRAIN.
    cfg.MODEL.CLASS_SIZES = []


def add_box_head_config(node: CfgNode, depth_estimates: Sequence[str]) -> None:
    """Add the keys of :func:`build_box_head` to a section of a config.

    Args:
        depth_estimates: the default of ``DEPTH_ESTIMATES``.
    """
    # Hidden width of the box head, and bins of the observation angle.
    node.HEAD_DIM = 256
    node.ANGLE_BINS = 12
    # Ways to the depth that are fused: some of direct, height, ground, told.
    node.DEPTH_ESTIMATES = list(depth_estimates)


def box_head_keys(section: str) -> dict[str, Expected]:
    """What the keys of :func:`add_box_head_config` can be, in a section such as "MODEL.GROUNDING"."""
    return {
        f"{section}.HEAD_DIM": whole(1),
        f"{section}.ANGLE_BINS": whole(1),
        f"{section}.DEPTH_ESTIMATES": some_of(*DEPTH_ESTIMATES),
    }


def build_box_head(
    cfg: CfgNode, node: CfgNode, in_dim: int, class_bias: float = 0.0, hidden_dim: int | None = None
) -> Box3DHead:
    """The box head that the keys of a section describe, for the classes of the model.

    Args:
        node: section with the keys of :func:`add_box_head_config`.
        in_dim: features per object.
        class_bias: class logits start from here.
        hidden_dim: in the place of HEAD_DIM.
    """
    sizes, width = size_priors(vocabulary_of(cfg)), hidden_dim or node.HEAD_DIM
    return Box3DHead(in_dim, width, sizes, node.ANGLE_BINS, node.DEPTH_ESTIMATES, class_bias)


declare(
    {
        "MODEL.CLASSES": Expected(
            "different names",
            lambda x: all(isinstance(n, str) and n for n in x) and len(set(x)) == len(x),
        ),
        "MODEL.CLASS_SIZES": every(every(number(above=0), 3)),
    }
)


def class_names(cfg: CfgNode) -> list[str]:
    """Names of a model's classes, in the order of their numbers.

    Raises:
        ValueError: datasets of different classes.
    """
    return list(cfg.MODEL.CLASSES or (_of_datasets(cfg.DATASETS.TRAIN) or ROAD).names)


def vocabulary_of(cfg: CfgNode) -> Vocabulary:
    """The classes of a model, each with its size.

    Raises:
        ValueError: datasets of different classes, or sizes of another number than classes.
    """
    found = _of_datasets(cfg.DATASETS.TRAIN) if not cfg.MODEL.CLASSES else None
    names = tuple(cfg.MODEL.CLASSES) or (found or ROAD).names
    if cfg.MODEL.CLASS_SIZES:
        if len(cfg.MODEL.CLASS_SIZES) != len(names):
            got = len(cfg.MODEL.CLASS_SIZES)
            raise ValueError(f"MODEL.CLASS_SIZES: expected one for each of {len(names)} classes, got {got}")
        return Vocabulary(names, dict(zip(names, map(tuple, cfg.MODEL.CLASS_SIZES), strict=True)))
    sizes = dict((found or Vocabulary.of_names(names)).sizes)
    if any(name not in sizes for name in names):
        records = [r for name in cfg.DATASETS.TRAIN for r in DatasetCatalog.get(name)]
        sizes = measured_sizes(records, names) | sizes
    return Vocabulary(names, sizes)


def settle_classes(cfg: CfgNode) -> CfgNode:
    """The config with the classes and sizes of :func:`vocabulary_of` in its keys; as it is without them."""
    if "CLASSES" not in cfg.MODEL:
        return cfg
    vocabulary = vocabulary_of(cfg)
    cfg = cfg.clone()
    cfg.defrost()
    cfg.MODEL.CLASSES = list(vocabulary.names)
    cfg.MODEL.CLASS_SIZES = [[float(n) for n in vocabulary.sizes[name]] for name in vocabulary.names]
    cfg.freeze()
    return cfg


def measured_sizes(records: Iterable[Mapping[str, Any]], names: Sequence[str]) -> dict[str, Size]:
    """Mean (height, width, length) in metres of the objects of each class in dataset dicts; of a class
    without any 3D box that of all objects."""
    rows: dict[int, list[Sequence[float]]] = defaultdict(list)
    for record in records:
        for annotation in record["annotations"]:
            if annotation["has_3d"]:
                rows[annotation["category_id"]].append(annotation["dimensions"])
    all_sizes = [row for of_class in rows.values() for row in of_class] or [UNKNOWN_SIZE]
    means = (np.mean(rows.get(i, all_sizes), axis=0).tolist() for i in range(len(names)))
    return {name: (mean[0], mean[1], mean[2]) for name, mean in zip(names, means, strict=True)}


def check_classes(cfg: CfgNode, datasets: Iterable[str]) -> None:
    """Check that datasets have the classes of a settled config.

    Raises:
        ValueError: names the first that has others.
    """
    expected = list(cfg.MODEL.get("CLASSES", []))
    for dataset in datasets:
        vocabulary = Vocabulary.of_metadata(MetadataCatalog.get(dataset))
        if expected and vocabulary is not None and list(vocabulary.names) != expected:
            raise ValueError(
                f"dataset {dataset!r} has the classes {_list(vocabulary.names)}, expected the model's: "
                f"{_list(expected)}"
            )


def _of_datasets(datasets: Sequence[str]) -> Vocabulary | None:
    known = {
        name: vocabulary
        for name in datasets
        if (vocabulary := Vocabulary.of_metadata(MetadataCatalog.get(name))) is not None
    }
    for name, vocabulary in known.items():
        first = next(iter(known))
        if vocabulary.names != known[first].names:
            raise ValueError(
                f"DATASETS.TRAIN: {first!r} has the classes {_list(known[first].names)}, {name!r} "
                f"{_list(vocabulary.names)}: expected the same, or MODEL.CLASSES"
            )
    return next(iter(known.values()), None)


def _list(names: Sequence[str]) -> str:
    text = ", ".join(names)
    return text if len(text) <= 80 else f"{text[:70]}... ({len(names)})"
