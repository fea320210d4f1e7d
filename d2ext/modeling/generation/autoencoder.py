"""Autoencoders between images and latents, by the names of their classes in diffusers.

``AutoencoderDC``: Chen et al., "Deep Compression Autoencoder for Efficient High-Resolution Diffusion Models",
ICLR 2025. ``AutoencoderKL``: Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models",
CVPR 2022, a variational one.
"""

from __future__ import annotations

import torch
from detectron2.config import CfgNode
from torch import Tensor, nn

from d2ext.modeling.generation.parts import diffusers_class
from d2ext.registry import VariantRegistry

AUTOENCODER_REGISTRY = VariantRegistry("MODEL.AUTOENCODER.NAME")


class Autoencoder(nn.Module):
    """Images (B, 3, H, W) from -1 to 1 <-> latents (B, C, H / factor, W / factor).

    Args:
        network: of diffusers.
        channels: C.
        factor: by which sides shrink.
        variational: the network's encoder gives mean and logarithm of the variance, one after the other.
    """

    def __init__(self, network: nn.Module, channels: int, factor: int, variational: bool = False) -> None:
        super().__init__()
        self.network, self.channels, self.factor = network, channels, factor
        self.variational = variational

    def moments(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Mean and logarithm of the variance of the latents; None where they are certain."""
        encode, quant = self.network.encoder, getattr(self.network, "quant_conv", None)
        found = encode(images)  # type: ignore[operator]
        found = found if quant is None else quant(found)
        if not self.variational:
            return found, None
        mean, log_variance = found.chunk(2, 1)
        return mean, log_variance.clamp(-30, 20)

    def encode(self, images: Tensor) -> Tensor:
        """The (mean) latents."""
        return self.moments(images)[0]

    def decode(self, latents: Tensor) -> Tensor:
        """The images, which may go a little beyond [-1, 1]."""
        return self.network.decode(latents, return_dict=False)[0]  # type: ignore[operator]


def kl_to_standard(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL divergence of Gaussians with independent components to the standard one, (B, ...) -> (B,), in nats
    (Kingma and Welling, "Auto-Encoding Variational Bayes", 2014, appendix B)."""
    terms = mean.square() + log_variance.exp() - 1 - log_variance
    return terms.flatten(1).sum(1) / 2


def drawn(mean: Tensor, log_variance: Tensor | None) -> Tensor:
    """A draw from the Gaussians, through which gradients flow; the mean where it is certain."""
    if log_variance is None:
        return mean
    return mean + (log_variance / 2).exp() * torch.randn_like(mean)


def build_autoencoder(cfg: CfgNode) -> Autoencoder:
    """What MODEL.AUTOENCODER describes."""
    return AUTOENCODER_REGISTRY.get(cfg.MODEL.AUTOENCODER.NAME)(cfg.MODEL.AUTOENCODER)


@AUTOENCODER_REGISTRY.named("AutoencoderDC")
def build_deep_compression(c: CfgNode) -> Autoencoder:
    """Residual blocks, and at the coarse end blocks of multi-scale linear attention."""
    stages, attentive = len(c.WIDTHS), c.ATTENTION_STAGES
    kinds = ("ResBlock",) * (stages - attentive) + ("EfficientViTBlock",) * attentive
    scales = ((),) * (stages - attentive) + ((5,),) * attentive
    network = diffusers_class("AutoencoderDC")(
        latent_channels=c.LATENT_CHANNELS,
        attention_head_dim=c.ATTENTION_HEAD_DIM,
        encoder_block_types=kinds,
        decoder_block_types=kinds,
        encoder_block_out_channels=tuple(c.WIDTHS),
        decoder_block_out_channels=tuple(c.WIDTHS),
        encoder_layers_per_block=tuple(c.LAYERS),
        decoder_layers_per_block=tuple(c.LAYERS),
        encoder_qkv_multiscales=scales,
        decoder_qkv_multiscales=scales,
        downsample_block_type="Conv",
        upsample_block_type="interpolate",
    )
    return Autoencoder(network, c.LATENT_CHANNELS, 2 ** (stages - 1))


@AUTOENCODER_REGISTRY.named("AutoencoderKL")
def build_variational(c: CfgNode) -> Autoencoder:
    """The convolutional one of LDM, with attention at its coarse end."""
    stages = len(c.WIDTHS)
    network = diffusers_class("AutoencoderKL")(
        down_block_types=("DownEncoderBlock2D",) * stages,
        up_block_types=("UpDecoderBlock2D",) * stages,
        block_out_channels=tuple(c.WIDTHS),
        layers_per_block=max(1, max(c.LAYERS)),
        latent_channels=c.LATENT_CHANNELS,
        norm_num_groups=8,
    )
    return Autoencoder(network, c.LATENT_CHANNELS, 2 ** (stages - 1), variational=True)
