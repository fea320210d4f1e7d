"""Sparse R-CNN with 3D boxes: learned boxes and features, refined by what the image shows in them."""

from __future__ import annotations

from typing import Any

from detectron2.config import configurable
from detectron2.modeling import META_ARCH_REGISTRY
from detectron2.structures import Instances
from torch import Tensor

from d2ext.modeling.box3d.images import Frames
from d2ext.modeling.detection.decoder import LearnedBoxes
from d2ext.modeling.detection.detector import Detector3D, region_parts
from d2ext.modeling.detection.inference import LearnedDetection


class LearnedBoxDetector(Detector3D):
    """A detector that starts from the same learned boxes in every image.

    Args:
        proposals: these boxes.
        parts: the arguments of :class:`Detector3D`.
    """

    detection_class = LearnedDetection

    def __init__(self, *, proposals: LearnedBoxes, **parts: Any) -> None:
        super().__init__(**parts)
        self.proposals = proposals

    @classmethod
    def learned_parts(cls, cfg) -> dict:
        """The arguments that do not depend on what the decoder reads."""
        c = cfg.MODEL.DETECTION3D
        detection = cls.detection_class.from_config(cfg)
        return {"detection": detection, "proposals": LearnedBoxes(c.NUM_BOXES, c.HIDDEN_DIM)}

    def training_boxes(self, frames: Frames, instances: list[Instances]) -> tuple[Tensor, ...]:
        return self.start(frames)

    def start(self, encoded: Frames, *given: Tensor) -> tuple[Tensor, ...]:
        return self.proposals(encoded)


@META_ARCH_REGISTRY.register()
class SparseRCNN3D(LearnedBoxDetector):
    """Sparse R-CNN (Sun et al., CVPR 2021) with the 3D head of this collection."""

    @configurable
    def __init__(self, **parts: Any) -> None:
        super().__init__(**parts)

    @classmethod
    def from_config(cls, cfg) -> dict:
        return region_parts(cfg) | cls.learned_parts(cfg)
