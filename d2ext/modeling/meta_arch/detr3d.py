"""DETR with 3D boxes: a transformer over the cells of one map, and boxes that attend to them."""

from __future__ import annotations

from typing import Any

from detectron2.config import CfgNode, configurable
from detectron2.modeling import META_ARCH_REGISTRY

from d2ext.modeling.box3d.config import build_box_head
from d2ext.modeling.box3d.images import VIEW_DIM
from d2ext.modeling.box3d.plane import build_plane_head
from d2ext.modeling.detection.decoder import BoxDecoder, DecoderHead
from d2ext.modeling.detection.detector import CLASS_BIAS, map_channels, shared_parts
from d2ext.modeling.detection.learned import LearnedBoxDetector
from d2ext.modeling.detection.memory import MemoryAttention, MemoryEncoder


@META_ARCH_REGISTRY.register()
class DETR3D(LearnedBoxDetector):
    """DETR (Carion et al., ECCV 2020) with the 3D head of this collection.

    A query is a learned box and a learned feature, and each layer refines the boxes of the one before (Zhu et
    al., Deformable DETR, ICLR 2021, App. A.4): the head needs a box to start from.
    """

    @configurable
    def __init__(self, **parts: Any) -> None:
        super().__init__(**parts)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict:
        """The arguments out of MODEL.DETECTION3D and MODEL.DETR."""
        c, t = cfg.MODEL.DETECTION3D, cfg.MODEL.DETR
        parts = shared_parts(cfg)
        (channels,) = map_channels(parts["backbone"], [t.IN_FEATURE], "MODEL.DETR.IN_FEATURE")
        stride = parts["backbone"].output_shape()[t.IN_FEATURE].stride
        heads = [
            DecoderHead(
                MemoryAttention(c.HIDDEN_DIM, t.ATTENTION_HEADS),
                build_box_head(cfg, c, c.HIDDEN_DIM + VIEW_DIM, CLASS_BIAS),
                c.HIDDEN_DIM,
                t.ATTENTION_HEADS,
                t.FFN_DIM,
            )
            for _ in range(t.DECODER_LAYERS)
        ]
        return parts | {
            "encoder": MemoryEncoder(
                channels, stride, c.HIDDEN_DIM, t.ENCODER_LAYERS, t.ATTENTION_HEADS, t.FFN_DIM
            ),
            "decoder": BoxDecoder(heads),
            "in_features": [t.IN_FEATURE],
            "plane_head": build_plane_head(cfg, channels),
            **cls.learned_parts(cfg),
        }
