"""U2ENet on a single image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from detectron2.config import CfgNode
from detectron2.structures import Instances
from torch import Tensor

from d2ext.data import image_record
from d2ext.engine import ImagePredictor
from d2ext.modeling.grounding_inference import GroundingInference
from d2ext.structures import Camera


class U2ENetPredictor(ImagePredictor):
    """Answers sentences about one image at a time.

    The image is encoded once for all of them, and sentences that are the same as before not again.
    """

    def __init__(self, cfg: CfgNode, model: GroundingInference | None = None) -> None:
        super().__init__(cfg, model)
        if isinstance(self.model, GroundingInference):
            self.model.keep_sentences = True

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
        return self.predict(record)["grounding"]
