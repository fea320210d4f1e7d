"""A picture of one layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from detectron2.config import CfgNode
from torch import Tensor

from d2ext.data.augmentation import ImageTransform
from d2ext.data.box_plane import boxes_are_level
from d2ext.data.image_record import check_camera, check_plane
from d2ext.data.scenes.mapper import SceneMapper
from d2ext.engine import ImagePredictor, inference_autocast
from d2ext.engine.predictor import Model
from d2ext.projects.scene_sana.evaluator import to_bgr
from d2ext.structures import Camera


class SceneSanaPredictor(ImagePredictor):
    """Draws one scene at a time; a checkpoint of ``SceneSana`` in MODEL.WEIGHTS."""

    model: Any  # a SceneSana

    def __init__(self, cfg: CfgNode, model: Model | None = None) -> None:
        super().__init__(cfg, model)
        self.mapper = SceneMapper(self.cfg, False)

    def __call__(
        self,
        annotations: Sequence[Mapping[str, Any]],
        camera: Camera,
        ground_plane: Sequence[float] | Tensor | None = None,
        text: str = "",
        seed: int = 0,
        image: np.ndarray | None = None,
        **options: Any,
    ) -> np.ndarray:
        """Draw a scene.

        Args:
            annotations: rows of a label file, as :func:`d2ext.data.formats.kitti.read_labels` gives them.
            camera: of a picture of any size; the scene is what of it covers ``INPUT.SIZE``.
            ground_plane: (4,), None if not known. Boxes stand on it or are level as ``INPUT.BOX_PLANE`` says.
            text: caption; empty: the layout in words.
            seed: the same one gives the same picture.
            image: (H, W, 3) uint8 BGR of the camera, to begin with.
            options: of :meth:`~d2ext.modeling.meta_arch.scene_sana.SceneSana.draw`.

        Returns:
            (H, W, 3) uint8 BGR of the size ``INPUT.SIZE``.

        Raises:
            ValueError: a camera or plane that is none.
        """
        record = self.record(annotations, camera, ground_plane, text, seed)
        if image is not None:
            transform = self.transform(camera)
            pixels = transform.apply_image(image)
            pixels = pixels if self.input_format == "BGR" else pixels[..., ::-1]
            record["image"] = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))
        with torch.no_grad(), inference_autocast(self.cfg):
            return to_bgr(self.model.draw([record], **options)[0], self.input_format)

    def transform(self, camera: Camera) -> ImageTransform:
        """What of the camera's picture is drawn."""
        return self.mapper.transform(camera.image_size, None)

    def record(
        self,
        annotations: Sequence[Mapping[str, Any]],
        camera: Camera,
        ground_plane: Sequence[float] | Tensor | None,
        text: str,
        seed: int,
    ) -> dict[str, Any]:
        """The model's input."""
        check_camera(camera, camera.image_size)
        plane = None if ground_plane is None else check_plane(ground_plane)
        record = {
            "file_name": "",
            "image_id": "",
            "height": camera.image_size[0],
            "width": camera.image_size[1],
            "camera": camera.P.tolist(),
            "ground_plane": None if plane is None else plane.tolist(),
            "level_boxes": boxes_are_level(self.cfg),
            "annotations": list(annotations),
        }
        output = self.mapper.describe(record, self.transform(camera))
        return output | {"caption": text or output["caption"], "noise_seed": seed, "latent_key": None}
