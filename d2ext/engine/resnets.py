"""ImageNet weights for Detectron2's ResNets."""

from __future__ import annotations

import logging
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.utils.file_io import PathManager
from torch import Tensor, nn

from d2ext.engine.state_dicts import load_weights, read_checkpoint
from d2ext.reading import one_line, open_file

#: What torchvision calls parts of a ResNet and what Detectron2 calls them, to be replaced in turn.
NAMES = (
    (r"^(?=conv1|bn1)", "stem."),
    *((f"^layer{n}", f"res{n + 1}") for n in range(1, 5)),
    (r"\bbn(\d)", r"conv\1.norm"),
    (r"\bdownsample\.0", "shortcut"),
    (r"\bdownsample\.1", "shortcut.norm"),
)
#: Parameters of the classifier and counters that Detectron2's ResNets do without.
UNUSED = re.compile(r"^(stem\.)?fc\.|num_batches_tracked$")


def add_resnet_config(cfg: CfgNode) -> None:
    """Add the key of :func:`start_from_imagenet`."""
    # ImageNet weights from which Detectron2's ResNet starts where MODEL.WEIGHTS is empty: torchvision's .pth
    # or Detectron2's copy of it, detectron2://ImageNetPretrained/torchvision/R-50.pkl. Empty: random. They
    # want RGB images, torchvision's MODEL.PIXEL_MEAN and PIXEL_STD, and no MODEL.RESNETS.STRIDE_IN_1X1.
    cfg.MODEL.RESNETS.WEIGHTS = ""


def start_from_imagenet(cfg: CfgNode, model: nn.Module) -> None:
    """Load MODEL.RESNETS.WEIGHTS into the ``backbone`` of a model that starts from nothing else.

    Raises:
        FileNotFoundError, ValueError: as :func:`load_imagenet`.
    """
    if cfg.MODEL.RESNETS.WEIGHTS and not cfg.MODEL.WEIGHTS:
        load_imagenet(model.get_submodule("backbone"), cfg.MODEL.RESNETS.WEIGHTS)


def load_imagenet(backbone: nn.Module, path: str) -> None:
    """Load a classifier's weights, all but its last layer, into a ResNet.

    Args:
        backbone: Detectron2's ResNet, or one with FPN.
        path: torchvision's ``.pth``, or Detectron2's copy of it, a ``.pkl``; a file, or a name that
            Detectron2 can fetch, such as ``detectron2://ImageNetPretrained/torchvision/R-50.pkl``.

    Raises:
        FileNotFoundError, ValueError: weights that cannot be had, are of another kind or do not fit.
    """
    resnet: nn.Module = getattr(backbone, "bottom_up", backbone)
    try:
        local = PathManager.get_local_path(path)
    except Exception as e:  # whatever the network or the file system raises
        raise FileNotFoundError(
            f"MODEL.RESNETS.WEIGHTS {path}: cannot be fetched ({type(e).__name__}); name a local file, "
            "or '' to start from random weights"
        ) from e
    state = {detectron2_name(name): value for name, value in _read(local).items()}
    state = {name: value for name, value in state.items() if not UNUSED.search(name)}
    load_weights(resnet, state, path, optional=[n for n in resnet.state_dict() if UNUSED.search(n)])
    logging.getLogger(__name__).info(f"The ResNet starts from {path}")


def detectron2_name(name: str) -> str:
    """What Detectron2 calls a parameter of torchvision's ResNets; its own names stay as they are."""
    for pattern, replacement in NAMES:
        name = re.sub(pattern, replacement, name)
    return name


def _read(path: str) -> dict[str, Tensor]:
    if Path(path).suffix != ".pkl":
        return read_checkpoint(path)["model"]
    with open_file(path, "weights file") as f:
        try:
            arrays = ArrayUnpickler(f, encoding="latin1").load()["model"]
            return {str(name): torch.from_numpy(np.array(value)) for name, value in arrays.items()}
        except Exception as e:  # a damaged file can make the reader stumble in any way
            raise ValueError(f"{path}: expected arrays under 'model' ({one_line(str(e), 120)})") from e


class ArrayUnpickler(pickle.Unpickler):
    """Reads arrays in plain containers and refuses whatever could run other code."""

    MODULES = (
        "collections",
        "numpy",
        "numpy.core.multiarray",
        "numpy._core.multiarray",
        "numpy._core.numeric",
    )
    NAMES = ("OrderedDict", "_frombuffer", "_reconstruct", "dtype", "ndarray", "scalar")

    def find_class(self, module: str, name: str) -> Any:
        """What arrays are made of.

        Raises:
            pickle.UnpicklingError: anything else, which could run code.
        """
        if module not in self.MODULES or name not in self.NAMES:
            raise pickle.UnpicklingError(f"refused {module}.{name}")
        return super().find_class(module, name)
