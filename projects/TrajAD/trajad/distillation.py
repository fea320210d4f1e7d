"""The teacher of EfficientAD, distilled from a pretrained network, or of random weights.

``args`` are those of ``distill_teacher.py``.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import cv2
import numpy as np
import timm
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn
from tqdm import tqdm

from d2ext.data.image_io import list_images, read_image, resize
from d2ext.engine import load_weights, read_checkpoint, write_safetensors
from d2ext.files import atomic_write
from d2ext.modeling.anomaly.pdn import FEATURES, PDN
from d2ext.projects.trajad.patch_features import PatchFeatures

GRAY = 0.1  # share of images that lose their colour (published)
STATISTICS = 10_000  # images over which the source's channels are normalised (published)
SAVE_EVERY = 500  # iterations
#: ImageNet statistics in BGR order: the images stay BGR for the PDN, and are turned to RGB for the source.
MEAN, STD = (103.53, 116.28, 123.675), (57.375, 57.12, 58.395)


def build_source(name: str, weights: Path | None) -> nn.Module:
    """The network whose description is distilled.

    Raises:
        FileNotFoundError, ValueError: no such network, or weights that are missing or do not fit.
    """
    library, _, own = name.rpartition("/")
    if library == "timm" and timm.is_model(own):
        network = timm.create_model(own)
    elif not library and own in torchvision.models.list_models():
        network = torchvision.models.get_model(own, weights=None)
    else:
        raise ValueError(f"--source {name}: expected a name of torchvision.models, timm/NAME, or pdn")
    if weights is None:
        return network
    if not weights.is_file():
        where = f"torchvision.models.get_model({own!r}, weights='DEFAULT')"
        if library == "timm":
            where = f"timm.create_model({own!r}, pretrained=True)"
        raise FileNotFoundError(
            f"--weights {weights}: no such file; where there is a network, save the state_dict() of {where}"
        )
    # Files of old releases lack BatchNorm's counters, which evaluation does not read.
    counters = {k: v for k, v in network.state_dict().items() if k.endswith("num_batches_tracked")}
    load_weights(network, counters | read_checkpoint(weights)["model"], weights)
    return network


class Images:
    """Batches of a folder's images; batch b is a function of the seed and b.

    Args:
        folder: of images, with its subfolders.
    """

    def __init__(self, folder: Path, size: int, batch: int, seed: int) -> None:
        self.files = list_images(folder)
        self.size, self.batch, self.seed = size, batch, seed

    def __getitem__(self, number: int) -> Tensor:
        """(batch, 3, 2 size, 2 size) normalised BGR."""
        rng = np.random.default_rng((self.seed, number))
        images = []
        for index in rng.integers(len(self.files), size=self.batch):
            image = resize(read_image(self.files[index]), (2 * self.size, 2 * self.size))
            if rng.random() < GRAY:
                image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
            images.append(torch.from_numpy(image.transpose(2, 0, 1).copy()))
        x = torch.stack(images).float()
        return (x - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


class Distillation:
    """A PDN that learns the source's description, resumable.

    Args:
        args: of the command.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        print(f"listing the images of {args.data}")
        self.data = Images(args.data, args.size, args.batch, args.seed)
        print(f"{len(self.data.files)} images; building {args.source}")
        network = build_source(args.source, args.weights)
        channels = round(FEATURES * args.width)
        self.source = PatchFeatures(network, args.layers, channels).to(args.device)
        self.pdn = PDN(args.pdn, channels, args.width, padding=True).to(args.device)
        self.optimizer = torch.optim.Adam(self.pdn.parameters(), args.lr, weight_decay=1e-5)
        self.done = 0
        self.mean = self.std = torch.empty(0)
        self.state_file = args.output.with_name(f"{args.output.name}.resume.pth")
        keys = ("source", "layers", "weights", "data", "pdn", "width", "size", "batch", "lr", "seed")
        self.settings = {key: str(getattr(args, key)) for key in keys}

    def run(self) -> None:
        """Distil and write the teacher."""
        self._resume()
        if not len(self.mean):
            self.mean, self.std = self._statistics()
        progress = tqdm(total=self.args.iterations, initial=self.done, unit="iteration", desc="distillation")
        while self.done < self.args.iterations:
            images = self.data[self.done].to(self.args.device)
            small = F.interpolate(
                images, self.args.size, mode="bilinear", align_corners=False, antialias=True
            )
            found = self.pdn(small)
            loss = (self._target(images, found.shape[-2:]) - found).square().mean()
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.done += 1
            progress.update()
            progress.set_postfix(loss=f"{loss.item():.4f}", refresh=False)
            if self.done % SAVE_EVERY == 0:
                self._save()
        progress.close()
        write_teacher(self.pdn, self.args)
        self.state_file.unlink(missing_ok=True)

    def _target(self, images: Tensor, size: tuple[int, int]) -> Tensor:
        target = (self.source(images.flip(1)) - self.mean) / self.std  # RGB
        return F.interpolate(target, size, mode="bilinear", align_corners=False)

    def _statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation (C, 1, 1) of the source's channels."""
        count = -(-min(STATISTICS, len(self.data.files)) // self.args.batch)
        total = squares = torch.zeros((), dtype=torch.float64)
        for number in tqdm(range(count), unit="batch", desc="statistics of the source"):
            x = self.source(self.data[number].flip(1).to(self.args.device)).double()
            total = total + x.mean((0, 2, 3)) / count
            squares = squares + x.square().mean((0, 2, 3)) / count
        std = (squares - total.square()).clamp_min(1e-12).sqrt()
        return total.float().view(-1, 1, 1), std.float().view(-1, 1, 1)

    def _save(self) -> None:
        state = {"pdn": self.pdn.state_dict(), "optimizer": self.optimizer.state_dict(), "done": self.done}
        with atomic_write(self.state_file) as f:
            torch.save(state | {"mean": self.mean, "std": self.std, "settings": self.settings}, f)

    def _resume(self) -> None:
        if not self.state_file.is_file():
            return
        state = read_checkpoint(self.state_file)["model"]
        if not isinstance(state.get("settings"), dict):
            raise ValueError(f"{self.state_file}: not begun by this command; remove it to begin anew")
        if state["settings"] != self.settings:
            changed = next(k for k in self.settings if state["settings"].get(k) != self.settings[k])
            raise ValueError(
                f"{self.state_file}: begun with another --{changed} ({state['settings'].get(changed)}); "
                "give the same, or remove the file to begin again"
            )
        try:
            load_weights(self.pdn, state["pdn"], self.state_file)
            self.optimizer.load_state_dict(state["optimizer"])
            self.mean, self.std = (state[key].to(self.args.device) for key in ("mean", "std"))
            self.done = int(state["done"])
        except (KeyError, TypeError, AttributeError) as e:
            raise ValueError(f"{self.state_file}: does not fit ({e!r}); remove it to begin anew") from e


def random_pdn(args: argparse.Namespace) -> PDN:
    """A PDN whose random weights keep the variance of what passes through them (He et al., ICCV 2015)."""
    torch.manual_seed(args.seed)
    pdn = PDN(args.pdn, round(FEATURES * args.width), args.width)
    for module in pdn.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return pdn


def convert_teacher(args: argparse.Namespace) -> PDN:
    """The teacher of another project, for images in BGR.

    Known layouts: the state of an ``nn.Sequential`` as nelson1425/EfficientAD saves it, whose names are those
    of :class:`PDN`, and anomalib's ``conv1`` to ``conv6``. Both are for RGB images, normalised as here.

    Raises:
        FileNotFoundError, ValueError: no such file, or weights of another network than the arguments say.
    """
    pdn = PDN(args.pdn, round(FEATURES * args.width), args.width)
    given = read_checkpoint(args.convert)["model"]
    convolutions = [name for name, module in pdn.named_children() if isinstance(module, nn.Conv2d)]
    own = {f"conv{i}": name for i, name in enumerate(convolutions, start=1)}
    named = {}
    for key, value in given.items():
        layer, _, kind = key.rpartition(".")
        named[f"{own.get(layer, layer)}.{kind}"] = value
    load_weights(pdn, named, args.convert)
    first = pdn.get_parameter(f"{convolutions[0]}.weight")
    with torch.no_grad():
        first.copy_(first.flip(1))
    return pdn


def write_teacher(pdn: PDN, args: argparse.Namespace) -> None:
    """The weights in float16, with what they were made from."""
    weights = "random"
    file = args.convert or args.weights
    if file is not None:
        weights = f"{file.name} {hashlib.sha256(file.read_bytes()).hexdigest()[:16]}"
    metadata = {
        "source": "teacher" if args.convert else args.source,
        "weights": weights,
        "pdn": args.pdn,
        "width": str(args.width),
    }
    write_safetensors(pdn.state_dict(), args.output, metadata, half=True)
    print(f"wrote {args.output}")
