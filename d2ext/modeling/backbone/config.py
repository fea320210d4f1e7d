"""Configuration keys of the image side of every model, each documented where its default stands."""

from __future__ import annotations

import torch
from detectron2.config import CfgNode

from d2ext.checks import Expected, declare, declare_together, every, one_of, refuse, whole


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
    # Any timm network with features at strides 4, 8, 16 and 32; for build_timm_vit_backbone a plain vit_*.
    cfg.MODEL.TIMM.NAME = "dla34"
    # Published ImageNet weights from timm's cache or the hub; False starts from random weights.
    cfg.MODEL.TIMM.PRETRAINED = True
    # Name (d2ext://backbone/efficientnet_lite0 comes with this collection) or file of weights instead; wins
    # over PRETRAINED. They decide about PIXEL_MEAN, PIXEL_STD and INPUT.FORMAT.
    cfg.MODEL.TIMM.WEIGHTS = ""
    # Stage widths for networks that take them (timm's ResNets); empty keeps the published ones.
    cfg.MODEL.TIMM.WIDTHS = []
    # BN, SyncBN (statistics over the batches of all GPUs), FrozenBN or GN.
    cfg.MODEL.TIMM.NORM = "BN"
    # Everything up to the map of stride 2 ** FREEZE_AT stays as it is, its BatchNorm in evaluation: 1 freezes
    # the stem, 2 it and the stage of stride 4, 5 all, 0 nothing. Of a vit_* 1 freezes the embedding of
    # patches and positions, 1 + n also the first n blocks.
    cfg.MODEL.TIMM.FREEZE_AT = 0
    # Depthwise convolutions stay as they are too: a quarter to 40 % less time for a training step on a CPU.
    cfg.MODEL.TIMM.FREEZE_DEPTHWISE = False
    # Training keeps no activations inside the network's stages but computes them again for the gradient: less
    # memory, more time. Running statistics of BatchNorm then take in every batch twice.
    cfg.MODEL.TIMM.CHECKPOINT = False

    cfg.MODEL.IDA = CfgNode()
    # Channels of the aggregated maps: p2 to p5; three numbers are those of p3 to p5, two of p4 and p5.
    cfg.MODEL.IDA.CHANNELS = [64, 128, 256, 512]
    # BN, SyncBN or GN. Empty: MODEL.TIMM.NORM, or BN where that is FrozenBN.
    cfg.MODEL.IDA.NORM = ""

    # Of build_timm_vit_backbone: channels of each of the maps p2 to p5, and LN, GN, BN or SyncBN.
    cfg.MODEL.PYRAMID = CfgNode({"CHANNELS": 256, "NORM": "LN"})


declare(
    {
        "MODEL.TIMM.NORM": one_of("BN", "SyncBN", "FrozenBN", "GN"),
        "MODEL.TIMM.WIDTHS": every(whole(1)),
        "MODEL.TIMM.FREEZE_AT": whole(0),
        "MODEL.PYRAMID.CHANNELS": whole(1),
        "MODEL.PYRAMID.NORM": one_of("LN", "GN", "BN", "SyncBN"),
        "MODEL.IDA.NORM": one_of("", "BN", "SyncBN", "GN"),
        "MODEL.IDA.CHANNELS": Expected(
            "2 (p4, p5) to 4 (p2 to p5) whole numbers of at least 1",
            lambda x: 2 <= len(x) <= 4 and every(whole(1)).holds(x),
        ),
    }
)


def backbone_maps(cfg: CfgNode) -> dict[str, int] | None:
    """Names of the maps that the backbone will give, fine to coarse, with their strides; None: not known."""
    strides = {"p2": 4, "p3": 8, "p4": 16, "p5": 32}
    name = cfg.MODEL.BACKBONE.NAME
    if name == "build_timm_ida_backbone":
        return dict(list(strides.items())[-len(cfg.MODEL.IDA.CHANNELS) :])
    return strides if name in ("build_timm_backbone", "build_timm_vit_backbone") else None


def takes_group_norm(channels: int) -> bool:
    """Whether :func:`~d2ext.modeling.backbone.norms.group_norm` can be built."""
    return channels >= 8 and channels % min(32, channels // 8) == 0


def _check_timm(cfg: CfgNode) -> None:
    if backbone_maps(cfg) is None:
        return
    import timm

    name, ida = cfg.MODEL.TIMM.NAME, cfg.MODEL.BACKBONE.NAME == "build_timm_ida_backbone"
    if not timm.is_model(name):
        refuse("MODEL.TIMM.NAME", "a model of timm (timm.list_models() lists them)", name)
    channels = cfg.MODEL.IDA.CHANNELS
    norm = cfg.MODEL.IDA.NORM or cfg.MODEL.TIMM.NORM
    if ida and norm == "GN" and not all(map(takes_group_norm, channels)):
        refuse("MODEL.IDA.CHANNELS", "multiples of 8, from 256 on of 32, for the norm GN", channels)


declare_together({"MODEL.TIMM": _check_timm})
