"""Configuration keys of TrajAD, each documented where its default stands."""

from __future__ import annotations

import torch
from detectron2.config import CfgNode

from d2ext.checks import declare, number, rising, whole
from d2ext.config import add_anomaly_data_config, add_d2ext_config
from d2ext.engine.config import add_engine_config


def add_trajad_config(cfg: CfgNode) -> None:
    """Add the shared keys of ``d2ext`` and those of TrajAD to Detectron2's defaults."""
    add_d2ext_config(cfg)
    add_anomaly_data_config(cfg)
    add_engine_config(cfg)

    cfg.MODEL.DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
    cfg.MODEL.META_ARCHITECTURE = "EfficientAD"
    cfg.MODEL.WEIGHTS = ""
    # ImageNet statistics in BGR order (INPUT.FORMAT), 0 to 255.
    cfg.MODEL.PIXEL_MEAN = [103.53, 116.28, 123.675]
    cfg.MODEL.PIXEL_STD = [57.375, 57.12, 58.395]

    cfg.MODEL.EFFICIENT_AD = CfgNode()
    # Patch description network of teacher and student: "small" (four convolutions) or "medium" (six).
    cfg.MODEL.EFFICIENT_AD.PDN = "small"
    # Share of the published channels, the teacher's 384 among them.
    cfg.MODEL.EFFICIENT_AD.WIDTH = 1.0
    # Pad in the PDN, so that patches at the border are looked at too.
    cfg.MODEL.EFFICIENT_AD.PADDING = False
    # Weights of the teacher, a .safetensors file of distill_teacher.py. Read when a training starts; from
    # then on the teacher is a part of the checkpoints.
    cfg.MODEL.EFFICIENT_AD.TEACHER = ""
    # The student learns from features whose squared difference is at least this quantile (published: p_hard).
    cfg.MODEL.EFFICIENT_AD.HARD_QUANTILE = 0.999
    # Quantiles of a map over normal images that are mapped to 0 and 0.1 (published: a and b).
    cfg.MODEL.EFFICIENT_AD.QUANTILES = [0.9, 0.995]
    # Share of normal images that may be called abnormal: the threshold is measured with the quantiles, on the
    # same images, as the least number above all scores but this share of them. 0: above the greatest.
    cfg.MODEL.EFFICIENT_AD.FALSE_ALARMS = 0.05

    # A score from here on is abnormal, and what reaches it in a heat map is a region that demo, prediction
    # and pictures report. None: the threshold that training has measured on held-out normal data, which is
    # in the checkpoint (MODEL.EFFICIENT_AD.FALSE_ALARMS); of one without it, 0.2.
    cfg.TEST.THRESHOLD = None
    # Write a picture of each evaluated image beside its heat map to heat_maps/ in the dataset's folder.
    cfg.TEST.HEAT_MAPS = False
    # Give the pixel figures of images at their own size too, beside those at INPUT.SIZE. Takes about a third
    # of a second more for each image of 1024 x 1024.
    cfg.TEST.ORIGINAL_SIZE = True

    cfg.MODEL.EFFICIENT_AD.BRANCH = CfgNode()
    # Second branch: "autoencoder" (as published), or attention: "softmax", "linear", "gated_linear".
    cfg.MODEL.EFFICIENT_AD.BRANCH.NAME = "linear"
    # Channels of its layers (published auto-encoder: 64).
    cfg.MODEL.EFFICIENT_AD.BRANCH.DIM = 64
    # Dropout in its decoder.
    cfg.MODEL.EFFICIENT_AD.BRANCH.DROPOUT = 0.2
    # Attention: blocks before the bottleneck and as many behind it, heads, and channels of a token in the
    # bottleneck.
    cfg.MODEL.EFFICIENT_AD.BRANCH.DEPTH = 2
    cfg.MODEL.EFFICIENT_AD.BRANCH.HEADS = 4
    cfg.MODEL.EFFICIENT_AD.BRANCH.CODE = 4


declare(
    {
        "MODEL.EFFICIENT_AD.WIDTH": number(above=0),
        "MODEL.EFFICIENT_AD.HARD_QUANTILE": number(0, 1),
        "MODEL.EFFICIENT_AD.QUANTILES": rising(number(0, 1)),
        "MODEL.EFFICIENT_AD.FALSE_ALARMS": number(0, 1),
        "TEST.THRESHOLD": number(above=0),
        "MODEL.EFFICIENT_AD.BRANCH.DROPOUT": number(0, 1),
        **{f"MODEL.EFFICIENT_AD.BRANCH.{name}": whole(1) for name in ("DIM", "HEADS", "CODE")},
        "MODEL.EFFICIENT_AD.BRANCH.DEPTH": whole(0),
    }
)
