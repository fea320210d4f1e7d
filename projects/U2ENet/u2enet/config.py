"""Configuration keys of U2ENet, each documented where its default stands."""

from __future__ import annotations

from detectron2.config import CfgNode

from d2ext.checks import Expected, declare, declare_together, every, number, one_of, refuse, some_of, whole
from d2ext.config import add_d2ext_config
from d2ext.engine.config import add_engine_config
from d2ext.modeling.backbone import add_backbone_config, backbone_maps, takes_group_norm
from d2ext.modeling.box3d_head import DEPTH_ESTIMATES


def add_u2enet_config(cfg: CfgNode) -> None:
    """Add the shared keys of ``d2ext`` and those of U2ENet to Detectron2's defaults."""
    add_d2ext_config(cfg)
    add_engine_config(cfg)
    add_backbone_config(cfg)

    cfg.MODEL.META_ARCHITECTURE = "U2ENet"
    cfg.MODEL.BACKBONE.NAME = "build_timm_ida_backbone"

    cfg.MODEL.TEXT = CfgNode()
    # Hugging Face encoder of any language: hub name, local folder, or d2ext://text/tiny.
    cfg.MODEL.TEXT.NAME = "roberta-base"
    # False starts from random weights on purpose.
    cfg.MODEL.TEXT.PRETRAINED = True
    # No gradients; features of every distinct sentence are computed once, in float32, and kept.
    cfg.MODEL.TEXT.FROZEN = True
    # Longest sentence in tokens; 0 takes the encoder's own limit.
    cfg.MODEL.TEXT.MAX_TOKENS = 0
    # Sentences whose features a frozen encoder keeps in memory.
    cfg.MODEL.TEXT.CACHE_SIZE = 20000
    # Folder where a frozen encoder keeps the features of every sentence for later runs and other processes,
    # 0.2 MB a sentence with RoBERTa-base; empty for none. encode_text.py fills it, or the first use does.
    cfg.MODEL.TEXT.CACHE_DIR = ""

    c = cfg.MODEL.U2ENET = CfgNode()
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
    # State and head size of the cross-modal SSM.
    c.STATE_DIM = 32
    c.FUSION_HEAD_DIM = 16
    # For comparison: leave the SSD blocks of the semantic filter out; fuse by "attention" (softmax
    # cross-attention) or "concat" (the mean word) in place of "ssm".
    c.SEMANTIC_FILTER = True
    c.FUSION = "ssm"
    # Hidden width of the box head, and bins of the observation angle.
    c.HEAD_DIM = 256
    c.ANGLE_BINS = 12
    # Ways to the depth that are fused: some of direct, height, ground, told.
    c.DEPTH_ESTIMATES = ["direct", "height", "ground", "told"]
    # BN, SyncBN or GN in fusion and head.
    c.NORM = "BN"
    # BatchNorm uses its running statistics in training too. For the last iterations on several cameras: a
    # batch holds images of one shape, so of one camera, while the running statistics are those of all.
    c.FREEZE_NORM_STATS = False
    # Extra training sentence of every image that refers to all its objects; empty for none.
    c.DETECTION_PROMPT = "all objects"
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
    # Sentences fused at a time in inference. On a CPU few are faster: large maps are new memory every time.
    c.SENTENCE_CHUNK = 4 if cfg.MODEL.DEVICE == "cpu" else 20

    # META_ARCHITECTURE "TwoStageGrounder": a detector without words, then matching of its U2ENET.TOPK best
    # boxes with the sentence. The other keys of U2ENET hold for both models, but STATE_DIM, FUSION_HEAD_DIM,
    # FUSION and DETECTION_PROMPT, which have no meaning here.
    t = cfg.MODEL.TWO_STAGE = CfgNode()
    # Width of a box, and heads of the attention among boxes and to the words.
    t.DIM = 128
    t.NUM_HEADS = 4
    # Cells a side in which a box is read from the map.
    t.POOL_SIZE = 4
    # In training a box stands for the labelled object that it fits best, if by at least this: the IoU of the
    # 2D boxes, or 1 / (1 + distance of the projected centres in cells of the finest map).
    t.MATCH_QUALITY = 0.5


