"""Image backbones registered in Detectron2's BACKBONE_REGISTRY."""
