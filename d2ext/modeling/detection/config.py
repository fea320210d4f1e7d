"""Configuration keys of the 3D detectors, each documented where its default stands."""

from __future__ import annotations

from detectron2.config import CfgNode

from d2ext.checks import (
    Expected,
    declare,
    declare_together,
    number,
    one_of,
    refuse,
    registered,
    some_of,
    whole,
)
from d2ext.modeling.backbone import add_backbone_config, backbone_maps
from d2ext.modeling.box3d.config import add_box_head_config, add_classes_config, box_head_keys
from d2ext.modeling.box3d.plane import add_plane_config
from d2ext.modeling.detection.diffusion import SAMPLER_REGISTRY, SCHEDULES
from d2ext.modeling.detection.matching import MATCHER_REGISTRY
from d2ext.modeling.detection.memory import ATTENTION_REGISTRY
from d2ext.modeling.detection.selection import QUERY_REGISTRY


def add_detection3d_config(cfg: CfgNode) -> None:
    """Add the keys of DiffusionDet3D, SparseRCNN3D and DETR3D, of the backbones and of the classes, to
    Detectron2's defaults, which become those of a ResNet-50 with FPN."""
    add_backbone_config(cfg)
    add_classes_config(cfg)
    add_plane_config(cfg)
    cfg.MODEL.META_ARCHITECTURE = "DiffusionDet3D"
    cfg.MODEL.BACKBONE.NAME = "build_resnet_fpn_backbone"
    cfg.MODEL.RESNETS.OUT_FEATURES = ["res2", "res3", "res4", "res5"]
    cfg.MODEL.FPN.IN_FEATURES = ["res2", "res3", "res4", "res5"]
    _add_shared(cfg)
    _add_diffusion(cfg)
    _add_detr(cfg)


def _add_shared(cfg: CfgNode) -> None:
    c = cfg.MODEL.DETECTION3D = CfgNode()
    # Maps of the backbone that boxes are read from, fine to coarse, each twice as coarse as the one before.
    # DETR3D with dense attention reads MODEL.DETR.IN_FEATURE instead.
    c.IN_FEATURES = ["p2", "p3", "p4", "p5"]
    # Boxes an image: learned ones, or in DiffusionDet3D those of training (any number may be tested).
    c.NUM_BOXES = 50
    # Heads of the decoder, each refining the boxes of the one before (DETR3D: MODEL.DETR.DECODER_LAYERS).
    c.NUM_HEADS = 6
    # Width of a box's feature; a multiple of 8.
    c.HIDDEN_DIM = 256
    # Heads of the attention among boxes and width of the feed-forward layers (DETR3D has its own).
    c.ATTENTION_HEADS = 8
    c.FFN_DIM = 2048
    # Cells a side in which a box is read from its map, and inner width of the two dynamic layers on them.
    c.POOL_SIZE = 7
    c.DYNAMIC_DIM = 64
    add_box_head_config(c, ["direct", "height", "ground"])
    # Which boxes learn which object: "dynamic_k" (several for one) or "hungarian" (one for one).
    c.MATCHER = "dynamic_k"
    # What a pair of a box and an object costs: focal class cost, L1 distance of the boxes and of the
    # projected 3D centres (both in image sizes), 1 - GIoU.
    c.COSTS = CfgNode({"class": 2.0, "l1": 5.0, "giou": 2.0, "center": 0.0})
    # Weights of the losses by name. loss_l1 is that of the boxes in image sizes, loss_box GIoU and log size.
    c.LOSS_WEIGHTS = CfgNode(
        {
            "loss_class": 2.0,
            "loss_l1": 5.0,
            "loss_box": 2.0,
            "loss_center": 2.0,
            "loss_size": 2.0,
            "loss_angle": 1.0,
            "loss_depth": 1.0,
        }
    )
    # Least score of a detection.
    c.SCORE_THRESHOLD = 0.05


_SIZES = (
    "NUM_BOXES", "NUM_HEADS", "HIDDEN_DIM", "ATTENTION_HEADS", "FFN_DIM", "POOL_SIZE", "DYNAMIC_DIM",
)  # fmt: skip
declare(
    {
        **{f"MODEL.DETECTION3D.{name}": whole(1) for name in _SIZES},
        "MODEL.DETECTION3D.SCORE_THRESHOLD": number(),
        **box_head_keys("MODEL.DETECTION3D"),
        "MODEL.DETECTION3D.MATCHER": registered(MATCHER_REGISTRY),
        "MODEL.DETECTION3D.COSTS": Expected(
            "numbers of at least 0", lambda x: all(number(0).holds(weight) for weight in x.values())
        ),
        "MODEL.DETECTION3D.LOSS_WEIGHTS": Expected(
            "numbers of at least 0", lambda x: all(number(0).holds(weight) for weight in x.values())
        ),
        "MODEL.DIFFUSION.TIMESTEPS": whole(1),
        "MODEL.DIFFUSION.STEPS": whole(1),
        "MODEL.DIFFUSION.SCHEDULE": one_of(*SCHEDULES),
        "MODEL.DIFFUSION.SAMPLER": registered(SAMPLER_REGISTRY),
        "MODEL.DIFFUSION.SMALLEST": Expected("a number of at least 0 and less than 1", lambda x: 0 <= x < 1),
        "MODEL.DIFFUSION.SCALE": number(above=0),
        "MODEL.DIFFUSION.RENEWAL_THRESHOLD": number(),
        "MODEL.DIFFUSION.NMS_THRESHOLD": number(0, 1),
        **{
            f"MODEL.DETR.{name}": whole(1)
            for name in ("DECODER_LAYERS", "ATTENTION_HEADS", "FFN_DIM", "POINTS", "CELL_DIM")
        },
        "MODEL.DETR.ATTENTION": registered(ATTENTION_REGISTRY),
        "MODEL.DETR.QUERIES": registered(QUERY_REGISTRY),
        "MODEL.DETR.CELL_MATCHER": registered(MATCHER_REGISTRY),
        "MODEL.DETR.ENCODER_LAYERS": whole(0),
        "MODEL.DETR.DENOISING": whole(0),
        "MODEL.DETR.BOX_NOISE": number(above=0),
        "MODEL.DETR.LABEL_NOISE": number(0, 1),
    }
)


