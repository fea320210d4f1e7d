"""DiffusionDet3D as ``d2ext.from_zoo`` gives it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from detectron2.structures import Instances

from d2ext.data.given_image import StrPath, given_image
from d2ext.engine import load_config
from d2ext.engine.demo import Look
from d2ext.predictor import look_at_objects
from d2ext.projects.diffusion_det3d.config import add_diffusion_det3d_config
from d2ext.projects.diffusion_det3d.predictor import Detection3DPredictor

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from d2ext.data.given_image import CameraOptions

MIN_SCORE = 0.3  # of an object that is told, as in the demo


class Ready:
    """Finds the objects of images.

    Attributes:
        predictor: what finds them, for pixels and cameras of one's own.
    """

    def __init__(self, predictor: Detection3DPredictor) -> None:
        self.predictor = predictor

    def __call__(
        self,
        image: StrPath | np.ndarray,
        min_score: float = MIN_SCORE,
        **camera: Unpack[CameraOptions],
    ) -> Instances:
        """The objects of an image, as :class:`~d2ext.predictor.ObjectPredictor` explains them.

        Args:
            image: path, or (H, W, 3) uint8 BGR.
            min_score: least score.
            camera: what is known of it and of the road.

        Raises:
            FileNotFoundError, ValueError: something that cannot be used.
        """
        found = self.predictor(*given_image(image, camera))
        return found[found.scores >= min_score].to("cpu")

    def look(
        self,
        image: StrPath | np.ndarray,
        min_score: float = MIN_SCORE,
        **camera: Unpack[CameraOptions],
    ) -> Look:
        """The same as ``picture`` (BGR), as ``row`` for JSON, and in words (``said``)."""
        pixels, view, plane = given_image(image, camera)
        found = self.predictor(pixels, view, plane)
        found = found[found.scores >= min_score].to("cpu")
        return look_at_objects(self.predictor, (pixels, view, plane), found)


def load(config: str, options: Sequence[str]) -> Ready:
    """For a config file with keys and values over it.

    Raises:
        FileNotFoundError, ValueError: as the predictor.
    """
    return Ready(Detection3DPredictor(load_config(add_diffusion_det3d_config, config, options)))
