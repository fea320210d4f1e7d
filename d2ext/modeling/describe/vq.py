"""Image tokens: their encoder and decoder, and a pass through both that has gradients.

Transformers' ``JanusVQVAE.forward`` decodes from the numbers of the codes, through which no gradient comes.
Here the decoder gets the codes with the encoder's gradient (straight-through; van den Oord et al., "Neural
Discrete Representation Learning", NeurIPS 2017). Codes and latents are compared by their directions, as in
the tokenizer of the released weights (Sun et al., LlamaGen, 2024, section 2.1).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

_ENTROPY_TEMPERATURE = 0.1


class Quantised(NamedTuple):
    """B pictures of h x w tokens: latents and their codes as directions (B, h, w, C), the codes' numbers
    (B, h * w) and the cosines with all K codes (B, h, w, K)."""

    latents: Tensor
    codes: Tensor
    numbers: Tensor
    cosines: Tensor


def quantise(vqmodel: Any, pixels: Tensor) -> Quantised:
    """The nearest code at every place.

    Args:
        vqmodel: transformers' ``JanusVQVAE``.
        pixels: (B, 3, H, W) from -1 to 1.
    """
    latents = vqmodel.quant_conv(vqmodel.encoder(pixels)).permute(0, 2, 3, 1)
    latents = F.normalize(latents, dim=-1)
    table = F.normalize(vqmodel.quantize.embedding.weight, dim=-1)
    cosines = latents @ table.T
    numbers = cosines.argmax(-1)
    return Quantised(latents, F.embedding(numbers, table), numbers.flatten(1), cosines)


@torch.no_grad()
def image_tokens(vqmodel: Any, pixels: Tensor) -> Tensor:
    """Numbers of codes (B, N), row by row."""
    return quantise(vqmodel, pixels).numbers


def decode(vqmodel: Any, codes: Tensor) -> Tensor:
    """Pixels (B, 3, H, W) of codes (B, h, w, C)."""
    return vqmodel.decoder(vqmodel.post_quant_conv(codes.permute(0, 3, 1, 2).contiguous()))


def straight_through(found: Quantised) -> Tensor:
    """The codes, with the gradient of the latents."""
    return found.latents + (found.codes - found.latents).detach()


def vq_losses(vqmodel: Any, pixels: Tensor, commitment: float, entropy: float) -> dict[str, Tensor]:
    """Losses of pictures (B, 3, H, W) from -1 to 1: ``loss_pixels`` (mean absolute difference),
    ``loss_codes`` (codes to their latents, latents to their codes) and ``loss_entropy``."""
    found = quantise(vqmodel, pixels)
    drawn = decode(vqmodel, straight_through(found))
    to_codes = F.mse_loss(found.latents, found.codes.detach())
    to_latents = F.mse_loss(found.codes, found.latents.detach())
    return {
        "loss_pixels": F.l1_loss(drawn, pixels),
        "loss_codes": to_latents + commitment * to_codes,
        "loss_entropy": entropy * _entropy_gap(found.cosines.flatten(0, -2)),
    }


def _entropy_gap(cosines: Tensor) -> Tensor:
    """Mean entropy of the choice of each place less that of all, in nats; (P, K) -> ()."""
    shares = (cosines / _ENTROPY_TEMPERATURE).softmax(-1)
    each = -(shares * (shares + 1e-9).log()).sum(-1).mean()
    mean = shares.mean(0)
    return each + (mean * (mean + 1e-9).log()).sum()
