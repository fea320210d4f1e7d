"""Detectors that start from learned boxes, the same in every image."""

from __future__ import annotations

from typing import Any

import torch
from detectron2.config import CfgNode
from detectron2.structures import Instances
from torch import Tensor, nn

from d2ext.modeling.box3d.images import EncodedImages
from d2ext.modeling.detection.decoder import HeadOutput
from d2ext.modeling.detection.detector import Detector3D
from d2ext.modeling.detection.inference import LearnedDetection


class LearnedBoxes(nn.Module):
    """N boxes and their features that do not depend on the image: first spread over it, small.

    Args:
        count: boxes.
        dim: width of a feature.
    """

    def __init__(self, count: int, dim: int) -> None:
        super().__init__()
        middle = torch.rand(count, 2) * 0.9 + 0.05
        self.logits = nn.Parameter(torch.logit(torch.cat([middle, torch.full((count, 2), 0.15)], 1)))
        self.features = nn.Parameter(torch.randn(count, dim))

    def propose(self, frames: EncodedImages, prompts: Tensor | None = None) -> HeadOutput | None:
        """What the images propose: nothing."""
        return None

    def forward(self, frames: EncodedImages, proposed: HeadOutput | None = None) -> tuple[Tensor, Tensor]:
        """boxes (B, N, 4) and objects (B, N, dim) for B images."""
        count = frames.sizes.shape[0]  # len() would be fixed in a traced graph
        boxes = frames.to_pixels(self.logits.sigmoid().expand(count, -1, -1))
        return boxes, self.features.expand(count, -1, -1)


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
    def learned_parts(cls, cfg: CfgNode) -> dict:
        """The arguments that do not depend on what the decoder reads."""
        c = cfg.MODEL.DETECTION3D
        detection = cls.detection_class.from_config(cfg)
        return {"detection": detection, "proposals": LearnedBoxes(c.NUM_BOXES, c.HIDDEN_DIM)}

    def training_boxes(self, frames: EncodedImages, instances: list[Instances]) -> tuple[Tensor, ...]:
        """The learned boxes: labels change nothing."""
        return self.start(frames)

    def start(self, encoded: EncodedImages, *given: Tensor) -> tuple[Tensor, ...]:
        """The learned boxes, in pixels of each image, and their objects."""
        return self.proposals(encoded)
