"""Keys of Detectron2 that nothing here reads: setting one is an error that names what is read in its place.

Checked wherever a config is (:func:`d2ext.checks.check_values`), so that a key of Detectron2 either means
what it means there or cannot be set.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from detectron2.config import CfgNode, get_cfg

_SIZE, _FIT = "INPUT.SIZE", "INPUT.SIZE, into which images are fitted"
_ZOOM = "INPUT.SCALE_RANGE and INPUT.CROP_SHIFT"
_ORDER = "DATALOADER.DATASET_WEIGHTS"

#: Key of Detectron2: (a key of ours, whose readers do without Detectron2's; what to set instead). A config
#: that has not the key of ours is left alone: it may be for a loader or a model of Detectron2's.
#: ``DATALOADER.ASPECT_RATIO_GROUPING`` is not here: batches are never grouped by it, which False asks for,
#: and they are of one dataset, so mostly of one ratio, which True does.
UNREAD = {
    "INPUT.MIN_SIZE_TRAIN": (_SIZE, _FIT),
    "INPUT.MIN_SIZE_TRAIN_SAMPLING": (_SIZE, _FIT),
    "INPUT.MAX_SIZE_TRAIN": (_SIZE, _FIT),
    "INPUT.MIN_SIZE_TEST": (_SIZE, _FIT),
    "INPUT.MAX_SIZE_TEST": (_SIZE, _FIT),
    "INPUT.RANDOM_FLIP": (_SIZE, "INPUT.FLIP_PROB"),
    "INPUT.CROP.ENABLED": (_SIZE, _ZOOM),
    "INPUT.CROP.TYPE": (_SIZE, _ZOOM),
    "INPUT.CROP.SIZE": (_SIZE, _ZOOM),
    "INPUT.MASK_FORMAT": (_SIZE, "nothing: there are no masks"),
    "DATASETS.PROPOSAL_FILES_TRAIN": (_SIZE, "nothing: there are no proposals from files"),
    "DATASETS.PROPOSAL_FILES_TEST": (_SIZE, "nothing: there are no proposals from files"),
    "DATALOADER.SAMPLER_TRAIN": (_ORDER, _ORDER),
    "DATALOADER.REPEAT_THRESHOLD": (_ORDER, _ORDER),
    "DATALOADER.REPEAT_SQRT": (_ORDER, _ORDER),
    "TEST.AUG.ENABLED": (_SIZE, "INPUT.SIZE: an image is looked at once"),
    "TEST.DETECTIONS_PER_IMAGE": (_SIZE, "the NUM_BOXES or TOPK of a model that has boxes"),
    "TEST.KEYPOINT_OKS_SIGMAS": (_SIZE, "nothing: there are no keypoints"),
    "VIS_PERIOD": ("TEST.PICTURES", "TEST.EVAL_PERIOD and TEST.PICTURES"),
    "FLOAT32_PRECISION": ("TF32", "TF32"),
}


def check_unread(cfg: CfgNode) -> None:
    """Check that no key of :data:`UNREAD` is set to another value than Detectron2's default.

    Raises:
        ValueError: in one line the key, and what to set instead.
    """
    for key, (ours, instead) in UNREAD.items():
        value = _get(cfg, key)
        if value is not None and _get(cfg, ours) is not None and _plain(value) != _default(key):
            raise ValueError(
                f"{key} is {repr(value)[:60]}, which nothing reads here: expected {instead}, "
                f"and {key} as it is in Detectron2, {_default(key)!r}"
            )


def _default(key: str) -> Any:
    return _plain(_get(_defaults(), key))


@cache
def _defaults() -> CfgNode:
    return get_cfg()


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _get(cfg: CfgNode, key: str) -> Any:
    node: Any = cfg
    for part in key.split("."):
        node = node.get(part) if isinstance(node, CfgNode) else None
    return node
