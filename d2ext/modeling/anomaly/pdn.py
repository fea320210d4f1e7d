"""Patch description networks of EfficientAD.

Source: Batzner et al., "EfficientAD: Accurate Visual Anomaly Detection at Millisecond-Level Latencies", WACV
2024, appendix (tables of the layers).
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

FEATURES = 384  # channels of the published teacher
STRIDE = 4  # pixels between two features of a PDN
RECEPTIVE_FIELD = 33  # pixels that a feature sees along each side


@dataclass(frozen=True)
class _Conv:
    """A convolution of a PDN: kernel size, channels (None: those of the output), padding where the network
    pads."""

    kernel: int
    channels: int | None
    padding: int = 0


_POOL = None
_LAYERS: dict[str, tuple[_Conv | None, ...]] = {
    "small": (_Conv(4, 128, 3), _POOL, _Conv(4, 256, 3), _POOL, _Conv(3, 256, 1), _Conv(4, None)),
    "medium": (
        _Conv(4, 256, 3),
        _POOL,
        _Conv(4, 512, 3),
        _POOL,
        _Conv(1, 512),
        _Conv(3, 512, 1),
        _Conv(4, None),
        _Conv(1, None),
    ),
}
SIZES = tuple(_LAYERS)


SIZES = tuple(_LAYERS)


class PDN(nn.Sequential):
    """Describes every patch of 33 x 33 pixels of an image: a fully convolutional network of stride 4.

    Args:
        size: "small" (four convolutions) or "medium" (six).
        out_channels: channels of the description, in the medium network also of the layer before.
        width: share of the published channels in the other layers.
        padding: pad as published, so that an image of 256 x 256 pixels gives 64 x 64 descriptions; False
            gives 56 x 56, those of the patches that lie inside the image.

    Raises:
        ValueError: an unknown size.
    """

    def __init__(
        self, size: str, out_channels: int = FEATURES, width: float = 1.0, padding: bool = False
    ) -> None:
        if size not in _LAYERS:
            raise ValueError(f"PDN {size!r}: expected one of {', '.join(_LAYERS)}")
        layers: list[nn.Module] = []
        channels = 3
        for layer in _LAYERS[size]:
            if layer is None:
                layers.append(nn.AvgPool2d(2, stride=2, padding=int(padding)))
                continue
            layer_channels = out_channels if layer.channels is None else max(1, round(layer.channels * width))
            layers.append(nn.Conv2d(channels, layer_channels, layer.kernel, padding=layer.padding * padding))
            layers.append(nn.ReLU())
            channels = layer_channels
        super().__init__(*layers[:-1])  # the description itself is not rectified
        self.out_channels = out_channels
        #: The pixel at which the first feature begins to see the image; what lies before 0 is padding.
        self.first_pixel = -(RECEPTIVE_FIELD // 2) if padding else 0
        #: The pixel in the middle of what the first feature sees.
        self.middle_pixel = self.first_pixel + RECEPTIVE_FIELD // 2
