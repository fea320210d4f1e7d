"""Turns a dataset dict into the input of a detector."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from detectron2.config import CfgNode, configurable
from detectron2.structures import Boxes, Instances

from d2ext.checks import check_values
from d2ext.structures import NEAR_PLANE, Boxes3D, Camera, wrap_angle

from .augmentation import ImageTransform, color_jitter, random_scale_crop, to_tensor
from .box_plane import default_ground, ground_error
from .image_io import MAX_PIXELS, read_image
from .told import ToldCamera


class DetectionMapper:
    """One image, read, augmented (in training) and fitted into ``INPUT.SIZE``, with its camera and objects.

    The result has

    * ``image`` uint8 (3, H, W), not padded; ``camera`` of it, ``original_camera`` of the file,
      ``ground_plane`` float32 (4,) or None, where boxes are level and the record has none that of
      ``INPUT.DEFAULT_GROUND``; ``ground_error`` the standard deviation of its tilt in radians or None
      (``INPUT.GROUND_ERROR``); ``box_plane`` the plane that boxes stand on (None: level, as in KITTI, where
      ``level_boxes``), ``height`` and ``width`` of the file, ``file_name``, ``image_id``;
    * in training ``true_plane``, the record's (4,) or None, of which ``ground_plane`` is what the model is
      told (``INPUT.DROP_PLANE``, ``INPUT.PLANE_NOISE``); and ``instances`` (``gt_boxes`` in pixels of
      ``image``, ``gt_classes``, ``gt_boxes3d``, ``gt_has_3d``, ``gt_ids``, ``gt_yaw``). Objects without a 3D
      box hold a stand-in of finite numbers in ``gt_boxes3d``.
    """

    #: Key of a record whose content training is about, and what one item of it is called.
    subject_key, subject = "annotations", "an object"

    @configurable
    def __init__(
        self,
        is_train: bool,
        *,
        size: tuple[int, int],
        image_format: str,
        flip_prob: float,
        scale_range: tuple[float, float],
        crop_shift: float,
        min_visible: float,
        jitter: CfgNode,
        max_pixels: int = MAX_PIXELS,
        default_ground: torch.Tensor | None = None,
        ground_error: tuple[float, ...] = (),
        told: ToldCamera | None = None,
        train_sizes: tuple[tuple[int, int], ...] = (),
    ) -> None:
        """
        Args:
            is_train: augment and give the ground truth.
            default_ground: (4,) of images with level boxes whose ground is not known.
            ground_error: degrees, see ``INPUT.GROUND_ERROR``.
            told: what the model is told of camera and ground; None: the truth.
            size, ..., max_pixels: the keys of ``cfg.INPUT``, explained in ``d2ext.data.config``.
        """
        self.is_train = is_train
        self.size = size
        self.image_format = image_format
        self.flip_prob = flip_prob
        self.train_sizes = train_sizes
        self.scale_range = scale_range
        self.crop_shift = crop_shift
        self.min_visible = min_visible
        self.jitter = jitter
        self.max_pixels = max_pixels
        self.default_ground = default_ground
        self.ground_error = ground_error
        self.told = told or ToldCamera()

    @classmethod
    def from_config(cls, cfg: CfgNode, is_train: bool = True) -> dict[str, Any]:
        """The arguments out of the keys of INPUT.

        Raises:
            ValueError: a value that cannot be.
        """
        check_values(cfg)
        return {
            "is_train": is_train,
            "size": tuple(cfg.INPUT.SIZE),
            "image_format": cfg.INPUT.FORMAT,
            "flip_prob": cfg.INPUT.FLIP_PROB,
            "train_sizes": tuple(tuple(size) for size in cfg.INPUT.TRAIN_SIZES),
            "scale_range": tuple(cfg.INPUT.SCALE_RANGE),
            "crop_shift": cfg.INPUT.CROP_SHIFT,
            "min_visible": cfg.INPUT.MIN_VISIBLE,
            "jitter": cfg.INPUT.COLOR_JITTER,
            "max_pixels": cfg.INPUT.MAX_PIXELS,
            "default_ground": default_ground(cfg.INPUT.DEFAULT_GROUND),
            "ground_error": tuple(cfg.INPUT.GROUND_ERROR),
            "told": ToldCamera.from_config(cfg, is_train),
        }

    def __call__(
        self,
        dataset_dict: dict[str, Any],
        rng: np.random.Generator | None = None,
        of_batch: np.random.Generator | None = None,
    ) -> dict[str, Any] | None:
        """
        Args:
            dataset_dict: a record of a registered dataset.
            rng: source of randomness in training; None: one that NumPy's own generator seeds, as in
                Detectron2's loaders.
            of_batch: source of what all images of a batch have in common, one of ``train_sizes``; None:
                ``rng``.

        Returns:
            The model input; in training None when cropping has left nothing of what the record is about.

        Raises:
            FileNotFoundError, ValueError: the image is missing, cannot be decoded, or has another size than
                recorded.
        """
        height, width = dataset_dict["height"], dataset_dict["width"]
        plane = dataset_dict["ground_plane"]
        plane = None if plane is None else torch.tensor(plane, dtype=torch.float32)
        level = dataset_dict.get("level_boxes", False)
        output = {
            "file_name": dataset_dict["file_name"],
            "image_id": dataset_dict["image_id"],
            "height": height,
            "width": width,
            "original_camera": Camera(torch.tensor(dataset_dict["camera"]), (height, width)),
            "ground_plane": self.default_ground if plane is None and level else plane,
            "ground_error": ground_error(self.ground_error, level, plane is None),
            "box_plane": None if level else plane,
            "level_boxes": level,
        }
        if self.is_train:
            output["true_plane"] = plane
            rng = own_generator() if rng is None else rng
            transform = self._augment(dataset_dict, output, rng, of_batch or rng)
            if transform is None:
                return None
            image = transform.place(
                color_jitter(transform.resize(self._read(dataset_dict)), self.jitter, rng)
            )
        else:
            for key in ("ground_plane", "box_plane"):
                output[key] = self.told.plane(output[key])
            transform = ImageTransform.fit((height, width), self.size)
            image = transform.apply_image(self._read(dataset_dict))
        output["camera"] = self.told.camera(transform.apply_camera(output["original_camera"]))
        output["image"] = to_tensor(image, self.image_format)
        return output

    def _read(self, dataset_dict: dict[str, Any]) -> np.ndarray:
        name, size = dataset_dict["file_name"], (dataset_dict["height"], dataset_dict["width"])
        image = read_image(name, self.max_pixels)
        if image.shape[:2] != size:
            found = f"{image.shape[1]}x{image.shape[0]}"
            raise ValueError(f"{name}: expected {size[1]}x{size[0]} pixels, got {found}")
        return image

    def _augment(
        self,
        dataset_dict: dict[str, Any],
        output: dict[str, Any],
        rng: np.random.Generator,
        of_batch: np.random.Generator,
    ) -> ImageTransform | None:
        """Choose a transform and write what depends on it into ``output``; None when nothing is left."""
        source = (dataset_dict["height"], dataset_dict["width"])
        exact = bool(self.train_sizes)
        size = self.train_sizes[of_batch.integers(len(self.train_sizes))] if exact else self.size
        transform = random_scale_crop(source, size, self.scale_range, self.crop_shift, rng, exact)
        flip = bool(rng.random() < self.flip_prob)
        annotations = self._visible(dataset_dict, transform)
        flipped = self._choose(dataset_dict, annotations, output, flip, rng)
        if flipped is None:
            return None
        transform = transform.with_flip(flipped)
        output["instances"] = _instances(annotations, transform, output["box_plane"])
        output["ground_plane"] = self.told.plane(output["ground_plane"], rng)
        for key in ("ground_plane", "box_plane", "true_plane"):
            if output[key] is not None:
                output[key] = transform.apply_plane(output[key])
        return transform

    def _choose(
        self,
        dataset_dict: dict[str, Any],
        annotations: list[dict[str, Any]],
        output: dict[str, Any],
        flip: bool,
        rng: np.random.Generator,
    ) -> bool | None:
        """Whether to mirror, where ``flip`` was drawn; None when the visible annotations are not enough."""
        return flip if annotations or not dataset_dict["annotations"] else None

    def _visible(self, dataset_dict: dict[str, Any], transform: ImageTransform) -> list[dict[str, Any]]:
        """Annotations in front of the camera whose 2D box keeps its centre and enough of its area."""
        annotations = dataset_dict["annotations"]
        boxes = transform.apply_boxes(
            np.array([a["bbox"] for a in annotations], dtype=np.float64).reshape(-1, 4)
        )
        clipped = transform.clip_boxes(boxes)
        area, visible = _area(boxes), _area(clipped)
        centers = (boxes[:, :2] + boxes[:, 2:]) / 2
        inside = (centers == transform.clip_boxes(np.tile(centers, 2))[:, :2]).all(axis=1)
        keep = inside & (visible > 0) & (visible >= self.min_visible * area)
        return [
            annotation
            for annotation, good in zip(annotations, keep, strict=True)
            if good and (not annotation["has_3d"] or annotation["location"][2] > NEAR_PLANE)
        ]


def own_generator() -> np.random.Generator:
    """A generator seeded by NumPy's global one, which Detectron2 seeds in each worker."""
    return np.random.default_rng(np.random.randint(1 << 31))


