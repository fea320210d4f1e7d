"""Geometry-true augmentation: what moves the pixels moves the camera; only the mirror moves 3D labels."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.data.transforms import Augmentation, Transform
from torch import Tensor

from d2ext.structures import Boxes3D, Camera, flip_plane

from .image_io import resize


def fit_size(size: tuple[int, int], bounds: tuple[int, int]) -> tuple[int, int]:
    """(height, width) of an image of ``size`` fitted into ``bounds`` (height, width), keeping its aspect."""
    scale = min(bounds[0] / size[0], bounds[1] / size[1])
    height, width = (max(1, min(round(n * scale), bound)) for n, bound in zip(size, bounds, strict=True))
    return height, width


@dataclass(frozen=True)
class ImageTransform(Transform):
    """Resize, then crop (or pad), then optionally mirror: Detectron2's ``Transform``, of cameras and 3D boxes
    too. Coordinates are those of pixel centres, as in KITTI; Detectron2's own are greater by 0.5.

    Attributes:
        source: (height, width) of the image it applies to.
        resized: (height, width) after resizing.
        offset: (x, y) of the crop's top left pixel in the resized image; negative where the crop pads.
        size: (height, width) of the result.
        flip: mirror horizontally at the end.
    """

    source: tuple[int, int]
    resized: tuple[int, int]
    offset: tuple[int, int]
    size: tuple[int, int]
    flip: bool = False

    @classmethod
    def fit(cls, source: tuple[int, int], bounds: tuple[int, int]) -> ImageTransform:
        """Only resize into ``bounds`` (height, width): what inference does."""
        size = fit_size(source, bounds)
        return cls(source, size, (0, 0), size)

    def with_flip(self, flip: bool) -> ImageTransform:
        """The same transform with or without the mirror."""
        return replace(self, flip=flip)

    def apply_image(self, image: np.ndarray) -> np.ndarray:
        """Warp an image (H, W, 3) uint8; padding is black."""
        return self.place(self.resize(image))

    def resize(self, image: np.ndarray) -> np.ndarray:
        """The first step of ``apply_image``: an image (H, W, 3) at the size ``resized``."""
        return resize(image, self.resized)

    def place(self, image: np.ndarray) -> np.ndarray:
        """The rest of ``apply_image``: crop or pad, and mirror."""
        if self.resized != self.size or self.offset != (0, 0):
            x0, y0 = self.offset
            left, top, right, bottom = self._window()
            canvas = np.zeros((*self.size, 3), dtype=image.dtype)
            canvas[top:bottom, left:right] = image[top + y0 : bottom + y0, left + x0 : right + x0]
            image = canvas
        return np.ascontiguousarray(image[:, ::-1]) if self.flip else image

    def apply_camera(self, camera: Camera) -> Camera:
        """The camera of the warped image."""
        camera = camera.resize(self.resized)
        if self.resized != self.size or self.offset != (0, 0):
            camera = camera.crop(*self.offset, self.size[1], self.size[0])
        return camera.flip() if self.flip else camera

    def apply_coords(self, coords: np.ndarray) -> np.ndarray:
        """Points (N, 2) x, y in pixels of the warped image."""
        scale = np.array([self.resized[1] / self.source[1], self.resized[0] / self.source[0]])
        coords = (coords + 0.5) * scale - 0.5 - np.array(self.offset)
        if self.flip:
            coords[:, 0] = self.size[1] - 1 - coords[:, 0]
        return coords

    def apply_boxes(self, boxes: np.ndarray) -> np.ndarray:
        """2D boxes (N, 4) x1, y1, x2, y2 in pixels of the warped image, not clipped."""
        boxes = self.apply_coords(boxes.reshape(-1, 2)).reshape(-1, 4)
        return boxes[:, [2, 1, 0, 3]] if self.flip else boxes

    def clip_boxes(self, boxes: np.ndarray) -> np.ndarray:
        """Clip transformed boxes (N, 4) to the part of the result that shows the image (not the padding)."""
        left, top, right, bottom = self._window()
        if self.flip:
            left, right = self.size[1] - right, self.size[1] - left
        low, high = np.array([left, top, left, top]), np.array([right, bottom, right, bottom]) - 1
        return np.clip(boxes, low, np.maximum(high, low))

    def apply_boxes3d(self, boxes: Boxes3D) -> Boxes3D:
        """Boxes in the camera's frame; only mirroring changes them."""
        return boxes.flip() if self.flip else boxes

    def apply_plane(self, plane: Tensor) -> Tensor:
        """A ground plane (4,) in the camera's frame; only mirroring changes it."""
        return flip_plane(plane) if self.flip else plane

    def _window(self) -> tuple[int, int, int, int]:
        """Left, top, right, bottom (exclusive) of the image inside the unmirrored result."""
        (x0, y0), (height, width) = self.offset, self.size
        return max(0, -x0), max(0, -y0), min(width, self.resized[1] - x0), min(height, self.resized[0] - y0)


