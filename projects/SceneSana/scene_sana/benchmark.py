"""SceneSana's parts by time: attention by tokens, steps of the networks, autoencoders."""

from __future__ import annotations

import argparse
from functools import partial

import torch
from detectron2.config import CfgNode, get_cfg

from d2ext.engine.benchmark import Clock, machine, milliseconds, write_table
from d2ext.modeling.generation.autoencoder import build_autoencoder
from d2ext.modeling.generation.denoisers import (
    DENOISER_REGISTRY,
    Denoiser,
    LinearAttentionProcessor,
    build_denoiser,
)
from d2ext.projects.scene_sana.config import add_scene_sana_config

TEXT, TEXT_DIM = 32, 128  # tokens of a caption, width of a feature
CODERS = {8: [16, 32, 64, 64], 16: [16, 32, 64, 64, 128], 32: [16, 32, 64, 64, 128, 128]}
CHANNELS = {8: 4, 16: 16, 32: 32}


@torch.no_grad()
def run(args: argparse.Namespace, clock: Clock) -> None:
    """What the command times; its arguments are the command's."""
    _attention(args, clock)
    _networks(args, clock)
    _autoencoders(args, clock)


def default_config() -> CfgNode:
    """The keys of the project at their defaults."""
    cfg = get_cfg()
    add_scene_sana_config(cfg)
    return cfg


def _inputs(tokens: int, channels: int) -> tuple[torch.Tensor, ...]:
    """Of one picture whose latents have so many cells, twice as wide as high where that goes."""
    height = 1
    while 2 * (2 * height) ** 2 <= tokens:
        height *= 2
    x = torch.randn(1, channels, height, tokens // height)
    mask = torch.ones(1, TEXT, dtype=torch.bool)
    return x, torch.full((1,), 500.0), torch.randn(1, TEXT, TEXT_DIM), mask


def _attention(args: argparse.Namespace, clock: Clock) -> None:
    """A step of Sana with linear attention, diffusers' and ours, and with softmax, by tokens."""
    from diffusers.models.attention_processor import AttnProcessor2_0

    cfg = default_config()
    channels = cfg.MODEL.AUTOENCODER.LATENT_CHANNELS
    kinds = {"linear": None, "linear, d2ext": LinearAttentionProcessor(), "softmax": AttnProcessor2_0()}
    networks: dict[str, Denoiser] = {}
    for name, processor in kinds.items():
        networks[name] = build_denoiser(cfg, channels, channels, TEXT_DIM).eval()
        for block in networks[name].network.transformer_blocks if processor else ():  # type: ignore[union-attr]
            block.attn1.set_processor(processor)
    rows = []
    for tokens in args.tokens:
        inputs = _inputs(tokens, channels)
        times = clock.alternate(*(partial(network, *inputs) for network in networks.values()))
        rows.append((f"{tokens:,}", *map(milliseconds, times), f"{times[2] / times[0]:.2f}"))
    head = ("tokens", *kinds, "softmax / linear")
    write_table(args.output / "scene_attention.md", machine(clock), head, rows)


def _networks(args: argparse.Namespace, clock: Clock) -> None:
    """A step of each network at the size of the configs."""
    cfg, (height, width) = default_config(), args.size
    channels = cfg.MODEL.AUTOENCODER.LATENT_CHANNELS
    inputs = _inputs(height * width // 16**2, channels)
    names = [name for name, _ in DENOISER_REGISTRY]
    networks = [DENOISER_REGISTRY.get(n)(cfg.MODEL.SCENE, channels, channels, TEXT_DIM).eval() for n in names]
    times = clock.alternate(*(partial(network, *inputs) for network in networks))
    rows = [
        (name, f"{sum(p.numel() for p in network.parameters()) / 1e6:.2f}", milliseconds(time))
        for name, network, time in zip(names, networks, times, strict=True)
    ]
    write_table(args.output / "scene_networks.md", machine(clock), ("network", "M parameters", "ms"), rows)


def _autoencoders(args: argparse.Namespace, clock: Clock) -> None:
    """Encoding and decoding of a picture by factor."""
    rows, (height, width) = [], args.size
    for factor, widths in CODERS.items():
        cfg = default_config()
        c = cfg.MODEL.AUTOENCODER
        c.WIDTHS, c.LAYERS = widths, [0, *[1] * (len(widths) - 2), 2]
        c.LATENT_CHANNELS, c.ATTENTION_STAGES = CHANNELS[factor], 1 if factor == 8 else 2
        coder = build_autoencoder(cfg).eval()
        image = torch.rand(1, 3, height, width) * 2 - 1
        there, back = clock.alternate(
            partial(coder.encode, image), partial(coder.decode, coder.encode(image))
        )
        tokens = height * width // factor**2
        rows.append((f"f{factor}c{CHANNELS[factor]}", f"{tokens:,}", milliseconds(there), milliseconds(back)))
    head = ("autoencoder", "tokens", "encode, ms", "decode, ms")
    write_table(args.output / "scene_autoencoders.md", machine(clock), head, rows)
