"""The maps of a layout (:mod:`d2ext.data.scenes.maps`) as channels beside the latents."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: Channels of the maps beside one for each class.
OTHER_CHANNELS = 4


def map_channels(classes: int) -> int:
    """Channels of the maps of so many classes."""
    return classes + OTHER_CHANNELS


class LayoutEncoder(nn.Module):
    """Maps (B, K, s H, s W) -> (B, out_channels, H, W), with a channel of ones: a layout is given.

    Cells that are finer than the latents' become channels, so that what lies inside of a cell is not lost.

    Args:
        channels: K.
        stride: s.
        out_channels: of the result, the channel of ones among them.
    """

    def __init__(self, channels: int, stride: int, out_channels: int) -> None:
        super().__init__()
        self.stride, self.out_channels = stride, out_channels
        width = 4 * out_channels
        self.layers = nn.Sequential(
            nn.Conv2d(channels * stride**2, width, 1),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(width, out_channels - 1, 1),
        )

    def forward(self, maps: Tensor, given: Tensor) -> Tensor:
        """given (B,) bool: where it is False the result is 0, whatever the maps."""
        found = self.layers(F.pixel_unshuffle(maps, self.stride))
        found = torch.cat([found, torch.ones_like(found[:, :1])], 1)
        return found * given.to(found.dtype).view(-1, 1, 1, 1)
