"""EfficientAD: anomalies where a student network fails to predict a teacher and a second branch.

Source: Batzner et al., "EfficientAD: Accurate Visual Anomaly Detection at Millisecond-Level Latencies", WACV
2024. The second branch, there an auto-encoder, can be attention over the tokens of the image
(:mod:`d2ext.modeling.anomaly.branch`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from detectron2.config import CfgNode, configurable
from detectron2.modeling import META_ARCH_REGISTRY
from detectron2.utils import comm
from torch import Tensor, nn

from d2ext.modeling.anomaly.branch import BRANCH_REGISTRY
from d2ext.modeling.anomaly.graph_scale import GRAPH_SCALE, check_scale
from d2ext.modeling.anomaly.maps import enlarge, hard_feature_loss
from d2ext.modeling.anomaly.normalizer import (
    NORMALIZED,
    THRESHOLD,
    channel_statistics,
    map_quantiles,
    normalise,
    threshold_above,
)
from d2ext.modeling.anomaly.pdn import FEATURES, PDN, RECEPTIVE_FIELD


@META_ARCH_REGISTRY.register()
class EfficientAD(nn.Module):
    """Teacher, student and second branch; trained on normal images only.

    Training returns ``loss_hard`` (student and teacher, the hardest features only), ``loss_branch`` (second
    branch and teacher), ``loss_student_branch`` (student and second branch) and, with penalty images,
    ``loss_penalty`` (the student's output on them). Means over the batch of this process.

    Inference returns for each image ``anomaly_map``, the mean of ``local_map`` (teacher and student) and
    ``global_map`` (second branch and student), all (H, W) float32 at the image's size, ``score``, the
    greatest value of the anomaly map, and ``threshold``, from which on a score is abnormal.

    Args:
        teacher: describes patches; it is not trained.
        student: twice the teacher's channels: the first half predicts the teacher, the second the branch.
        branch: describes the image as a whole, (images, size of the teacher's map) -> as the teacher.
        pixel_mean, pixel_std: of each channel of the images, 0 to 255.
        hard_quantile: features whose squared difference is below this quantile are not trained on.
        quantiles: of each map over normal images; they are mapped to 0 and 0.1.
        false_alarms: share of normal images whose scores may reach the threshold.
        threshold: in place of the one that is measured; None: that one.
    """

    pixel_mean: Tensor
    pixel_std: Tensor
    teacher_mean: Tensor
    teacher_std: Tensor
    local_quantiles: Tensor
    global_quantiles: Tensor
    graph_scale: Tensor
    measured_threshold: Tensor

    #: Children that ``torch.compile`` may take.
    compilable = ("teacher", "student", "branch")
    #: Weights of before there were these lack them.
    optional_state = ("graph_scale", "measured_threshold")

    @configurable
    def __init__(
        self,
        *,
        teacher: PDN,
        student: PDN,
        branch: nn.Module,
        pixel_mean: list[float],
        pixel_std: list[float],
        hard_quantile: float,
        quantiles: tuple[float, float],
        false_alarms: float = 0.05,
        threshold: float | None = None,
    ) -> None:
        super().__init__()
        self.teacher = teacher.requires_grad_(False)
        self.student = student
        self.branch = branch
        self.hard_quantile = hard_quantile
        self.quantiles = quantiles
        self.false_alarms = false_alarms
        self.given_threshold = threshold
        for name, value in {
            "pixel_mean": torch.tensor(pixel_mean).view(-1, 1, 1),
            "pixel_std": torch.tensor(pixel_std).view(-1, 1, 1),
            "teacher_mean": torch.zeros(teacher.out_channels, 1, 1),
            "teacher_std": torch.ones(teacher.out_channels, 1, 1),
            # Until they are measured, maps stay as they are.
            "local_quantiles": torch.tensor(NORMALIZED),
            "global_quantiles": torch.tensor(NORMALIZED),
            # Of the graphs that the model was trained on; zeros where it is not known, or there were none.
            "graph_scale": torch.zeros(len(GRAPH_SCALE)),
            # Of held-out normal images; 0 until it is measured.
            "measured_threshold": torch.zeros(()),
        }.items():
            self.register_buffer(name, value)
        self._checked_scale: tuple[float, ...] = ()

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        """The arguments out of MODEL.EFFICIENT_AD and TEST.THRESHOLD."""
        c = cfg.MODEL.EFFICIENT_AD
        channels = round(FEATURES * c.WIDTH)
        teacher = PDN(c.PDN, channels, c.WIDTH, c.PADDING)
        return {
            "teacher": teacher,
            "student": PDN(c.PDN, 2 * channels, c.WIDTH, c.PADDING),
            "branch": BRANCH_REGISTRY.get(c.BRANCH.NAME)(c.BRANCH, channels),
            "pixel_mean": cfg.MODEL.PIXEL_MEAN,
            "pixel_std": cfg.MODEL.PIXEL_STD,
            "hard_quantile": c.HARD_QUANTILE,
            "quantiles": tuple(c.QUANTILES),
            "false_alarms": c.FALSE_ALARMS,
            "threshold": cfg.TEST.THRESHOLD,
        }

    @property
    def device(self) -> torch.device:
        """Of the weights."""
        return self.pixel_mean.device

    def forward(self, batched_inputs: list[dict]) -> dict[str, Tensor] | list[dict]:
        """Losses in training, else what is found in each image; inputs as from ``AnomalyMapper``.

        Raises:
            ValueError: a graph of another scale than the weights were trained for.
        """
        for x in batched_inputs:
            if "graph_scale" in x:
                self.check_graph_scale(x["graph_scale"])
        if self.training:
            return self.losses(batched_inputs)
        return self.with_numbers([self.maps(self.images([x])) for x in batched_inputs])

    def check_graph_scale(self, scale: tuple[float, ...]) -> None:
        """:func:`~d2ext.modeling.anomaly.graph_scale.check_scale` of graphs, the same ones once."""
        if scale != self._checked_scale:
            check_scale(self.graph_scale.tolist(), scale)
            self._checked_scale = scale

    def losses(self, batched_inputs: list[dict]) -> dict[str, Tensor]:
        """The paper's losses of student and second branch, with the penalty where its images are given."""
        images = self.images(batched_inputs)
        teacher = self.describe(images)
        student, to_branch = self.student(images).float().chunk(2, 1)
        losses = {"loss_hard": hard_feature_loss((teacher - student).square(), self.hard_quantile)}
        if "branch_image" in batched_inputs[0]:
            images = self.images(batched_inputs, "branch_image")
            teacher = self.describe(images)
            to_branch = self.student(images).float().chunk(2, 1)[1]
        branch = self.branch(images, teacher.shape[-2:]).float()
        losses["loss_branch"] = (teacher - branch).square().mean()
        losses["loss_student_branch"] = (branch - to_branch).square().mean()
        if "penalty_image" in batched_inputs[0]:
            penalty = self.student(self.images(batched_inputs, "penalty_image")).float()
            losses["loss_penalty"] = penalty.chunk(2, 1)[0].square().mean()
        return losses

    def inference(self, images: Tensor, patches: Tensor | None = None) -> dict[str, Any]:
        """What is found in one image (1, 3, H, W), whose ``patches`` may be described already."""
        return self.with_numbers([self.maps(images, patches)])[0]

    def with_numbers(self, found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """What :meth:`maps` gave for each image with its score as a number, and the threshold."""
        # All work is under way by now: the host waits once.
        numbers = torch.stack([self.measured_threshold, *(maps["score"] for maps in found)]).tolist()
        threshold = self.threshold(numbers[0])
        return [
            maps | {"score": score, "threshold": threshold}
            for maps, score in zip(found, numbers[1:], strict=True)
        ]

    def threshold(self, measured: float | None = None) -> float:
        """The score from which on an image is abnormal: the one that was given, else the measured one, else,
        of weights that lack it, ``THRESHOLD``."""
        if self.given_threshold is not None:
            return float(self.given_threshold)
        return (self.measured_threshold.item() if measured is None else measured) or THRESHOLD

    def maps(self, images: Tensor, patches: Tensor | None = None) -> dict[str, Tensor]:
        """The same, the score as a tensor ()."""
        local, whole, combined = self.normalised(*self.raw_maps(images, patches))
        return {
            "anomaly_map": combined,
            "score": combined.max(),
            "local_map": local,
            "global_map": whole,
        }

    def normalised(self, local: Tensor, whole: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Both raw maps by their quantiles, and the mean of both."""
        local, whole = normalise(local, self.local_quantiles), normalise(whole, self.global_quantiles)
        return local, whole, (local + whole) / 2

    def describe(self, images: Tensor) -> Tensor:
        """The teacher's description of normalised images, each channel of mean 0 and variance 1 over the
        normal ones; (B, 3, H, W) -> (B, C, h, w) float32."""
        with torch.no_grad():
            return (self.teacher(images).float() - self.teacher_mean) / self.teacher_std

    def describe_patches(self, images: Tensor) -> Tensor:
        """(1, 1 + C, h, w): of each patch of an image (1, 3, H, W) the squared difference of teacher and
        student, and what the student expects of the second branch. Each sees its patch alone."""
        teacher = self.describe(images)
        student, to_branch = self.student(images).float().chunk(2, 1)
        return torch.cat([(teacher - student).square().mean(1, keepdim=True), to_branch], 1)

    def raw_maps(self, images: Tensor, patches: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Local and global map (H, W) of one image (1, 3, H, W) before they are normalised."""
        if patches is None:
            patches = self.describe_patches(images)
        local, to_branch = patches[:, 0], patches[:, 1:]
        branch = self.branch(images, patches.shape[-2:]).float()
        maps = torch.cat([local, (branch - to_branch).square().mean(1)])
        large = enlarge(maps[None], self.teacher.middle_pixel, images.shape[-2:])[0]
        return large[0], large[1]

    @torch.no_grad()
    def measure_teacher(self, records: Iterable[list[dict]]) -> None:
        """Take the teacher's channel statistics from normal images, each process from its own share."""
        descriptions = (self.teacher(self.images(batch)) for batch in records)
        mean, deviation = channel_statistics(descriptions, len(self.teacher_mean))
        self.teacher_mean.copy_(mean.view(-1, 1, 1))
        self.teacher_std.copy_(deviation.view(-1, 1, 1))

    @torch.no_grad()
    def measure_maps(self, records: Iterable[list[dict]]) -> None:
        """Take the quantiles of both maps, and then the threshold of the scores, from normal images that were
        not trained on, each process from its own share. The model must be in evaluation mode.

        Raises:
            ValueError: the two quantiles are equal.
        """
        maps = [
            torch.stack(self.raw_maps(self.images([x]))).flatten(1).cpu().numpy()
            for batch in records
            for x in batch
        ]
        parts = comm.all_gather(np.concatenate(maps, 1) if maps else np.zeros((2, 0), np.float32))
        local, whole = np.concatenate(parts, 1)
        self.local_quantiles.copy_(map_quantiles(local, self.quantiles))
        self.global_quantiles.copy_(map_quantiles(whole, self.quantiles))
        scores = [self.normalised(*torch.from_numpy(m).to(self.device))[2].max().item() for m in maps]
        scores = [score for part in comm.all_gather(scores) for score in part]
        self.measured_threshold.fill_(threshold_above(scores, self.false_alarms))

    def images(self, batched_inputs: list[dict], key: str = "image") -> Tensor:
        """(B, 3, H, W) normalised images of one size, out of mapper dicts.

        Raises:
            ValueError: images smaller than a patch.
        """
        height, width = batched_inputs[0][key].shape[-2:]
        if min(height, width) < RECEPTIVE_FIELD:
            least = f"{RECEPTIVE_FIELD} x {RECEPTIVE_FIELD}"
            raise ValueError(f"expected images of at least {least} pixels, got {width} x {height}")
        # As bytes, and each on its own: the loader has pinned them.
        images = torch.stack([x[key].to(self.device, non_blocking=True) for x in batched_inputs])
        images = (images - self.pixel_mean) / self.pixel_std
        # Convolutions on the CPU and in half precision are faster so.
        return images.contiguous(memory_format=torch.channels_last)
