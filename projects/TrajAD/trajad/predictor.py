"""TrajAD on a single image or graph."""

from __future__ import annotations

from typing import Any

import numpy as np

from d2ext.data.augmentation import to_tensor
from d2ext.engine import ImagePredictor


class TrajADPredictor(ImagePredictor):
    """Scores one image, or one graph of ``SpaceTimeRenderer``, at a time."""

    def __call__(self, image_bgr: np.ndarray) -> dict[str, Any]:
        """
        Args:
            image_bgr: (H, W, 3) uint8; a graph at the scale of the config, or an image at ``INPUT.SIZE``.

        Returns:
            ``anomaly_map``, ``local_map`` and ``global_map`` (H, W) float32, and ``score``.

        Raises:
            ValueError: an image of another shape.
        """
        if image_bgr.ndim != 3 or image_bgr.shape[2] != 3 or image_bgr.dtype != np.uint8:
            raise ValueError(f"image: expected (H, W, 3) uint8, got {image_bgr.shape} {image_bgr.dtype}")
        return self.predict({"image": to_tensor(image_bgr, self.cfg.INPUT.FORMAT)})
