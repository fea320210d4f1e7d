"""Predictors of objects in one image with its camera: what all of them take, and what all of them answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from detectron2.structures import Instances
from torch import Tensor

from d2ext.data.box_plane import box_plane
from d2ext.data.image_record import check_plane, image_record
from d2ext.engine import ImagePredictor
from d2ext.engine.demo import Look
from d2ext.evaluation import named_rows
from d2ext.structures import Camera
from d2ext.visualization import draw_detections


class ObjectPredictor(ImagePredictor):
    """A ``DefaultPredictor`` of methods that find objects in three dimensions; a subclass runs the model.

    What it takes beside the image:

    * ``camera``: of the image as given;
    * ``ground_plane``: (4,) unit normal pointing up and camera height in metres; None if not known. Boxes
      stand on it, or are level as KITTI's, as ``INPUT.BOX_PLANE`` says; without it they are level. None is
      ``INPUT.DEFAULT_GROUND`` where boxes are level whatever the ground.

    What it answers: Detectron2's ``Instances`` of the image's size, the best first; where sentences are asked
    a list of them, one for each. Fields of N objects:

    * ``pred_boxes``: ``Boxes``, pixels of the image as given;
    * ``pred_boxes3d``: :class:`~d2ext.structures.Boxes3D`, metres in the frame of the camera;
    * ``scores``: (N,) from 0 to 1;
    * ``pred_classes``: (N,) indices of ``metadata.thing_classes``;
    * ``pred_yaw``: (N,) KITTI's rotation around the normal of the plane that boxes stand on, rad.

    Rows of numbers as label files have them come from :func:`d2ext.evaluation.named_rows` with
    :meth:`box_plane`.
    """

    #: Section of ``MODEL`` that says which depth estimates the model makes.
    section: str

    def record(
        self, image_bgr: np.ndarray, camera: Camera, ground_plane: Sequence[float] | Tensor | None
    ) -> dict:
        """The model's input.

        Raises:
            ValueError: an image, camera or plane that is none, or one that does not go with the others.
        """
        estimates = self.cfg.MODEL[self.section].DEPTH_ESTIMATES
        return image_record(self.cfg, image_bgr, camera, ground_plane, estimates, self.aug)

    def box_plane(self, ground_plane: Sequence[float] | Tensor | None) -> Tensor | None:
        """The plane (4,) that boxes of an image with this ground stand on, None for the camera's x-z plane.

        Raises:
            ValueError: a plane that is none.
        """
        return box_plane(self.cfg, None if ground_plane is None else check_plane(ground_plane))


def look_at_objects(
    predictor: ObjectPredictor,
    seen: tuple[np.ndarray, Camera, Tensor | None],
    found: Instances,
    draw: Callable[..., np.ndarray] = draw_detections,
    colors: Mapping[int, Sequence[int]] | None = None,
) -> Look:
    """What a predictor has found, as demos write and draw it.

    Args:
        seen: image (H, W, 3) uint8 BGR, its camera, and its ground plane (4,) or None.
        found: of that image.
        draw: :func:`~d2ext.visualization.draw_detections`, or what takes the same.
        colors: BGR by class, for those that are not to have the usual one.
    """
    image, camera, plane = seen
    names, stands_on = predictor.class_names, predictor.box_plane(plane)
    picture = draw(image, found, camera, names, plane, colors)
    said = [f"{len(found)} object{'s' * (len(found) != 1)}"]
    return Look({"objects": named_rows(found, stands_on, names)}, picture, said, len(found), stands_on)
