"""What can be known to fail before a dataset is read or a model built: devices, datasets, models."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

import torch
from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.modeling import META_ARCH_REGISTRY

from d2ext.engine.precision import check_inference_dtype, check_training_dtype
from d2ext.modeling.box3d.config import check_classes, settle_classes

#: Of the datasets of a training.
KEYS = ("TRAIN", "VAL", "TEST")


def check_device(cfg: CfgNode) -> None:
    """Check that this machine, and this build of torch, has ``MODEL.DEVICE``.

    Raises:
        ValueError: it has not.
    """
    name = cfg.MODEL.DEVICE
    try:
        torch.zeros(1, device=name).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        here = f"cpu and {torch.cuda.device_count()} usable GPUs"
        raise ValueError(f"MODEL.DEVICE: expected one of this machine ({here}), got {name!r}") from error


def check_datasets(cfg: CfgNode, key: str, kinds: Sequence[str]) -> None:
    """Check that the datasets of ``DATASETS.key`` are registered and of a kind that the project can use.

    Args:
        kinds: values of the metadata's ``evaluator_type``, empty for any; datasets without one are left to
            who reads them.

    Raises:
        ValueError: one that is not.
    """
    for name in cfg.DATASETS[key]:
        check_dataset(name, f"DATASETS.{key}", kinds)


def check_dataset(name: str, where: str, kinds: Sequence[str] = ()) -> None:
    """The same for one dataset; ``where`` it was named goes into the message.

    Raises:
        ValueError: it is not registered, or of another kind.
    """
    if name not in DatasetCatalog:
        near = difflib.get_close_matches(name, DatasetCatalog.list(), 1)
        hint = f", did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"{where}: {name[:80]!r} is not registered{hint}")
    kind = MetadataCatalog.get(name).get("evaluator_type")
    if kinds and kind is not None and kind not in kinds:
        raise ValueError(f"{where}: {name!r} is of the kind {kind}, expected one of {', '.join(kinds)}")


def check_run(cfg: CfgNode, trainer_class: Any, evaluate: bool) -> CfgNode:
    """What ``train_net.py`` asks before it begins.

    Args:
        trainer_class: a :class:`~d2ext.engine.BaseTrainer`.
        evaluate: only ``DATASETS.TEST`` is used.

    Returns:
        the config with the classes of the model in it.

    Raises:
        ValueError: in one line the key and what was expected.
    """
    check_device(cfg)
    check_inference_dtype(cfg)
    if not evaluate:
        check_training_dtype(cfg)
    name, base = cfg.MODEL.META_ARCHITECTURE, trainer_class.model_class
    if not issubclass(META_ARCH_REGISTRY.get(name), base):
        raise ValueError(f"MODEL.META_ARCHITECTURE: expected a {base.__name__}, got {name!r}")
    needed = "TEST" if evaluate else "TRAIN"
    if not cfg.DATASETS[needed]:
        raise ValueError(f"DATASETS.{needed}: expected at least one dataset, got none")
    if not evaluate:
        check_datasets(cfg, "TRAIN", trainer_class.train_kinds or trainer_class.test_kinds)
        check_datasets(cfg, "VAL", trainer_class.test_kinds)
    check_datasets(cfg, "TEST", trainer_class.test_kinds)
    cfg = settle_classes(cfg)
    check_classes(cfg, cfg.DATASETS.TEST if evaluate else [n for k in KEYS for n in cfg.DATASETS[k]])
    return cfg
