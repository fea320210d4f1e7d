"""Configuration keys of the image side of every model, each documented where its default stands."""

from __future__ import annotations

import torch
from detectron2.config import CfgNode


def add_pixel_config(cfg: CfgNode) -> None:
    """Set this collection's defaults of Detectron2's keys of every model."""
    cfg.MODEL.DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
    cfg.MODEL.WEIGHTS = ""
    # ImageNet statistics in BGR order (INPUT.FORMAT), 0 to 255.
    cfg.MODEL.PIXEL_MEAN = [103.53, 116.28, 123.675]
    cfg.MODEL.PIXEL_STD = [57.375, 57.12, 58.395]


def add_backbone_config(cfg: CfgNode) -> None:
    """Add the keys of the timm backbones, those of :func:`add_pixel_config` among them."""
    add_pixel_config(cfg)
    cfg.MODEL.TIMM = CfgNode()
    # Any timm network with features at strides 4, 8, 16 and 32.
    cfg.MODEL.TIMM.NAME = "dla34"
    # Published ImageNet weights from timm's cache or the hub; False starts from random weights.
    cfg.MODEL.TIMM.PRETRAINED = True
    # Local weights file instead; wins over PRETRAINED.
    cfg.MODEL.TIMM.WEIGHTS = ""
    # Stage widths for networks that take them (timm's ResNets); empty keeps the published ones.
    cfg.MODEL.TIMM.WIDTHS = []
    # BN, SyncBN, FrozenBN or GN; all but FrozenBN also hold for the aggregation's norms. SyncBN takes its
    # statistics over the batches of all GPUs.
    cfg.MODEL.TIMM.NORM = "BN"
    # Training keeps no activations inside the network's stages but computes them again for the gradient: less
    # memory, more time. Running statistics of BatchNorm then take in every batch twice.
    cfg.MODEL.TIMM.CHECKPOINT = False

    cfg.MODEL.IDA = CfgNode()
    # Channels of the aggregated maps: p2 to p5; three numbers are those of p3 to p5, two of p4 and p5.
    cfg.MODEL.IDA.CHANNELS = [64, 128, 256, 512]
