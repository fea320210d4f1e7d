"""Descriptions of patches by a network that was trained for something else, as PatchCore takes them.

Source: Roth et al., "Towards Total Recall in Industrial Anomaly Detection", CVPR 2022, section 3.1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from d2ext.modeling.anomaly.pdn import FEATURES

NEIGHBOURHOOD = 3  # a feature is averaged over 3 x 3 places
LAYER_CHANNELS = 1024  # to which every layer is projected first


class PatchFeatures(nn.Module):
    """Features of some layers of a network, locally averaged and projected to ``channels``.

    Args:
        network: takes (B, 3, H, W); it is set to evaluation mode.
        layers: names of submodules that give maps (B, C, h, w); the first has the resolution of the result.
        channels: of the result.

    Raises:
        ValueError: the network has no such layer.
    """

    def __init__(self, network: nn.Module, layers: Sequence[str], channels: int = FEATURES) -> None:
        super().__init__()
        self.network = network.eval().requires_grad_(False)
        self.channels = channels
        self._maps: dict[str, Tensor] = {}
        modules = dict(network.named_modules())
        for name in layers:
            if name not in modules:
                known = ", ".join(n for n, _ in network.named_children())
                raise ValueError(
                    f"layer {name!r}: {type(network).__name__} has no such part, but {known}, ..."
                )
            self._maps[name] = torch.empty(0)  # keeps the order of the layers
            modules[name].register_forward_hook(self._keep(name))

    def _keep(self, name: str) -> Callable[[nn.Module, object, Tensor], None]:
        def hook(module: nn.Module, inputs: object, output: Tensor) -> None:
            self._maps[name] = output

        return hook

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, channels, h, w), of the first layer's h and w."""
        self.network(images)
        return patch_features(list(self._maps.values()), self.channels)


def patch_features(maps: Sequence[Tensor], channels: int) -> Tensor:
    """Maps (B, C_i, h_i, w_i) -> (B, channels, h_0, w_0).

    The values of a map in 3 x 3 places around each place, channel by channel, are averaged in equal parts to
    1,024 numbers; those of all maps, brought to the first one's resolution, in equal parts to ``channels``.
    """
    size = maps[0].shape[-2:]
    parts = []
    for x in maps:
        patches = F.unfold(x, NEIGHBOURHOOD, padding=NEIGHBOURHOOD // 2).transpose(1, 2)
        pooled = F.adaptive_avg_pool1d(patches, LAYER_CHANNELS)
        pooled = pooled.transpose(1, 2).unflatten(2, x.shape[-2:])
        parts.append(F.interpolate(pooled, size, mode="bilinear", align_corners=False))
    joined = torch.cat(parts, 1).flatten(2).transpose(1, 2)
    return F.adaptive_avg_pool1d(joined, channels).transpose(1, 2).unflatten(2, size)
