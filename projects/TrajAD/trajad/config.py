"""Configuration keys of TrajAD, each documented where its default stands."""

from __future__ import annotations

import torch
from detectron2.config import CfgNode

from d2ext.checks import declare, declare_together, number, one_of, refuse, rising, whole
from d2ext.config import add_anomaly_data_config, add_d2ext_config
from d2ext.engine.config import add_engine_config
from d2ext.modeling.anomaly_branch import ATTENTIONS
from d2ext.modeling.pdn import SIZES


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

    # What reaches this value in a heat map is a region that the demo, the stream and the pictures report.
    # Chosen without any anomaly: of held-out normal data one pixel in 200 is above 0.1 in each of the two
    # maps, and of SynthTraffic's normal graphs one in twenty has a score above 0.2.
    cfg.TEST.THRESHOLD = 0.2
    # Write a picture of each evaluated image beside its heat map to heat_maps/ in the dataset's folder.
    cfg.TEST.HEAT_MAPS = False

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
        "MODEL.EFFICIENT_AD.PDN": one_of(*SIZES),
        "MODEL.EFFICIENT_AD.WIDTH": number(above=0),
        "MODEL.EFFICIENT_AD.HARD_QUANTILE": number(0, 1),
        "MODEL.EFFICIENT_AD.QUANTILES": rising(number(0, 1)),
        "TEST.THRESHOLD": number(),
        "MODEL.EFFICIENT_AD.BRANCH.NAME": one_of("autoencoder", *ATTENTIONS),
        "MODEL.EFFICIENT_AD.BRANCH.DROPOUT": number(0, 1),
        **{f"MODEL.EFFICIENT_AD.BRANCH.{name}": whole(1) for name in ("DIM", "HEADS", "CODE")},
        "MODEL.EFFICIENT_AD.BRANCH.DEPTH": whole(0),
    }
)


def _check_branch(cfg: CfgNode) -> None:
    b = cfg.MODEL.EFFICIENT_AD.BRANCH
    if b.NAME == "autoencoder" and b.DIM < 2:
        refuse("MODEL.EFFICIENT_AD.BRANCH.DIM", "at least 2", b.DIM)
    if b.NAME != "autoencoder" and (b.DIM % 4 or b.DIM % b.HEADS):
        refuse("MODEL.EFFICIENT_AD.BRANCH.DIM", f"a multiple of 4 and of BRANCH.HEADS {b.HEADS}", b.DIM)


declare_together({"MODEL.EFFICIENT_AD.BRANCH": _check_branch})