def _add_diffusion(cfg: CfgNode) -> None:
    c = cfg.MODEL.DIFFUSION = CfgNode()
    # Noise levels, and their schedule by the name that diffusers has for it.
    c.TIMESTEPS = 1000
    c.SCHEDULE = "squaredcos_cap_v2"
    # Box coordinates are scaled to -SCALE ... SCALE: the larger, the less noise.
    c.SCALE = 2.0
    # Sides from SMALLEST to 1, in image sizes, are noised in their logarithm; 0 noises the sides themselves,
    # as published.
    c.SMALLEST = 0.0
    # "ddim" or "dpm_solver++" (second order), and its steps.
    c.SAMPLER = "ddim"
    c.STEPS = 1
    # After a step, boxes whose score is below the threshold start again from noise.
    c.RENEWAL = True
    c.RENEWAL_THRESHOLD = 0.5
    # Answer with the boxes of all steps instead of the last one's.
    c.ENSEMBLE = True
    # Of two boxes of a class that overlap more than this in the image, the better stays.
    c.NMS_THRESHOLD = 0.5
    # Seed of the noise in evaluation. Every image gets the same noise, so its answer can be repeated and does
    # not depend on the images beside it.
    c.SEED = 0


def _add_detr(cfg: CfgNode) -> None:
    c = cfg.MODEL.DETR = CfgNode()
    # How cells and boxes attend: "dense", to all cells of one map, as published, or "deformable", to a few
    # points of each of MODEL.DETECTION3D.IN_FEATURES.
    c.ATTENTION = "dense"
    # Dense: map whose cells attend to each other; memory and time are quadratic in their number. The last
    # map of a backbone without aggregation (res5 of Detectron2's ResNets, p5 of build_timm_backbone) leaves
    # none of its parameters without a gradient.
    c.IN_FEATURE = "p5"
    # Deformable: points of each map that a head of the attention reads.
    c.POINTS = 4
    # Layers. Deformable attention may do without an encoder: its maps come from an aggregating backbone.
    c.ENCODER_LAYERS = 6
    c.DECODER_LAYERS = 6
    # Heads of every attention and width of the feed-forward layers.
    c.ATTENTION_HEADS = 8
    c.FFN_DIM = 2048
    # What the queries begin as. "learned": boxes and features of the model, as published. "encoder": boxes
    # and features of the cells that look most like objects; "mixed": their boxes and learned features.
    # Both want deformable attention.
    c.QUERIES = "learned"
    # Hidden width of the cells' box head; there are many cells.
    c.CELL_DIM = 64
    # Which cells learn which object, as MODEL.DETECTION3D.MATCHER.
    c.CELL_MATCHER = "dynamic_k"
    # Queries an image, about, that are labelled boxes with noise; 0: none, as published.
    c.DENOISING = 0
    # How far their corners move, in half widths and heights (those that are to be no object up to twice as
    # far), and the share that begins as another class.
    c.BOX_NOISE = 1.0
    c.LABEL_NOISE = 0.25


def _check_together(cfg: CfgNode) -> None:
    c, maps, of_detr = cfg.MODEL.DETECTION3D, backbone_maps(cfg), cfg.MODEL.META_ARCHITECTURE == "DETR3D"
    heads, key = (
        (cfg.MODEL.DETR.ATTENTION_HEADS, "MODEL.DETR.ATTENTION_HEADS")
        if of_detr
        else (c.ATTENTION_HEADS, "MODEL.DETECTION3D.ATTENTION_HEADS")
    )
    if c.HIDDEN_DIM % 8 or c.HIDDEN_DIM % heads:
        refuse("MODEL.DETECTION3D.HIDDEN_DIM", f"a multiple of 8 and of {key} {heads}", c.HIDDEN_DIM)
    if cfg.MODEL.DIFFUSION.STEPS > cfg.MODEL.DIFFUSION.TIMESTEPS:
        steps = f"at most MODEL.DIFFUSION.TIMESTEPS {cfg.MODEL.DIFFUSION.TIMESTEPS}"
        refuse("MODEL.DIFFUSION.STEPS", steps, cfg.MODEL.DIFFUSION.STEPS)
    if of_detr:
        _check_detr(cfg)
    if maps is None:
        return
    key, names = "MODEL.DETECTION3D.IN_FEATURES", c.IN_FEATURES
    if of_detr:
        names, key = ATTENTION_REGISTRY.get(cfg.MODEL.DETR.ATTENTION).maps(cfg)
    if not some_of(*maps).holds(names):
        one = key == "MODEL.DETR.IN_FEATURE"
        refuse(key, (one_of if one else some_of)(*maps).text, names[0] if one else names)


def _check_detr(cfg: CfgNode) -> None:
    t = cfg.MODEL.DETR
    if t.ATTENTION == "dense" and t.ENCODER_LAYERS < 1:
        refuse("MODEL.DETR.ENCODER_LAYERS", "at least 1 with MODEL.DETR.ATTENTION dense", t.ENCODER_LAYERS)
    if t.ATTENTION == "dense" and t.QUERIES != "learned":
        refuse("MODEL.DETR.QUERIES", "learned with MODEL.DETR.ATTENTION dense", t.QUERIES)


declare_together({"MODEL.DETECTION3D": _check_together})
