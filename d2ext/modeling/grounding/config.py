"""Keys of the models that ground sentences in images, each documented where its default stands."""

from __future__ import annotations

from detectron2.config import CfgNode

from d2ext.checks import (
    Expected,
    declare,
    declare_together,
    every,
    number,
    one_of,
    refuse,
    registered,
    whole,
)
from d2ext.identity import machine_keys
from d2ext.modeling.backbone import add_backbone_config, backbone_maps, takes_group_norm
from d2ext.modeling.box3d.config import add_box_head_config, add_classes_config, box_head_keys
from d2ext.modeling.box3d.head import DEPTH_ESTIMATES
from d2ext.modeling.box3d.plane import add_plane_config
from d2ext.modeling.grounding.fusion import FUSION_REGISTRY
from d2ext.modeling.text.config import add_text_config
from d2ext.modeling.text.pooling import POOLING_REGISTRY
from d2ext.moved_keys import moved


def add_grounding_config(cfg: CfgNode) -> None:
    """Add the keys of U2ENet and of the two-stage model, with those of backbones, classes and text."""
    add_backbone_config(cfg)
    add_classes_config(cfg)
    add_plane_config(cfg)
    add_text_config(cfg)
    cfg.MODEL.META_ARCHITECTURE = "U2ENet"
    cfg.MODEL.BACKBONE.NAME = "build_timm_ida_backbone"
    _add_shared(cfg)

    c = cfg.MODEL.U2ENET = CfgNode()
    # How words steer a map: "ssm"; for comparison "attention" (softmax cross-attention) or "concat" (the mean
    # word); or what is registered in d2ext.modeling.grounding.fusion.FUSION_REGISTRY.
    c.FUSION = "ssm"
    # State and head size of the cross-modal SSM.
    c.STATE_DIM = 32
    c.FUSION_HEAD_DIM = 16
    # Extra training sentence of every image that refers to all its objects; empty for none.
    c.DETECTION_PROMPT = "all objects"

    # META_ARCHITECTURE "TwoStageGrounder": a detector without words, then matching of its GROUNDING.TOPK best
    # boxes with the sentence.
    t = cfg.MODEL.TWO_STAGE = CfgNode()
    # Width of a box, and heads of the attention among boxes and to the words.
    t.DIM = 128
    t.ATTENTION_HEADS = 4
    # Cells a side in which a box is read from the map.
    t.POOL_SIZE = 4
    # In training a box stands for the labelled object that it fits best, if by at least this: the IoU of the
    # 2D boxes, or 1 / (1 + distance of the projected centres in cells of the finest map).
    t.MATCH_QUALITY = 0.5


def _add_shared(cfg: CfgNode) -> None:
    c = cfg.MODEL.GROUNDING = CfgNode()
    # Maps that are fused, coarse to fine: one semantic level each.
    c.IN_FEATURES = ["p5", "p4", "p3"]
    # Width of the fusion at each of them.
    c.FUSION_DIMS = [128, 96, 48]
    # Map that the box head reads beside the fused one, as it was before fusion; empty for none.
    c.DETAIL_FEATURE = "p2"
    # Points along each side of a box at which that map is read again to correct the box; 0 for no correction.
    c.REFINE_POINTS = 5
    # Width of the semantic levels; state and head size of their SSD blocks.
    c.TEXT_DIM = 128
    c.TEXT_STATE_DIM = 32
    c.TEXT_HEAD_DIM = 32
    # For comparison: leave the SSD blocks of the semantic filter out.
    c.SEMANTIC_FILTER = True
    # How a sentence becomes one vector: "heads", or what is registered in
    # d2ext.modeling.text.pooling.POOLING_REGISTRY.
    c.POOLING = "heads"
    add_box_head_config(c, DEPTH_ESTIMATES)
    # BN, SyncBN or GN in fusion and head.
    c.NORM = "BN"
    # BatchNorm uses its running statistics in training too. For the last iterations on several cameras: a
    # batch holds images of one shape, so of one camera, while the running statistics are those of all.
    c.FREEZE_NORM_STATS = False
    # Weights of the losses by name.
    c.LOSS_WEIGHTS = CfgNode(
        {
            "loss_heatmap": 1.0,
            "loss_select": 1.0,
            "loss_exist": 1.0,
            "loss_class": 0.5,
            "loss_box": 0.5,
            "loss_center": 1.0,
            "loss_size": 5.0,
            "loss_angle": 1.0,
            "loss_depth": 1.0,
        }
    )
    # Peaks of a heat map that are looked at.
    c.TOPK = 50
    # Least score of an answer when a sentence may have any number of targets.
    c.SCORE_THRESHOLD = 0.3
    # Least score of its best answer, or it has none: a stray box costs more where nothing is meant.
    c.EXISTENCE_THRESHOLD = 0.0
    # Two answers to a sentence that overlap more than this seen from above are one.
    c.DUPLICATE_IOU = 0.2
    # Exactly one answer a sentence, where the dataset does not say.
    c.SINGLE_TARGET = False
    # Sentences fused at a time in inference; 0: 4 on a CPU, where large maps are new memory every time, else
    # 20.
    c.SENTENCE_CHUNK = 0


