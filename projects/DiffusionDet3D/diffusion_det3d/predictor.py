"""3D detection on a single image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from detectron2.structures import Instances
from torch import Tensor

from d2ext.engine import inference_autocast
from d2ext.predictor import ObjectPredictor
from d2ext.structures import Camera


class Detection3DPredictor(ObjectPredictor):
    """Finds the objects of one image at a time: :class:`~d2ext.predictor.ObjectPredictor` says what is taken
    and answered."""

    section = "DETECTION3D"

    model: Any  # a Detector3D, or an export of one

    def __call__(
        self, image_bgr: np.ndarray, camera: Camera, ground_plane: Sequence[float] | Tensor | None = None
    ) -> Instances:
        """Find the objects.

        Args:
            image_bgr: (H, W, 3) uint8, as :func:`d2ext.data.image_io.read_image` reads it: not turned by its
                EXIF entry, which a calibration knows nothing of.
            camera, ground_plane: as :class:`~d2ext.predictor.ObjectPredictor` has them.

        Raises:
            ValueError: an image, camera or plane that is none, or one that does not go with the others.
        """
        return self.detect(image_bgr, camera, ground_plane)["instances"]

    def detect(
        self,
        image_bgr: np.ndarray,
        camera: Camera,
        ground_plane: Sequence[float] | Tensor | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        """The same with the options ``num_boxes``, ``steps``, ``noise`` and ``return_steps`` of
        :meth:`d2ext.modeling.detection.detector.Detector3D.detect`, whose answer for the image it gives."""
        record = self.record(image_bgr, camera, ground_plane)
        with torch.no_grad(), inference_autocast(self.cfg):
            return self.model.detect(self.model.encode([record]), **options)[0]