def _area(boxes: np.ndarray) -> np.ndarray:
    return np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)


def _instances(
    annotations: list[dict[str, Any]], transform: ImageTransform, plane: torch.Tensor | None
) -> Instances:
    """Ground truth in the frame of the transformed image; ``plane`` is the file's that boxes stand on."""
    boxes = np.array([a["bbox"] for a in annotations], dtype=np.float64).reshape(-1, 4)
    boxes = transform.clip_boxes(transform.apply_boxes(boxes))
    classes = np.array([a["category_id"] for a in annotations], dtype=np.int64)
    has_3d = np.array([a["has_3d"] for a in annotations], dtype=bool)
    location = np.array([a["location"] for a in annotations], dtype=np.float32).reshape(-1, 3)
    dimensions = np.array([a["dimensions"] for a in annotations], dtype=np.float32).reshape(-1, 3)
    location[~has_3d] = (0, 0, 1)
    dimensions[~has_3d] = 1
    yaw = torch.tensor([a["yaw"] for a in annotations], dtype=torch.float32)
    boxes3d = Boxes3D.from_kitti(torch.from_numpy(location), torch.from_numpy(dimensions), yaw, plane)

    instances = Instances(transform.size)
    instances.gt_boxes = Boxes(torch.from_numpy(boxes.astype(np.float32)))
    instances.gt_classes = torch.from_numpy(classes)
    instances.gt_boxes3d = transform.apply_boxes3d(boxes3d)
    instances.gt_has_3d = torch.from_numpy(has_3d)
    instances.gt_ids = torch.tensor([a["id"] for a in annotations], dtype=torch.long)
    instances.gt_yaw = wrap_angle(np.pi - yaw if transform.flip else yaw)
    return instances
