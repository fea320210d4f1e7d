"""U2ENet on a single image."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.data import MetadataCatalog
from detectron2.engine import DefaultPredictor
from detectron2.modeling import build_model
from detectron2.structures import Instances
from torch import Tensor

from d2ext.data.augmentation import ImageTransform, to_tensor
from d2ext.engine import D2Checkpointer, inference_autocast
from d2ext.modeling import optimize_for_inference
from d2ext.structures import Camera


class U2ENetPredictor(DefaultPredictor):
    """Answers sentences about one image at a time; the image is encoded once for all of them.

    Args:
        cfg: config whose MODEL.WEIGHTS is loaded.
        model: runs in place of the one that ``cfg`` describes, such as an :class:`OnnxU2ENet`.

    Raises:
        FileNotFoundError, ValueError: weights that are missing or do not fit.
    """

    def __init__(self, cfg: CfgNode, model: Callable[[list[dict]], list[dict]] | None = None) -> None:
        # Not DefaultPredictor.__init__: its checkpointer runs pickled code and lets shapes differ.
        self.cfg = cfg.clone()
        if model is None:
            model = build_model(self.cfg).eval()
            D2Checkpointer(model).load(cfg.MODEL.WEIGHTS)
            optimize_for_inference(model)
        self.model = model
        if len(cfg.DATASETS.TEST):
            self.metadata = MetadataCatalog.get(cfg.DATASETS.TEST[0])

    def __call__(
        self,
        image_bgr: np.ndarray,
        texts: Sequence[str],
        camera: Camera,
        ground_plane: Sequence[float] | Tensor | None = None,
        single_target: bool | None = None,
    ) -> list[Instances]:
        """Find what each sentence refers to.

        Args:
            image_bgr: (H, W, 3) uint8.
            texts: sentences.
            camera: of the image as given.
            ground_plane: (4,) unit normal pointing up and camera height in metres, on which boxes stand;
                None if not known: boxes are level.
            single_target: True: exactly one object a sentence; None: as the config says.

        Returns:
            Per sentence pred_boxes (pixels), pred_boxes3d (metres, camera frame), scores, pred_classes and
            pred_yaw.

        Raises:
            ValueError: an image or camera of another shape, an empty sentence or one too long.
        """
        record = image_record(self.cfg, image_bgr, camera, ground_plane) | {"sentences": list(texts)}
        if single_target is not None:
            record["single_target"] = single_target
        with torch.no_grad(), inference_autocast(self.cfg):
            return self.model([record])[0]["grounding"]


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