class FitImage(Augmentation):
    """Fits images into ``size`` (height, width), keeping their aspect ratio, or with ``stretch`` gives them
    that size: what inference does to an image."""

    def __init__(self, size: tuple[int, int], stretch: bool = False) -> None:
        super().__init__()
        self.size = size
        self.stretch = stretch

    def get_transform(self, image: np.ndarray) -> ImageTransform:
        """The transform of an image (H, W, 3)."""
        source = (image.shape[0], image.shape[1])
        if self.stretch:
            return ImageTransform(source, self.size, (0, 0), self.size)
        return ImageTransform.fit(source, self.size)


def random_scale_crop(
    source: tuple[int, int],
    bounds: tuple[int, int],
    scale_range: tuple[float, float],
    shift: float,
    rng: np.random.Generator,
    exact: bool = False,
) -> ImageTransform:
    """Zoom by a log-uniform factor around the fitted size and place the crop (or the padded image).

    Args:
        source: (height, width) of the image.
        bounds: (height, width) to fit into; the result has the size that ``ImageTransform.fit`` gives.
        scale_range: least and greatest zoom.
        shift: 0 centres the crop, 1 places it anywhere, values between are a fraction of that range.
        rng: source of randomness.
        exact: the result has the size ``bounds``, whatever the image's aspect: a zoom of 1 is the geometric
            mean of those at which the image fits into them and covers them.
    """
    size = bounds if exact else fit_size(source, bounds)
    zoom = math.exp(rng.uniform(math.log(scale_range[0]), math.log(scale_range[1])))
    if exact:
        scale = zoom * math.sqrt(bounds[0] / source[0] * bounds[1] / source[1])
        resized = (max(1, round(source[0] * scale)), max(1, round(source[1] * scale)))
    else:
        resized = (max(1, round(size[0] * zoom)), max(1, round(size[1] * zoom)))
    free = np.array([resized[1] - size[1], resized[0] - size[0]])
    x0, y0 = np.rint(free * (0.5 + shift * rng.uniform(-0.5, 0.5, size=2))).astype(int).tolist()
    return ImageTransform(source, resized, (x0, y0), size)


def color_jitter(image: np.ndarray, cfg: CfgNode, rng: np.random.Generator) -> np.ndarray:
    """Random brightness, contrast, saturation and hue.

    Args:
        image: (H, W, 3) uint8, BGR.
        cfg: ``cfg.INPUT.COLOR_JITTER``.
        rng: source of randomness.

    Returns:
        A new image like ``image``.
    """
    brightness, contrast, saturation = (
        1 + rng.uniform(-amount, amount) for amount in (cfg.BRIGHTNESS, cfg.CONTRAST, cfg.SATURATION)
    )
    hue = rng.uniform(-cfg.HUE, cfg.HUE)
    mean = cv2.mean(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))[0]
    levels = (np.arange(256) - mean) * contrast * brightness + mean * brightness
    image = cv2.LUT(image, np.clip(np.rint(levels), 0, 255).astype(np.uint8))
    gray = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    image = cv2.addWeighted(image, saturation, gray, 1 - saturation, 0)
    if hue:
        hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV_FULL)
        hsv[..., 0] += np.uint8(round(hue * 256) % 256)  # wraps around the colour circle
        image = cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR_FULL)
    return image


def to_tensor(image: np.ndarray, image_format: str) -> Tensor:
    """uint8 tensor (3, H, W) in ``image_format`` ("BGR" or "RGB") of a BGR image (H, W, 3)."""
    if image_format == "RGB":
        image = image[..., ::-1]
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
