"""Keys of EfficientAD, each documented where its default stands."""

from __future__ import annotations

from detectron2.config import CfgNode

from d2ext.checks import declare, declare_together, number, one_of, refuse, registered, rising, whole
from d2ext.modeling.anomaly.branch import ATTENTIONS, BRANCH_REGISTRY
from d2ext.modeling.anomaly.pdn import SIZES
from d2ext.modeling.backbone.config import add_pixel_config
from d2ext.moved_keys import moved


def add_anomaly_config(cfg: CfgNode) -> None:
    """Add the keys of EfficientAD."""
    add_pixel_config(cfg)
    cfg.MODEL.META_ARCHITECTURE = "EfficientAD"
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

    cfg.MODEL.EFFICIENT_AD.BRANCH = CfgNode()
    # Second branch: "autoencoder" (as published), or attention: "softmax", "linear", "gated_linear"; or what
    # is registered in d2ext.modeling.anomaly.branch.BRANCH_REGISTRY.
    cfg.MODEL.EFFICIENT_AD.BRANCH.NAME = "linear"
    # Channels of its layers (published auto-encoder: 64).
    cfg.MODEL.EFFICIENT_AD.BRANCH.DIM = 64
    # Dropout in its decoder.
    cfg.MODEL.EFFICIENT_AD.BRANCH.DROPOUT = 0.2
    # Attention: blocks before the bottleneck and as many behind it, heads, and channels of a token in the
    # bottleneck.
    cfg.MODEL.EFFICIENT_AD.BRANCH.DEPTH = 2
    cfg.MODEL.EFFICIENT_AD.BRANCH.ATTENTION_HEADS = 4
    cfg.MODEL.EFFICIENT_AD.BRANCH.CODE = 4


declare(
    {
        "MODEL.EFFICIENT_AD.PDN": one_of(*SIZES),
        "MODEL.EFFICIENT_AD.WIDTH": number(above=0),
        "MODEL.EFFICIENT_AD.HARD_QUANTILE": number(0, 1),
        "MODEL.EFFICIENT_AD.QUANTILES": rising(number(0, 1)),
        "MODEL.EFFICIENT_AD.FALSE_ALARMS": number(0, 1),
        "MODEL.EFFICIENT_AD.BRANCH.NAME": registered(BRANCH_REGISTRY),
        "MODEL.EFFICIENT_AD.BRANCH.DROPOUT": number(0, 1),
        **{f"MODEL.EFFICIENT_AD.BRANCH.{name}": whole(1) for name in ("DIM", "ATTENTION_HEADS", "CODE")},
        "MODEL.EFFICIENT_AD.BRANCH.DEPTH": whole(0),
    }
)


def _check_branch(cfg: CfgNode) -> None:
    b = cfg.MODEL.EFFICIENT_AD.BRANCH
    if b.NAME == "autoencoder" and b.DIM < 2:
        refuse("MODEL.EFFICIENT_AD.BRANCH.DIM", "at least 2", b.DIM)
    if b.NAME in ATTENTIONS and (b.DIM % 4 or b.DIM % b.ATTENTION_HEADS):
        divisors = f"a multiple of 4 and of BRANCH.ATTENTION_HEADS {b.ATTENTION_HEADS}"
        refuse("MODEL.EFFICIENT_AD.BRANCH.DIM", divisors, b.DIM)


declare_together({"MODEL.EFFICIENT_AD.BRANCH": _check_branch})
moved({"MODEL.EFFICIENT_AD.BRANCH.HEADS": "MODEL.EFFICIENT_AD.BRANCH.ATTENTION_HEADS"})
