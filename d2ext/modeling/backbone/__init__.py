"""Image backbones: timm networks in Detectron2's registry, and their configuration."""

from d2ext.modeling.backbone.config import add_backbone_config, backbone_maps, takes_group_norm

__all__ = ["add_backbone_config", "backbone_maps", "takes_group_norm"]
