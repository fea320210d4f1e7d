"""Sparse R-CNN with 3D boxes: learned boxes and features, refined by what the image shows in them."""

from __future__ import annotations

from typing import Any

import torch
from detectron2.config import configurable
from detectron2.modeling import META_ARCH_REGISTRY
from detectron2.structures import Instances
from torch import Tensor

from d2ext.modeling.box3d.images import Frames
from d2ext.modeling.box3d.records import original_boxes
from d2ext.modeling.detection.decoder import LearnedBoxes
from d2ext.modeling.detection.detector import HOST, Detector3D, region_parts


class LearnedBoxDetector(Detector3D):
    """A detector that starts from the same learned boxes in every image.

    Args:
        proposals: these boxes.
        parts: the arguments of :class:`Detector3D`.
    """

    def __init__(self, *, proposals: LearnedBoxes, **parts: Any) -> None:
        super().__init__(**parts)
        self.proposals = proposals

    def training_boxes(self, frames: Frames, instances: list[Instances]) -> tuple[Tensor, ...]:
        """The learned boxes, the same for every image."""
        return self.proposals(frames)

    @torch.no_grad()
    def detect(
        self,
        encoded: Frames,
        num_boxes: int | None = None,
        steps: int | None = None,
        noise: Tensor | None = None,
        return_steps: bool = False,
    ) -> list[dict]:
        """See :meth:`Detector3D.detect`.

        Raises:
            ValueError: another number of boxes or steps than the model has, or noise.
        """
        if num_boxes not in (None, self.num_boxes) or steps not in (None, 1) or noise is not None:
            raise ValueError(
                f"{type(self).__name__} has {self.num_boxes} learned boxes and 1 step, got "
                f"num_boxes={num_boxes}, steps={steps}" + ("" if noise is None else " and noise")
            )
        boxes, objects = self.proposals(encoded)
        decoded = self.decoder.decode(self.decoder(encoded, boxes, objects)[-1])
        found = self.select([decoded.to(HOST)], encoded)
        outputs: list[dict] = [{"instances": x} for x in found]
        if return_steps:
            for output, start, record in zip(outputs, boxes.to(HOST), encoded.records, strict=True):
                size = (record["height"], record["width"])
                start = original_boxes(start, record["camera"].image_size, size).tensor
                output |= {"boxes": [start], "steps": [output["instances"]]}
        return outputs


@META_ARCH_REGISTRY.register()
class SparseRCNN3D(LearnedBoxDetector):
    """Sparse R-CNN (Sun et al., CVPR 2021) with the 3D head of this collection."""

    @configurable
    def __init__(self, **parts: Any) -> None:
        super().__init__(**parts)

    @classmethod
    def from_config(cls, cfg) -> dict:
        """The arguments out of MODEL.DETECTION3D."""
        c = cfg.MODEL.DETECTION3D
        return region_parts(cfg) | {"proposals": LearnedBoxes(c.NUM_BOXES, c.HIDDEN_DIM)}
