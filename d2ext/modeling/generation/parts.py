"""What generation shares: blocks of diffusers by name, images between bytes and [-1, 1], unsaved modules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn


def diffusers_class(name: str) -> Any:
    """A class of diffusers.

    Raises:
        ValueError: the installed version has none of the name.
    """
    import diffusers

    if not hasattr(diffusers, name):
        raise ValueError(f"diffusers {diffusers.__version__} has no {name}: expected diffusers 0.32 or newer")
    return getattr(diffusers, name)


def signed_images(images: Sequence[Tensor], device: torch.device, factor: int = 1) -> Tensor:
    """Images (3, H, W) uint8 of one size -> (B, 3, H, W) from -1 to 1.

    Args:
        factor: H and W must be multiples of it.

    Raises:
        ValueError: sizes that differ or are no such multiples.
    """
    height, width = images[0].shape[-2:]
    if any(image.shape[-2:] != (height, width) for image in images) or height % factor or width % factor:
        sizes = sorted({(image.shape[-2], image.shape[-1]) for image in images})[:3]
        raise ValueError(f"images: expected one size, a multiple of {factor}, got (height, width) {sizes}")
    stacked = torch.stack([image.to(device, non_blocking=True) for image in images])
    return stacked.float() / 127.5 - 1


def byte_images(images: Tensor) -> Tensor:
    """The inverse of :func:`signed_images` for (B, 3, H, W): uint8, what is beyond is cut off."""
    return ((images.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


class PictureModel(nn.Module):
    """What answers mapper dicts of :class:`~d2ext.data.scenes.mapper.SceneMapper` with a picture for each."""


class Unsaved(nn.Module):
    """A frozen module that moves with the model around it and is no part of its state: its weights come with
    this collection. Attribute ``module``: it, always in evaluation."""

    module: nn.Module

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        module.requires_grad_(False).eval()
        object.__setattr__(self, "module", module)  # not registered: no parameter, no name in a state dict

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Unsaved:
        self.module._apply(fn, recurse)
        return super()._apply(fn, recurse)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module gives."""
        return self.module(*args, **kwargs)
