"""A discriminator of patches, for autoencoders whose pictures are to be sharp.

Sources: patches: Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017;
hinge losses: Lim and Ye, "Geometric GAN", 2017.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PatchDiscriminator(nn.Module):
    """Images (B, 3, H, W) -> (B, 1, h, w), large where a patch looks real.

    Args:
        width: channels of the first layer; they double twice.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        for _ in range(2):
            layers += [
                nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False),
                nn.GroupNorm(8, 2 * width),
                nn.LeakyReLU(0.2),
            ]
            width *= 2
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, 1, 3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Scores of patches."""
        return self.layers(images)

    def losses(self, images: Tensor, rebuilt: Tensor) -> tuple[Tensor, Tensor]:
        """The hinge loss, which moves the discriminator alone, and the adversarial one, which moves what made
        ``rebuilt`` alone: so both can be summed and one optimizer moves both sides."""
        real, fake = self(images), self(rebuilt.detach())
        hinge = (F.relu(1 - real).mean() + F.relu(1 + fake).mean()) / 2
        fixed = {name: value.detach() for name, value in self.named_parameters()}
        return hinge, -torch.func.functional_call(self, fixed, (rebuilt,)).mean()
