"""What boxes stand on: the camera's x-z plane, as KITTI's do ("level"), or the ground; and what ground there
is below level boxes where none is known.

Images of a dataset have their boxes as its labels have them: level where a record says ``level_boxes``. For
an image that is of none the config says it, and by default that is as in the datasets that the model is
evaluated on, so that a predictor gives the boxes that evaluation gives.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog
from torch import Tensor

from d2ext.structures import check_ground, normalize_plane

CHOICES = ("auto", "level", "ground")


def box_plane(cfg: CfgNode, ground_plane: Tensor | None) -> Tensor | None:
    """The plane that boxes stand on in an image that is of no dataset.

    Args:
        cfg: with ``INPUT.BOX_PLANE``.
        ground_plane: (4,) of the image, None if not known.

    Returns:
        ``ground_plane``, or None: boxes are level.
    """
    return None if boxes_are_level(cfg) else ground_plane


def boxes_are_level(cfg: CfgNode) -> bool:
    """Whether boxes are level in images that are of no dataset, whatever their ground."""
    if cfg.INPUT.BOX_PLANE != "auto":
        return cfg.INPUT.BOX_PLANE == "level"
    names = [name for name in cfg.DATASETS.TEST or cfg.DATASETS.TRAIN if name in DatasetCatalog]
    return bool(names) and all(MetadataCatalog.get(name).get("level_boxes", False) for name in names)


def settle_box_plane(cfg: CfgNode) -> None:
    """Write into ``INPUT.BOX_PLANE`` what it comes to here, where the datasets are known; in place."""
    cfg.INPUT.BOX_PLANE = "level" if boxes_are_level(cfg) else "ground"


def default_ground(values: Sequence[float]) -> Tensor | None:
    """The ground of images whose boxes are level and whose ground is not known.

    Args:
        values: of ``INPUT.DEFAULT_GROUND``.

    Returns:
        (4,) float32 normalised plane; None: such images have none.
    """
    return normalize_plane(torch.tensor(values, dtype=torch.float64)).float() if len(values) else None


def ground_error(degrees: Sequence[float], level: bool, assumed: bool) -> float | None:
    """How far the ground of an image may be tilted.

    Args:
        degrees: values of ``INPUT.GROUND_ERROR``.
        level: boxes are, as they are below a car's camera.
        assumed: it is :func:`default_ground`'s.

    Returns:
        Standard deviation in radians; None: what stands on it is not to be moved.
    """
    return math.radians(degrees[2 if assumed else int(level)]) if len(degrees) else None


def can_be_ground(values: Any) -> bool:
    """Whether a value is four numbers of a plane below the camera.

    Raises:
        ValueError: it is not, or an impossible one.
    """
    plane = normalize_plane(torch.tensor(values, dtype=torch.float64))
    check_ground(plane.tolist())
    return plane.shape == (4,)
