"""Model input from one image that is not of a dataset."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from detectron2.config import CfgNode
from torch import Tensor

from d2ext.structures import Camera

from .augmentation import ImageTransform, to_tensor


def image_record(
    cfg: CfgNode, image_bgr: np.ndarray, camera: Camera, ground_plane: Sequence[float] | Tensor | None
) -> dict:
    """What a model takes of one image, at the size of the config; arguments as in the predictor.

    Raises:
        ValueError: an image or camera of another shape.
    """
    if image_bgr.ndim != 3 or image_bgr.shape[2] != 3 or image_bgr.dtype != np.uint8:
        raise ValueError(f"image: expected (H, W, 3) uint8, got {image_bgr.shape} {image_bgr.dtype}")
    height, width = image_bgr.shape[:2]
    if camera.image_size != (height, width):
        raise ValueError(
            f"camera: made for {camera.image_size} (height, width), the image has {(height, width)}"
        )
    transform = ImageTransform.fit((height, width), tuple(cfg.INPUT.SIZE))
    plane = None if ground_plane is None else torch.as_tensor(ground_plane, dtype=torch.float32)
    return {
        "image": to_tensor(transform.apply_image(image_bgr), cfg.INPUT.FORMAT),
        "camera": transform.apply_camera(camera),
        "ground_plane": plane,
        "box_plane": plane,
        "height": height,
        "width": width,
    }
