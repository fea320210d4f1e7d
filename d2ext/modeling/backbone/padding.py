"""TensorFlow's padding ("SAME", more of it at the end) where it is known before the image is.

Networks that were trained with TensorFlow pad a map by as much as its size lacks. Where heights and widths
are multiples of the stride, as in a backbone, that is the same for every size: a graph need not ask for it.
"""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from timm.layers import Conv2dSame
from torch import Tensor, nn

from d2ext.modeling.backbone.norms import replace_modules


class PaddedConv2d(nn.Conv2d):
    """A convolution that pads by ``missing`` (left, right, top, bottom)."""

    missing: list[int]

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H / stride, W / stride)."""
        return super().forward(F.pad(input, self.missing))


def pad_ahead(network: nn.Module) -> nn.Module:
    """The network with a :class:`PaddedConv2d` in place of every convolution of timm that pads by the size of
    its map, in place; names and weights stay."""
    replace_modules(network, Conv2dSame, _padded)
    return network


def plain_padding(conv: nn.Module) -> nn.Module:
    """A :class:`PaddedConv2d` in evaluation as padding and an ``nn.Conv2d`` and nothing else."""
    assert isinstance(conv, PaddedConv2d)
    left, right, top, bottom = conv.missing
    return nn.Sequential(nn.ZeroPad2d((left, right, top, bottom)), _copied(conv, nn.Conv2d)).eval()


def _padded(conv: nn.Module) -> nn.Module:
    sizes = zip(conv.kernel_size, conv.stride, conv.dilation, strict=True)  # type: ignore[arg-type]
    missing = [max(0, (size - 1) * spread + 1 - step) for size, step, spread in sizes]
    new = _copied(conv, PaddedConv2d)
    new.missing = [side for n in reversed(missing) for side in (n // 2, n - n // 2)]
    return new


def _copied(conv: Any, kind: type[Any]) -> Any:
    names = ("in_channels", "out_channels", "kernel_size", "stride", "dilation", "groups")
    new = kind(**{name: getattr(conv, name) for name in names}, bias=conv.bias is not None).to(conv.weight)
    new.load_state_dict(conv.state_dict())
    return new.train(conv.training)
