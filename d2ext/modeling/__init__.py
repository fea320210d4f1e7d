"""Backbones, text encoders, heads and the registered META_ARCH models."""

from d2ext.modeling.backbone.timm_ida import TimmBackbone, TimmIDABackbone
from d2ext.modeling.backbone.timm_vit import TimmViT, TimmViTPyramid
from d2ext.modeling.box3d.head import Box3DHead
from d2ext.modeling.detection.config import add_detection3d_config
from d2ext.modeling.fold import optimize_for_inference
from d2ext.modeling.grounding.fusion import HierarchicalFusion, SemanticFilter
from d2ext.modeling.meta_arch.deep_compression_autoencoder import DeepCompressionAutoencoder
from d2ext.modeling.meta_arch.detr3d import DETR3D
from d2ext.modeling.meta_arch.diffusion_det3d import DiffusionDet3D
from d2ext.modeling.meta_arch.efficient_ad import EfficientAD
from d2ext.modeling.meta_arch.janus import Janus
from d2ext.modeling.meta_arch.open_vocab_det3d import OpenVocabDet3D
from d2ext.modeling.meta_arch.scene_sana import SceneSana
from d2ext.modeling.meta_arch.sparse_rcnn3d import SparseRCNN3D
from d2ext.modeling.meta_arch.two_stage import TwoStageGrounder
from d2ext.modeling.meta_arch.u2enet import U2ENet
from d2ext.modeling.text.encoder import TextEncoder

__all__ = [
    "Box3DHead",
    "DETR3D",
    "DeepCompressionAutoencoder",
    "DiffusionDet3D",
    "EfficientAD",
    "HierarchicalFusion",
    "OpenVocabDet3D",
    "SceneSana",
    "Janus",
    "SemanticFilter",
    "SparseRCNN3D",
    "TextEncoder",
    "TimmBackbone",
    "TimmIDABackbone",
    "TimmViT",
    "TimmViTPyramid",
    "TwoStageGrounder",
    "U2ENet",
    "add_detection3d_config",
    "optimize_for_inference",
]