declare(
    {
        "MODEL.TEXT.MAX_TOKENS": whole(0),
        "MODEL.TEXT.CACHE_SIZE": whole(0),
        **{f"MODEL.U2ENET.{name}": whole(1) for name in ("HEAD_DIM", "ANGLE_BINS", "TOPK", "SENTENCE_CHUNK")},
        **{f"MODEL.U2ENET.{name}": whole(1) for name in ("TEXT_DIM", "TEXT_STATE_DIM", "TEXT_HEAD_DIM")},
        **{f"MODEL.U2ENET.{name}": whole(1) for name in ("STATE_DIM", "FUSION_HEAD_DIM")},
        **{f"MODEL.U2ENET.{name}": number() for name in ("SCORE_THRESHOLD", "EXISTENCE_THRESHOLD")},
        "MODEL.U2ENET.DUPLICATE_IOU": number(0, 1),
        "MODEL.U2ENET.FUSION_DIMS": every(whole(1)),
        "MODEL.U2ENET.FUSION": one_of("ssm", "attention", "concat"),
        "MODEL.U2ENET.DEPTH_ESTIMATES": some_of(*DEPTH_ESTIMATES),
        "MODEL.U2ENET.REFINE_POINTS": Expected(
            "a whole number of at least 2, or 0 for none", lambda x: x == 0 or whole(2).holds(x)
        ),
        "MODEL.U2ENET.NORM": one_of("BN", "SyncBN", "GN"),
        "MODEL.U2ENET.LOSS_WEIGHTS": Expected(
            "numbers of at least 0", lambda x: all(number(0).holds(weight) for weight in x.values())
        ),
        **{f"MODEL.TWO_STAGE.{name}": whole(1) for name in ("DIM", "NUM_HEADS", "POOL_SIZE")},
        "MODEL.TWO_STAGE.MATCH_QUALITY": number(0, 1),
    }
)


def _check_together(cfg: CfgNode) -> None:
    c, t, maps = cfg.MODEL.U2ENET, cfg.MODEL.TWO_STAGE, backbone_maps(cfg)
    if maps is not None:
        _check_maps(c, maps)
    if not c.IN_FEATURES or len(c.FUSION_DIMS) != len(c.IN_FEATURES):
        refuse("MODEL.U2ENET.FUSION_DIMS", f"one for each of IN_FEATURES {c.IN_FEATURES}", c.FUSION_DIMS)
    if 2 * c.TEXT_DIM % c.TEXT_HEAD_DIM:
        refuse("MODEL.U2ENET.TEXT_HEAD_DIM", f"a divisor of 2 x TEXT_DIM {c.TEXT_DIM}", c.TEXT_HEAD_DIM)
    if cfg.MODEL.META_ARCHITECTURE == "TwoStageGrounder":
        if t.DIM % t.NUM_HEADS:
            refuse("MODEL.TWO_STAGE.DIM", f"a multiple of NUM_HEADS {t.NUM_HEADS}", t.DIM)
        return
    for dim in c.FUSION_DIMS:
        heads = dim // c.FUSION_HEAD_DIM if c.FUSION != "concat" else 1
        if not takes_group_norm(dim) or not heads or dim % heads:
            text = f"multiples of 8, from 256 on of 32, and of FUSION_HEAD_DIM {c.FUSION_HEAD_DIM}"
            refuse("MODEL.U2ENET.FUSION_DIMS", text, c.FUSION_DIMS)


def _check_maps(c: CfgNode, maps: dict[str, int]) -> None:
    strides = [maps.get(name, 0) for name in c.IN_FEATURES]
    if not strides or 0 in strides or strides != sorted(set(strides), reverse=True):
        refuse(
            "MODEL.U2ENET.IN_FEATURES", f"some of {', '.join(reversed(maps))} in this order", c.IN_FEATURES
        )
    fine = [name for name, stride in maps.items() if stride <= strides[-1]]
    if c.DETAIL_FEATURE and c.DETAIL_FEATURE not in fine:
        refuse("MODEL.U2ENET.DETAIL_FEATURE", f"one of {', '.join(fine)}, or nothing", c.DETAIL_FEATURE)


declare_together({"MODEL.U2ENET": _check_together})
