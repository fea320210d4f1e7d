"""From encoded images to detections: what a 3D detector does around its step, whatever runs that.

A step is a function of the encoded images, and of noisy boxes and their time where boxes are denoised; it
gives :class:`Found`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from detectron2.config import CfgNode
from detectron2.structures import Instances
from torch import Tensor
from torchvision.ops import batched_nms

from d2ext.modeling.box3d.images import EncodedImages, relative_boxes
from d2ext.modeling.box3d.objects import ObjectBoxes
from d2ext.modeling.box3d.records import original_boxes, predicted_instances, resized_boxes
from d2ext.modeling.box3d.standing import stand_on_ground
from d2ext.modeling.detection.diffusion import BoxDiffusion
from d2ext.structures import transfer

HOST = torch.device("cpu")


class Found(NamedTuple):
    """What a step gives: the 2D boxes (B, N, 4) that it started from, in pixels, the B * N objects that these
    became, and the answers, as many in each image: the same, or what they are to each of several prompts."""

    boxes: Tensor
    objects: ObjectBoxes
    answers: ObjectBoxes


Step = Callable[..., Found]


class WarmStart(NamedTuple):
    """What is expected in the images, such as the boxes of tracks, moved by their motion: they stand among
    the noise, at a time of their own.

    Attributes:
        boxes: 2D boxes (M_i, 4) of each image, x1, y1, x2, y2 in original pixels, the most certain first.
        time: noise level that they get, from 0 (none) to below MODEL.DIFFUSION.TIMESTEPS.
    """

    boxes: Sequence[Tensor]
    time: int


class Detection(ABC):
    """How objects are found.

    Args:
        num_boxes: an image.
        score_threshold: least score of a detection.
        ensemble: answer with the boxes of all steps, not only the last one's.
        nms_threshold: of two boxes of a class whose IoU exceeds this the better stays; None keeps both.
    """

    def __init__(
        self, num_boxes: int, score_threshold: float, ensemble: bool, nms_threshold: float | None
    ) -> None:
        self.num_boxes = num_boxes
        self.score_threshold = score_threshold
        self.ensemble = ensemble
        self.nms_threshold = nms_threshold

    @abstractmethod
    def run(
        self,
        step: Step,
        encoded: EncodedImages,
        num_boxes: int | None,
        steps: int | None,
        noise: Tensor | None,
        warm: WarmStart | None = None,
    ) -> list[Found]:
        """What each step gives."""

    def detect(
        self,
        step: Step,
        encoded: EncodedImages,
        num_boxes: int | None = None,
        steps: int | None = None,
        noise: Tensor | None = None,
        return_steps: bool = False,
        warm: WarmStart | None = None,
    ) -> list[dict]:
        """Objects in encoded images.

        Args:
            step: of the model, see above.
            encoded: the images.
            num_boxes, steps: other numbers than the model was built with, where it can.
            noise: (B, N, 4) to start from, where the model starts from noise.
            return_steps: also give what happened on the way.
            warm: boxes to start from in the place of some of the noise, where the model starts from noise;
                with one step.

        Returns:
            For each image ``instances`` of :func:`d2ext.modeling.box3d.records.predicted_instances`, best
            first; with ``return_steps`` also ``boxes``, the 2D boxes (N, 4) in original pixels before each
            step, and ``steps``, the Instances found in each. All on the host.

        Raises:
            ValueError: a number that this model cannot change.
        """
        with torch.no_grad():
            done = self.run(step, encoded, num_boxes, steps, noise, warm)
        kept = [x.answers for x in (done if self.ensemble or return_steps else done[-1:])]
        found = ObjectBoxes.move(kept, HOST)
        answers = self.select(found if self.ensemble else found[-1:], encoded)
        outputs: list[dict] = [{"instances": x} for x in answers]
        if return_steps:
            each = [self.select([f], encoded) for f in found]
            before = transfer([x.boxes for x in done], HOST)
            for i, (output, record) in enumerate(zip(outputs, encoded.records, strict=True)):
                sizes = record["camera"].image_size, (record["height"], record["width"])
                output["boxes"] = [original_boxes(b[i], *sizes).tensor for b in before]
                output["steps"] = [x[i] for x in each]
        return outputs

    def select(self, found: Sequence[ObjectBoxes], frames: EncodedImages) -> list[Instances]:
        """The answers of one step or several, on the host -> the detections in each image, best first."""
        count = len(found[0].classes) // len(frames.records)
        out = []
        for i, record in enumerate(frames.records):
            boxes = ObjectBoxes.cat([f[slice(i * count, (i + 1) * count)] for f in found])
            order = boxes.class_scores.argsort(descending=True)
            boxes = boxes[order[boxes.class_scores[order] >= self.score_threshold]]
            if self.nms_threshold is not None:
                boxes = boxes[batched_nms(boxes.box2d, boxes.class_scores, boxes.classes, self.nms_threshold)]
            out.append(predicted_instances(stand_on_ground(boxes, record), boxes.class_scores, record))
        return out


class LearnedDetection(Detection):
    """One step from boxes that the model has learned."""

    @classmethod
    def from_config(cls, cfg: CfgNode) -> LearnedDetection:
        """The arguments out of MODEL.DETECTION3D."""
        c = cfg.MODEL.DETECTION3D
        return cls(c.NUM_BOXES, c.SCORE_THRESHOLD, ensemble=False, nms_threshold=None)

    def run(
        self,
        step: Step,
        encoded: EncodedImages,
        num_boxes: int | None,
        steps: int | None,
        noise: Tensor | None,
        warm: WarmStart | None = None,
    ) -> list[Found]:
        """The one step.

        Raises:
            ValueError: another number of boxes or steps than the model has, noise, or a warm start.
        """
        if warm is not None:
            raise ValueError("warm: the model starts from learned boxes, expected none to start from")
        if num_boxes not in (None, self.num_boxes) or steps not in (None, 1) or noise is not None:
            raise ValueError(
                f"the model has {self.num_boxes} learned boxes and 1 step, got num_boxes={num_boxes}, "
                f"steps={steps}" + ("" if noise is None else " and noise")
            )
        return [step(encoded)]


class DiffusionDetection(Detection):
    """Steps from noise; any number of them, of any number of boxes.

    Args:
        diffusion: of the boxes.
        steps: unless another number is asked for.
        renewal_threshold: boxes below this score start again from noise after a step; None renews none.
        seed: of the noise, the same for every image.
        settings: the arguments of :class:`Detection`.
    """

    def __init__(
        self,
        diffusion: BoxDiffusion,
        steps: int,
        renewal_threshold: float | None,
        seed: int,
        *settings: Any,
    ) -> None:
        super().__init__(*settings)
        self.diffusion = diffusion
        self.steps = steps
        self.renewal_threshold = renewal_threshold
        self.seed = seed

    @classmethod
    def from_config(cls, cfg: CfgNode) -> DiffusionDetection:
        """The arguments out of MODEL.DETECTION3D and MODEL.DIFFUSION."""
        c, d = cfg.MODEL.DIFFUSION, cfg.MODEL.DETECTION3D
        return cls(
            BoxDiffusion(c.TIMESTEPS, c.SCHEDULE, c.SCALE, c.SAMPLER, c.SMALLEST),
            c.STEPS,
            c.RENEWAL_THRESHOLD if c.RENEWAL else None,
            c.SEED,
            d.NUM_BOXES,
            d.SCORE_THRESHOLD,
            c.ENSEMBLE,
            c.NMS_THRESHOLD,
        )

    def run(
        self,
        step: Step,
        encoded: EncodedImages,
        num_boxes: int | None,
        steps: int | None,
        noise: Tensor | None,
        warm: WarmStart | None = None,
    ) -> list[Found]:
        """From ``noise`` (B, N, 4), by default the seed's, the same for every image.

        Raises:
            ValueError: less than one box or step, noise of another shape, or as :meth:`warmed`.
        """
        count = self.num_boxes if num_boxes is None else num_boxes
        steps = self.steps if steps is None else steps
        images, device = len(encoded.records), encoded.P.device
        if min(count, steps) < 1:
            raise ValueError(f"num_boxes {count}, steps {steps}: expected at least 1")
        if noise is not None and noise.shape != (images, count, 4):
            raise ValueError(f"noise: expected shape {(images, count, 4)}, got {tuple(noise.shape)}")
        drawn = torch.randn(steps, count, 4, generator=torch.Generator().manual_seed(self.seed))
        (drawn,) = transfer([drawn], device)
        if noise is None:
            noise = drawn[0].expand(images, -1, -1)
        done: list[Found] = []
        known = None
        if warm is not None:
            noise, known = self.warmed(noise, warm, encoded, steps)

        def predict(signal: Tensor, time: int) -> tuple[Tensor, Tensor]:
            times = torch.full((images,), time, device=device)
            if known is not None and warm is not None:
                times = torch.where(known, warm.time, times[:, None])
            done.append(step(encoded, signal, times))
            objects = done[-1].objects
            boxes = encoded.to_relative(encoded.clip(objects.box2d.view_as(signal)))
            least = -1.0 if self.renewal_threshold is None else self.renewal_threshold
            return self.diffusion.to_signal(boxes), (objects.class_scores >= least).view(images, -1)

        self.diffusion.sample(noise, drawn[1:], predict)
        return done

    def warmed(
        self, noise: Tensor, warm: WarmStart, encoded: EncodedImages, steps: int
    ) -> tuple[Tensor, Tensor]:
        """Expected boxes with the noise of ``warm.time`` in the place of the first boxes of pure noise, which
        is what they are noised with; those for which there is no room are left out.

        Returns:
            signals (B, N, 4), and (B, N) bool, which of them are at ``warm.time``.

        Raises:
            ValueError: more than one step, a time that is no noise level, or not a set of boxes an image.
        """
        if steps != 1:
            raise ValueError(f"warm: expected 1 step with it, got {steps}")
        if not 0 <= warm.time < self.diffusion.timesteps:
            limit = self.diffusion.timesteps
            raise ValueError(f"warm: expected a time of at least 0 and below {limit}, got {warm.time}")
        if len(warm.boxes) != len(noise):
            raise ValueError(f"warm: expected boxes of {len(noise)} images, got {len(warm.boxes)}")
        mixed = noise.clone()
        known = torch.zeros(noise.shape[:2], dtype=torch.bool, device=noise.device)
        for i, (boxes, record) in enumerate(zip(warm.boxes, encoded.records, strict=True)):
            one = encoded.extent[i]
            size, original = record["camera"].image_size, (record["height"], record["width"])
            (pixels,) = transfer(
                [resized_boxes(boxes[: noise.shape[1]].float(), size, original)], noise.device
            )
            inside = (pixels + 0.5).clamp(min=0).minimum(one) - 0.5
            signal = self.diffusion.to_signal(relative_boxes(inside, one))
            level = torch.full((1,), warm.time, device=noise.device)
            count = len(signal)
            mixed[i, :count] = self.diffusion.add_noise(signal[None], noise[i : i + 1, :count], level)[0]
            known[i, :count] = True
        return mixed, known
