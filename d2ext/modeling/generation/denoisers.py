"""Networks that predict what a process asks of noised latents, given layout and text; blocks of diffusers.

Sources: ``Sana``: Xie et al., "SANA", ICLR 2025 (ReLU linear attention, Mix-FFN). ``DiT``: Peebles and Xie,
"Scalable Diffusion Models with Transformers", ICCV 2023, with the cross-attention to text of Chen et al.,
"PixArt-alpha", ICLR 2024 (softmax attention, positions). ``LDM``: Rombach et al., CVPR 2022, a U-Net.
"""

from __future__ import annotations

from typing import Any

import torch
from detectron2.config import CfgNode
from torch import Tensor, nn

from d2ext.layers.linear_attention import linear_attention
from d2ext.modeling.generation.parts import diffusers_class
from d2ext.registry import VariantRegistry

DENOISER_REGISTRY = VariantRegistry("MODEL.SCENE.DENOISER")


class Denoiser(nn.Module):
    """A network of diffusers under one signature.

    Args:
        network: takes the latents first, then the keywords of :meth:`forward`.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, times: Tensor, text: Tensor, mask: Tensor) -> Tensor:
        """x (B, C, H, W), times (B,), text (B, L, D) with mask (B, L) -> (B, out, H, W)."""
        return self.network(
            x, timestep=times, encoder_hidden_states=text, encoder_attention_mask=mask, return_dict=False
        )[0]


@DENOISER_REGISTRY.named("Sana")
def build_sana(c: CfgNode, channels: int, out_channels: int, text_dim: int) -> Denoiser:
    """Linear attention and Mix-FFN, without positions."""
    width = c.WIDTH
    network = diffusers_class("SanaTransformer2DModel")(
        in_channels=channels,
        out_channels=out_channels,
        num_attention_heads=c.HEADS,
        attention_head_dim=width // c.HEADS,
        num_layers=c.DEPTH,
        num_cross_attention_heads=c.CROSS_HEADS,
        cross_attention_head_dim=width // c.CROSS_HEADS,
        cross_attention_dim=width,
        caption_channels=text_dim,
        mlp_ratio=c.FFN_RATIO,
        sample_size=16,
        patch_size=1,
    )
    return Denoiser(network)


@DENOISER_REGISTRY.named("DiT")
def build_dit(c: CfgNode, channels: int, out_channels: int, text_dim: int) -> Denoiser:
    """Softmax attention and positions: PixArt's network; DiTTransformer2DModel takes square latents only."""
    width = c.WIDTH
    network = diffusers_class("PixArtTransformer2DModel")(
        in_channels=channels,
        out_channels=out_channels,
        num_attention_heads=c.HEADS,
        attention_head_dim=width // c.HEADS,
        num_layers=c.DEPTH,
        cross_attention_dim=width,
        caption_channels=text_dim,
        sample_size=16,
        patch_size=1,
        use_additional_conditions=False,
    )
    return Denoiser(network)


@DENOISER_REGISTRY.named("LDM")
def build_unet(c: CfgNode, channels: int, out_channels: int, text_dim: int) -> Denoiser:
    """A U-Net with cross-attention in all of its levels but the first."""
    widths = tuple(c.UNET_WIDTHS)
    deeper = len(widths) - 1
    network = diffusers_class("UNet2DConditionModel")(
        in_channels=channels,
        out_channels=out_channels,
        block_out_channels=widths,
        layers_per_block=1,
        down_block_types=("DownBlock2D", *("CrossAttnDownBlock2D",) * deeper),
        up_block_types=(*("CrossAttnUpBlock2D",) * deeper, "UpBlock2D"),
        cross_attention_dim=text_dim,
        attention_head_dim=c.HEADS,
        norm_num_groups=8,
    )
    return Denoiser(network)


def build_denoiser(cfg: CfgNode, channels: int, out_channels: int, text_dim: int) -> Denoiser:
    """What MODEL.SCENE describes.

    Args:
        channels: of the latents and what is concatenated to them.
        out_channels: of the latents.
        text_dim: of the captions' features.
    """
    return DENOISER_REGISTRY.get(cfg.MODEL.SCENE.DENOISER)(cfg.MODEL.SCENE, channels, out_channels, text_dim)


class LinearAttentionProcessor:
    """An attention processor of diffusers on :func:`d2ext.layers.linear_attention.linear_attention`, with the
    ReLU of Sana: ``network.set_attn_processor`` takes it in place of diffusers' own, whose result it has."""

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
    ) -> Tensor:
        """hidden_states (B, N, D) -> (B, N, D)."""
        parts = (layer(hidden_states) for layer in (attn.to_q, attn.to_k, attn.to_v))
        query, key, value = (part.unflatten(-1, (attn.heads, -1)).transpose(1, 2) for part in parts)
        found = linear_attention(query, key, value, features=torch.relu)
        return attn.to_out[1](attn.to_out[0](found.transpose(1, 2).flatten(2)))
