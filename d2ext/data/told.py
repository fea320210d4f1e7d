"""What a model is told of an image's camera and ground, where that is not what they are.

In training planes are dropped and jittered, so that a model does without and with imprecise ones; in
evaluation they are dropped, or wrong by a known angle, to see what that costs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from detectron2.config import CfgNode
from torch import Tensor

from d2ext.structures import Camera, plane_of_tilt, tilt_of_plane


@dataclass(frozen=True)
class ToldCamera:
    """The keys of ``cfg.INPUT`` in training, of ``cfg.TEST`` otherwise; by default what is told is true.

    Attributes:
        drop_plane: probability that nothing is told of the ground.
        noise: standard deviations of pitch and roll in degrees, and of the height as a share of it.
        pitch_error: degrees added to the pitch.
        focal_error: share added to the focal length.
    """

    drop_plane: float = 0.0
    noise: tuple[float, float] = (0.0, 0.0)
    pitch_error: float = 0.0
    focal_error: float = 0.0

    @classmethod
    def from_config(cls, cfg: CfgNode, is_train: bool) -> ToldCamera:
        """The keys, explained in ``d2ext.data.config``."""
        if is_train:
            return cls(cfg.INPUT.DROP_PLANE, tuple(cfg.INPUT.PLANE_NOISE))
        errors = {"pitch_error": cfg.TEST.PITCH_ERROR, "focal_error": cfg.TEST.FOCAL_ERROR}
        return cls(float(cfg.TEST.DROP_PLANE), **errors)

    def plane(self, plane: Tensor | None, rng: np.random.Generator | None = None) -> Tensor | None:
        """What is told of a normalised plane (4,); ``rng`` is asked for nothing where nothing is random."""
        if plane is None or self.drop_plane >= 1:
            return None
        if self.drop_plane and rng is not None and rng.random() < self.drop_plane:
            return None
        angle, share = self.noise
        noise: Any = (0.0, 0.0, 0.0)
        if rng is not None and (angle or share):
            noise = rng.normal(size=3) * (math.radians(angle), math.radians(angle), share)
        elif not self.pitch_error:
            return plane
        pitch, roll = tilt_of_plane(plane.tolist())
        pitch += noise[0] + math.radians(self.pitch_error)
        told = plane_of_tilt(float(plane[3]) * math.exp(noise[2]), pitch, roll + noise[1])
        return torch.tensor(told, dtype=plane.dtype)

    def camera(self, camera: Camera) -> Camera:
        """The camera with the focal length that is told; its principal point and position stay."""
        if not self.focal_error:
            return camera
        change = torch.eye(3, dtype=camera.P.dtype)
        change[0, 0] = change[1, 1] = 1 + self.focal_error
        change[:2, 2] = -self.focal_error * camera.P[:2, 2]
        return Camera(change @ camera.P, camera.image_size)
