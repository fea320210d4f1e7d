"""Sparse R-CNN with 3D boxes: learned boxes and features, refined by what the image shows in them."""

from __future__ import annotations

from typing import Any

from detectron2.config import CfgNode, configurable
from detectron2.modeling import META_ARCH_REGISTRY

from d2ext.modeling.detection.detector import region_parts
from d2ext.modeling.detection.learned import LearnedBoxDetector


@META_ARCH_REGISTRY.register()
class SparseRCNN3D(LearnedBoxDetector):
    """Sparse R-CNN (Sun et al., CVPR 2021) with the 3D head of this collection."""

    @configurable
    def __init__(self, **parts: Any) -> None:
        super().__init__(**parts)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict:
        """The arguments out of MODEL.DETECTION3D."""
        return region_parts(cfg) | cls.learned_parts(cfg)