_SIZES = ("TOPK", "TEXT_DIM", "TEXT_STATE_DIM", "TEXT_HEAD_DIM")
declare(
    {
        **{f"MODEL.GROUNDING.{name}": whole(1) for name in _SIZES},
        **{f"MODEL.GROUNDING.{name}": number() for name in ("SCORE_THRESHOLD", "EXISTENCE_THRESHOLD")},
        "MODEL.GROUNDING.SENTENCE_CHUNK": whole(0),
        "MODEL.GROUNDING.DUPLICATE_IOU": number(0, 1),
        "MODEL.GROUNDING.FUSION_DIMS": every(whole(1)),
        "MODEL.GROUNDING.REFINE_POINTS": Expected(
            "a whole number of at least 2, or 0 for none", lambda x: x == 0 or whole(2).holds(x)
        ),
        "MODEL.GROUNDING.POOLING": registered(POOLING_REGISTRY),
        **box_head_keys("MODEL.GROUNDING"),
        "MODEL.GROUNDING.NORM": one_of("BN", "SyncBN", "GN"),
        "MODEL.GROUNDING.LOSS_WEIGHTS": Expected(
            "numbers of at least 0", lambda x: all(number(0).holds(weight) for weight in x.values())
        ),
        "MODEL.U2ENET.FUSION": registered(FUSION_REGISTRY),
        "MODEL.U2ENET.STATE_DIM": whole(1),
        "MODEL.U2ENET.FUSION_HEAD_DIM": whole(1),
        **{f"MODEL.TWO_STAGE.{name}": whole(1) for name in ("DIM", "ATTENTION_HEADS", "POOL_SIZE")},
        "MODEL.TWO_STAGE.MATCH_QUALITY": number(0, 1),
    }
)


def _check_together(cfg: CfgNode) -> None:
    c, u, t, maps = cfg.MODEL.GROUNDING, cfg.MODEL.U2ENET, cfg.MODEL.TWO_STAGE, backbone_maps(cfg)
    if maps is not None:
        _check_maps(c, maps)
    if not c.IN_FEATURES or len(c.FUSION_DIMS) != len(c.IN_FEATURES):
        refuse("MODEL.GROUNDING.FUSION_DIMS", f"one for each of IN_FEATURES {c.IN_FEATURES}", c.FUSION_DIMS)
    if 2 * c.TEXT_DIM % c.TEXT_HEAD_DIM:
        refuse("MODEL.GROUNDING.TEXT_HEAD_DIM", f"a divisor of 2 x TEXT_DIM {c.TEXT_DIM}", c.TEXT_HEAD_DIM)
    if cfg.MODEL.META_ARCHITECTURE == "TwoStageGrounder":
        if t.DIM % t.ATTENTION_HEADS:
            refuse("MODEL.TWO_STAGE.DIM", f"a multiple of ATTENTION_HEADS {t.ATTENTION_HEADS}", t.DIM)
        return
    for dim in c.FUSION_DIMS:
        heads = dim // u.FUSION_HEAD_DIM if u.FUSION in ("ssm", "attention") else 1
        if not takes_group_norm(dim) or not heads or dim % heads:
            text = f"multiples of 8, from 256 on of 32, and of FUSION_HEAD_DIM {u.FUSION_HEAD_DIM}"
            refuse("MODEL.GROUNDING.FUSION_DIMS", text, c.FUSION_DIMS)


def _check_maps(c: CfgNode, maps: dict[str, int]) -> None:
    strides = [maps.get(name, 0) for name in c.IN_FEATURES]
    if not strides or 0 in strides or strides != sorted(set(strides), reverse=True):
        names = f"some of {', '.join(reversed(maps))} in this order"
        refuse("MODEL.GROUNDING.IN_FEATURES", names, c.IN_FEATURES)
    fine = [name for name, stride in maps.items() if stride <= strides[-1]]
    if c.DETAIL_FEATURE and c.DETAIL_FEATURE not in fine:
        refuse("MODEL.GROUNDING.DETAIL_FEATURE", f"one of {', '.join(fine)}, or nothing", c.DETAIL_FEATURE)


declare_together({"MODEL.GROUNDING": _check_together})
machine_keys("MODEL.GROUNDING.SENTENCE_CHUNK")
moved(
    {
        f"MODEL.U2ENET.{name}": f"MODEL.GROUNDING.{name}"
        for name in (
            "IN_FEATURES", "FUSION_DIMS", "DETAIL_FEATURE", "REFINE_POINTS", "TEXT_DIM", "TEXT_STATE_DIM",
            "TEXT_HEAD_DIM", "SEMANTIC_FILTER", "HEAD_DIM", "ANGLE_BINS", "DEPTH_ESTIMATES", "NORM",
            "FREEZE_NORM_STATS", "LOSS_WEIGHTS", "TOPK", "SCORE_THRESHOLD", "EXISTENCE_THRESHOLD",
            "DUPLICATE_IOU", "SINGLE_TARGET", "SENTENCE_CHUNK",
        )
    }
    | {
        f"MODEL.U2ENET.LOSS_WEIGHTS.loss_{name}": f"MODEL.GROUNDING.LOSS_WEIGHTS.loss_{name}"
        for name in ("heatmap", "select", "exist", "class", "box", "center", "size", "angle", "depth")
    }
    | {"MODEL.TWO_STAGE.NUM_HEADS": "MODEL.TWO_STAGE.ATTENTION_HEADS"}
)  # fmt: skip
