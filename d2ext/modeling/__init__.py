"""Backbones, text encoders, heads and the registered META_ARCH models."""

from d2ext.modeling.backbone.timm_ida import TimmBackbone, TimmIDABackbone
from d2ext.modeling.box3d_head import Box3DHead
from d2ext.modeling.fold import optimize_for_inference
from d2ext.modeling.meta_arch.efficient_ad import EfficientAD
from d2ext.modeling.meta_arch.two_stage import TwoStageGrounder
from d2ext.modeling.meta_arch.u2enet import U2ENet
from d2ext.modeling.semantic_fusion import HierarchicalFusion, SemanticFilter
from d2ext.modeling.text_encoder import TextEncoder

__all__ = [
    "Box3DHead",
    "EfficientAD",
    "HierarchicalFusion",
    "SemanticFilter",
    "TextEncoder",
    "TimmBackbone",
    "TimmIDABackbone",
    "TwoStageGrounder",
    "U2ENet",
    "optimize_for_inference",
]
