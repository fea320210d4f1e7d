"""Model input from one image that is not of a dataset: what a predictor is given, checked."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.utils.logger import log_first_n
from torch import Tensor

from d2ext.structures import Camera, check_ground, check_projection, check_view, normalize_plane

from .augmentation import FitImage, to_tensor
from .box_plane import box_plane, boxes_are_level, default_ground, ground_error


def check_image(image: Any) -> np.ndarray:
    """A picture in memory, as :func:`d2ext.data.image_io.read_image` reads it.

    Raises:
        ValueError: anything but (H, W, 3) uint8.
    """
    expected = "image: expected (H, W, 3) uint8 in BGR, as d2ext.data.image_io.read_image gives"
    if not isinstance(image, np.ndarray):
        raise ValueError(f"{expected}, got {type(image).__name__}")
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
        raise ValueError(f"{expected}, got {image.shape} {image.dtype}")
    return image


def check_camera(camera: Any, size: tuple[int, int]) -> Camera:
    """A camera that can be that of an image of ``size`` (height, width).

    Raises:
        ValueError: no :class:`Camera`, one of another size, or a projection that no camera has (see
            :func:`check_projection` and :func:`check_view`).
    """
    if not isinstance(camera, Camera):
        raise ValueError(f"camera: expected a d2ext.structures.Camera, got {type(camera).__name__}")
    if camera.P.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"camera: expected a projection in float32 or float64, got {camera.P.dtype}")
    if camera.image_size != size:
        raise ValueError(f"camera: made for {camera.image_size} (height, width), the image has {size}")
    projection = camera.P.tolist()
    try:
        check_projection(projection)
        check_view(projection, size)
    except ValueError as error:
        raise ValueError(f"camera: {error}") from None
    return camera


def check_plane(plane: Any) -> Tensor:
    """A ground plane (4,) that the camera can stand above, normalised, float32.

    Raises:
        ValueError: not four numbers, a normal that does not point up, or a height that no camera has.
    """
    try:
        normal = normalize_plane(torch.as_tensor(plane, dtype=torch.float64))
    except (TypeError, RuntimeError, ValueError) as error:
        kind = str(error) if str(error).startswith("ground plane") else type(plane).__name__
        raise ValueError(f"ground plane: expected 4 numbers a b c d in metres, got {kind}"[:299]) from None
    if normal.shape != (4,):
        raise ValueError(f"ground plane: expected 4 numbers a b c d, got shape {tuple(normal.shape)}")
    try:
        check_ground(normal.tolist())
    except ValueError as error:
        raise ValueError(f"ground plane: {error}") from None
    return normal.float()


def _warn_of_ground(default: Tensor | None, seen: bool) -> None:
    """Say once what a model that reads depth from the ground has in its place."""
    warning = "no ground plane given (--ground): this model reads depth from it, expect worse answers"
    if default is not None:
        numbers = " ".join(f"{x:g}" for x in default.tolist())
        warning = f"no ground plane given (--ground): INPUT.DEFAULT_GROUND is taken, {numbers}"
    if seen:
        warning = "no ground plane given (--ground): it is read from the picture, expect worse answers"
    log_first_n(logging.WARNING, warning, name=__name__)


def image_record(
    cfg: CfgNode,
    image_bgr: np.ndarray,
    camera: Camera,
    ground_plane: Sequence[float] | Tensor | None,
    depth_estimates: Sequence[str] = (),
    aug: FitImage | None = None,
) -> dict:
    """What a model takes of one image, at the size of the config; arguments as in the predictor.

    Args:
        depth_estimates: that the model makes; without the plane that one of them needs there is a warning,
            once.
        aug: fits the image; None: into ``INPUT.SIZE``.

    Raises:
        ValueError: an image, camera or plane that is none, or one that does not go with the others.
    """
    height, width = check_image(image_bgr).shape[:2]
    check_camera(camera, (height, width))
    plane = None if ground_plane is None else check_plane(ground_plane)
    level = boxes_are_level(cfg)
    if plane is None:
        seen = "PLANE_HEAD" in cfg.MODEL and cfg.MODEL.PLANE_HEAD.ENABLED
        plane = default_ground(cfg.INPUT.DEFAULT_GROUND) if level and not seen else None
        if "ground" in depth_estimates:
            _warn_of_ground(plane, seen)
    transform = (aug or FitImage(tuple(cfg.INPUT.SIZE))).get_transform(image_bgr)
    return {
        "image": to_tensor(transform.apply_image(image_bgr), cfg.INPUT.FORMAT),
        "camera": transform.apply_camera(camera),
        "ground_plane": plane,
        "ground_error": ground_error(cfg.INPUT.GROUND_ERROR, level, ground_plane is None),
        "box_plane": box_plane(cfg, plane),
        "level_boxes": level,
        "height": height,
        "width": width,
    }
