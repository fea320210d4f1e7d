"""DiffusionDet3D: detection and pose of every object by denoising boxes."""

from __future__ import annotations

from typing import Any

import torch
from detectron2.config import configurable
from detectron2.modeling import META_ARCH_REGISTRY
from detectron2.structures import Instances
from torch import Tensor, nn
from torchvision.ops import batched_nms

from d2ext.modeling.box3d.head import ObjectBoxes
from d2ext.modeling.box3d.images import Frames, relative_boxes
from d2ext.modeling.box3d.records import original_boxes
from d2ext.modeling.detection.decoder import sine_embedding
from d2ext.modeling.detection.detector import HOST, Detector3D, region_parts
from d2ext.modeling.detection.diffusion import BoxDiffusion
from d2ext.structures import transfer


@META_ARCH_REGISTRY.register()
class DiffusionDet3D(Detector3D):
    """Boxes of pure noise become the boxes of the objects (Chen et al., DiffusionDet, ICCV 2023) with the 3D
    head of this collection.

    In training labelled boxes are padded to ``num_boxes``, noised at a random level, and the decoder predicts
    what they were; in evaluation any number of boxes takes any number of steps.

    Args:
        diffusion: of the boxes.
        dim: width of an object.
        steps: in evaluation.
        renewal_threshold: boxes below this score start again from noise after a step; None renews none.
        ensemble: answer with the boxes of all steps, not only the last one's.
        nms_threshold: of two boxes of a class whose IoU exceeds this the better stays.
        seed: of the noise in evaluation, the same for every image.
        parts: the arguments of :class:`Detector3D`.
    """

    @configurable
    def __init__(
        self,
        *,
        diffusion: BoxDiffusion,
        dim: int,
        steps: int,
        renewal_threshold: float | None,
        ensemble: bool,
        nms_threshold: float,
        seed: int,
        **parts: Any,
    ) -> None:
        super().__init__(**parts)
        self.diffusion = diffusion
        self.dim = dim
        self.time = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, 4 * dim))
        self.steps = steps
        self.renewal_threshold = renewal_threshold
        self.ensemble = ensemble
        self.nms_threshold = nms_threshold
        self.seed = seed

    @classmethod
    def from_config(cls, cfg) -> dict:
        """The arguments out of MODEL.DETECTION3D and MODEL.DIFFUSION."""
        c, d = cfg.MODEL.DIFFUSION, cfg.MODEL.DETECTION3D
        parts = region_parts(cfg, time_dim=4 * d.HIDDEN_DIM)
        return parts | {
            "diffusion": BoxDiffusion(c.TIMESTEPS, c.SCHEDULE, c.SCALE, c.SAMPLER, c.SMALLEST),
            "dim": d.HIDDEN_DIM,
            "steps": c.STEPS,
            "renewal_threshold": c.RENEWAL_THRESHOLD if c.RENEWAL else None,
            "ensemble": c.ENSEMBLE,
            "nms_threshold": c.NMS_THRESHOLD,
            "seed": c.SEED,
        }

    def training_boxes(self, frames: Frames, instances: list[Instances]) -> tuple[Tensor, ...]:
        """Labelled boxes, filled up and with noise of a random time for every image."""
        labelled = []
        for labels, record in zip(instances, frames.records, strict=True):
            extent = torch.tensor([*record["image"].shape[:-3:-1]] * 2)
            labelled.append(self.diffusion.to_signal(relative_boxes(labels.gt_boxes.tensor, extent)))
        (signal,) = transfer([self.diffusion.pad(labelled, self.num_boxes)], self.device)
        time = torch.randint(self.diffusion.timesteps, (len(signal),), device=self.device)
        return self._start(frames, self.diffusion.add_noise(signal, torch.randn_like(signal), time), time)

    def _start(self, frames: Frames, signal: Tensor, time: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The arguments of the decoder for signals (B, N, 4) at time (B,): an object begins as the mean of
        what the image shows in its box."""
        boxes = frames.to_pixels(self.diffusion.to_boxes(signal))
        objects = frames.features.read(frames.clip(boxes), 1).view(*boxes.shape[:2], -1)
        shortest, longest = 6.0, 10.0 * self.diffusion.timesteps
        return boxes, objects, self.time(sine_embedding(time, self.dim, shortest, longest))

    @torch.no_grad()
    def detect(
        self,
        encoded: Frames,
        num_boxes: int | None = None,
        steps: int | None = None,
        noise: Tensor | None = None,
        return_steps: bool = False,
    ) -> list[dict]:
        """See :meth:`Detector3D.detect`; ``noise`` (B, num_boxes, 4) is where the boxes start from.

        Raises:
            ValueError: less than one box or step, or noise of another shape.
        """
        count = self.num_boxes if num_boxes is None else num_boxes
        steps = self.steps if steps is None else steps
        images = len(encoded.records)
        if min(count, steps) < 1:
            raise ValueError(f"num_boxes {count}, steps {steps}: expected at least 1")
        if noise is not None and noise.shape != (images, count, 4):
            raise ValueError(f"noise: expected shape {(images, count, 4)}, got {tuple(noise.shape)}")
        drawn = torch.randn(steps, count, 4, generator=torch.Generator().manual_seed(self.seed))
        (drawn,) = transfer([drawn], self.device)
        if noise is None:
            noise = drawn[0].expand(images, -1, -1)
        before: list[Tensor] = []
        found: list[ObjectBoxes] = []

        def predict(signal: Tensor, time: int) -> tuple[Tensor, Tensor]:
            start = self._start(encoded, signal, torch.full((images,), time, device=self.device))
            objects = self.decoder.decode(self.decoder(encoded, *start)[-1])
            before.append(start[0])
            found.append(objects)
            boxes = encoded.to_relative(encoded.clip(objects.box2d.view_as(signal)))
            least = -1.0 if self.renewal_threshold is None else self.renewal_threshold
            return self.diffusion.to_signal(boxes), (objects.class_scores >= least).view(images, -1)

        self.diffusion.sample(noise, drawn[1:], predict)
        found = ObjectBoxes.move(found if self.ensemble or return_steps else found[-1:], HOST)
        outputs: list[dict] = [
            {"instances": x} for x in self.select(found if self.ensemble else found[-1:], encoded)
        ]
        if return_steps:
            each = [self.select([f], encoded) for f in found]
            before = transfer(before, HOST)
            for i, (output, record) in enumerate(zip(outputs, encoded.records, strict=True)):
                sizes = record["camera"].image_size, (record["height"], record["width"])
                output["boxes"] = [original_boxes(b[i], *sizes).tensor for b in before]
                output["steps"] = [x[i] for x in each]
        return outputs

    def distinct(self, boxes: ObjectBoxes) -> Tensor:
        """Of boxes from all steps those that non-maximum suppression by class leaves."""
        return batched_nms(boxes.box2d, boxes.class_scores, boxes.classes, self.nms_threshold)
