"""DiffusionDet3D: detection and pose of every object by denoising boxes."""

from __future__ import annotations

from typing import Any

import torch
from detectron2.config import CfgNode, configurable
from detectron2.modeling import META_ARCH_REGISTRY
from detectron2.structures import Instances
from torch import Tensor, nn

from d2ext.modeling.box3d.images import EncodedImages, relative_boxes
from d2ext.modeling.detection.decoder import sine_embedding
from d2ext.modeling.detection.detector import Detector3D, region_parts
from d2ext.modeling.detection.inference import DiffusionDetection
from d2ext.structures import transfer


@META_ARCH_REGISTRY.register()
class DiffusionDet3D(Detector3D):
    """Boxes of pure noise become the boxes of the objects (Chen et al., DiffusionDet, ICCV 2023) with the 3D
    head of this collection.

    In training labelled boxes are padded to ``num_boxes``, noised at a random level, and the decoder predicts
    what they were; in evaluation any number of boxes takes any number of steps.

    Args:
        dim: width of an object.
        parts: the arguments of :class:`Detector3D`.
    """

    detection_class = DiffusionDetection
    detection: DiffusionDetection

    @configurable
    def __init__(self, *, dim: int, **parts: Any) -> None:
        super().__init__(**parts)
        self.diffusion = self.detection.diffusion
        self.dim = dim
        self.time = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, 4 * dim))

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict:
        """The arguments out of MODEL.DETECTION3D and MODEL.DIFFUSION."""
        dim = cfg.MODEL.DETECTION3D.HIDDEN_DIM
        detection = cls.detection_class.from_config(cfg)
        return region_parts(cfg, time_dim=4 * dim) | {"detection": detection, "dim": dim}

    def training_boxes(self, frames: EncodedImages, instances: list[Instances]) -> tuple[Tensor, ...]:
        """Labelled boxes, filled up and with noise of a random time for every image."""
        labelled = []
        for labels, record in zip(instances, frames.records, strict=True):
            extent = torch.tensor([*record["image"].shape[:-3:-1]] * 2)
            labelled.append(self.diffusion.to_signal(relative_boxes(labels.gt_boxes.tensor, extent)))
        (signal,) = transfer([self.diffusion.pad(labelled, self.detection.num_boxes)], self.device)
        time = torch.randint(self.diffusion.timesteps, (len(signal),), device=self.device)
        return self.start(frames, self.diffusion.add_noise(signal, torch.randn_like(signal), time), time)

    def start(self, encoded: EncodedImages, *given: Tensor) -> tuple[Tensor, ...]:
        """For signals (B, N, 4) at time (B,), or each at its own (B, N): an object begins as the mean of what
        the image shows in its box."""
        signal, time = given
        boxes = encoded.to_pixels(self.diffusion.to_boxes(signal))
        objects = encoded.features.read(encoded.clip(boxes), 1).view(*boxes.shape[:2], -1)
        shortest, longest = 6.0, 10.0 * self.diffusion.timesteps
        return boxes, objects, self.time(sine_embedding(time, self.dim, shortest, longest))
