"""Turns a dataset dict into the input of what draws scenes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from detectron2.config import CfgNode, configurable

from d2ext.checks import check_values
from d2ext.data.augmentation import ImageTransform, color_jitter, to_tensor
from d2ext.data.image_io import MAX_PIXELS, read_image
from d2ext.data.mapper import own_generator
from d2ext.data.scenes.captions import Scores, caption_shares, captions_of, read_scores
from d2ext.data.scenes.maps import layout_maps
from d2ext.modeling.box3d.config import class_names
from d2ext.structures import NEAR_PLANE, Boxes3D, Camera, wrap_angle

SEEDS = 1 << 62


class SceneMapper:
    """One picture that covers ``INPUT.SIZE``, with its layout as maps and a caption.

    The result has ``image`` uint8 (3, H, W) of exactly that size; ``layout`` float32 (C, H / stride, W /
    stride) of :func:`~d2ext.data.scenes.maps.layout_maps`; ``caption``; ``objects``, the annotations that are
    in the picture, in its frame; ``camera``, ``ground_plane`` (4,) or None and ``box_plane`` of it;
    ``noise_seed``, from which all chance of this sample comes; ``latent_key`` by which its latents are known,
    None where they are of this sample only; ``file_name`` and ``image_id``; ``height`` and ``width`` of the
    picture; and in training ``drop``, uniform in [0, 1), by which the model leaves out conditions.
    """

    subject = "a picture"

    @configurable
    def __init__(
        self,
        is_train: bool,
        *,
        size: tuple[int, int],
        image_format: str,
        names: Sequence[str],
        flip_prob: float = 0.0,
        scale_range: tuple[float, float] = (1.0, 1.0),
        crop_shift: float = 0.0,
        min_visible: float = 0.3,
        stride: int = 4,
        jitter: CfgNode | None = None,
        sample_captions: bool = True,
        temperature: float = 1.0,
        scores: Scores | None = None,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        """
        Args:
            is_train: augment, and draw a caption.
            names: of the classes.
            size, ..., max_pixels: the keys of ``cfg.INPUT``, explained in ``d2ext.data.scenes.config``.
        """
        self.is_train, self.size, self.image_format = is_train, size, image_format
        self.names, self.stride, self.min_visible = list(names), stride, min_visible
        self.flip_prob, self.scale_range, self.crop_shift = flip_prob, scale_range, crop_shift
        self.jitter, self.max_pixels = jitter, max_pixels
        self.sample_captions, self.temperature, self.scores = sample_captions, temperature, scores or {}

    @classmethod
    def from_config(cls, cfg: CfgNode, is_train: bool = True) -> dict[str, Any]:
        """The arguments out of the keys of INPUT.

        Raises:
            FileNotFoundError, ValueError: a value that cannot be, or no file of scores.
        """
        check_values(cfg)
        captions = cfg.INPUT.CAPTIONS
        return {
            "is_train": is_train,
            "size": tuple(cfg.INPUT.SIZE),
            "image_format": cfg.INPUT.FORMAT,
            "names": class_names(cfg),
            "flip_prob": cfg.INPUT.FLIP_PROB,
            "scale_range": tuple(cfg.INPUT.SCALE_RANGE),
            "crop_shift": cfg.INPUT.CROP_SHIFT,
            "min_visible": cfg.INPUT.MIN_VISIBLE,
            "stride": cfg.INPUT.LAYOUT_STRIDE,
            "jitter": cfg.INPUT.COLOR_JITTER,
            "sample_captions": captions.SAMPLE,
            "temperature": captions.TEMPERATURE,
            "scores": read_scores(captions.SCORES) if captions.SCORES else {},
            "max_pixels": cfg.INPUT.MAX_PIXELS,
        }

    def __call__(
        self, dataset_dict: dict[str, Any], rng: np.random.Generator | None = None
    ) -> dict[str, Any]:
        """
        Args:
            dataset_dict: a record of a registered dataset.
            rng: source of randomness in training; None: one that NumPy's own generator seeds.

        Raises:
            FileNotFoundError, ValueError: the image is missing, cannot be decoded, or has another size than
                recorded.
        """
        source = (dataset_dict["height"], dataset_dict["width"])
        rng = (own_generator() if rng is None else rng) if self.is_train else None
        transform = self.transform(source, rng)
        image = read_image(dataset_dict["file_name"], self.max_pixels)
        if image.shape[:2] != source:
            found = f"{image.shape[1]}x{image.shape[0]}"
            raise ValueError(
                f"{dataset_dict['file_name']}: expected {source[1]}x{source[0]} pixels, got {found}"
            )
        image = transform.resize(image)
        if rng is not None and self.jitter is not None and _jitters(self.jitter):
            image = color_jitter(image, self.jitter, rng)
        output = self.describe(dataset_dict, transform, rng)
        output["image"] = to_tensor(transform.place(image), self.image_format)
        return output

    def describe(
        self,
        dataset_dict: Mapping[str, Any],
        transform: ImageTransform,
        rng: np.random.Generator | None = None,
    ) -> dict[str, Any]:
        """All but the picture itself."""
        objects, camera, plane, standing = scene_of(dataset_dict, transform, self.min_visible)
        captions = captions_of(dataset_dict, objects, self.names, transform.flip)
        seed = int(rng.integers(SEEDS)) if rng is not None else _seed_of(str(dataset_dict["image_id"]))
        still = transform == replace(self.transform(transform.source, None), flip=transform.flip)
        same = still and not (self.is_train and self.jitter is not None and _jitters(self.jitter))
        output = {
            "file_name": dataset_dict["file_name"],
            "image_id": dataset_dict["image_id"],
            "height": self.size[0],
            "width": self.size[1],
            "camera": camera,
            "ground_plane": plane,
            "box_plane": standing,
            "objects": objects,
            "layout": layout_of(objects, camera, plane, standing, len(self.names), self.stride),
            "caption": self._caption(dataset_dict, captions, rng),
            "noise_seed": seed,
            "latent_key": f"{dataset_dict['file_name']}{'|mirrored' * transform.flip}" if same else None,
        }
        return output | ({"drop": float(rng.random())} if rng is not None else {})

    def transform(self, source: tuple[int, int], rng: np.random.Generator | None = None) -> ImageTransform:
        """What of a picture of ``source`` (height, width) is shown: what ``rng`` draws, or the middle."""
        cover = max(self.size[0] / source[0], self.size[1] / source[1])
        zoom, flip, shift = 1.0, False, np.zeros(2)
        if rng is not None:
            zoom = float(np.exp(rng.uniform(*np.log(self.scale_range))))
            flip = bool(rng.random() < self.flip_prob)
            shift = self.crop_shift * rng.uniform(-0.5, 0.5, 2)
        resized = tuple(max(side, round(n * cover * zoom)) for side, n in zip(self.size, source, strict=True))
        free = np.array([resized[1] - self.size[1], resized[0] - self.size[0]])
        x, y = np.floor(free * (0.5 + shift)).astype(int).tolist()
        return ImageTransform(source, (resized[0], resized[1]), (x, y), self.size, flip)

    def _caption(
        self, dataset_dict: Mapping[str, Any], captions: list[str], rng: np.random.Generator | None
    ) -> str:
        scores = self.scores.get(str(dataset_dict["image_id"]), {})
        if rng is not None and self.sample_captions:
            return captions[
                int(rng.choice(len(captions), p=caption_shares(captions, scores, self.temperature)))
            ]
        return max(captions, key=lambda caption: (scores.get(caption, 0.0), len(caption)))


def _jitters(jitter: CfgNode) -> bool:
    return any(jitter[name] for name in ("BRIGHTNESS", "CONTRAST", "SATURATION", "HUE"))


def _seed_of(name: str) -> int:
    """The same number for a name on every machine."""
    state = np.random.SeedSequence(list(name.encode())).generate_state(2, np.uint32)
    return int(state[0]) << 30 ^ int(state[1])


def scene_of(
    record: Mapping[str, Any], transform: ImageTransform, min_visible: float
) -> tuple[list[dict[str, Any]], Camera, torch.Tensor | None, torch.Tensor | None]:
    """What of a record is in a transformed picture: annotations in its frame, its camera, its ground (4,) and
    the plane (4,) that boxes stand on; None where they are level or it is not known."""
    plane = record.get("ground_plane")
    plane = None if plane is None else torch.tensor(plane, dtype=torch.float32)
    camera = transform.apply_camera(
        Camera(torch.tensor(record["camera"]), (record["height"], record["width"]))
    )
    plane = None if plane is None else transform.apply_plane(plane)
    standing = None if record.get("level_boxes", False) else plane
    boxes = transform.apply_boxes(np.array([a["bbox"] for a in record["annotations"]], float).reshape(-1, 4))
    clipped = transform.clip_boxes(boxes)
    objects = []
    for annotation, whole, inside in zip(record["annotations"], boxes, clipped, strict=True):
        area, seen = (max(0.0, float(np.prod(box[2:] - box[:2]))) for box in (whole, inside))
        behind = annotation["has_3d"] and annotation["location"][2] <= NEAR_PLANE
        if seen <= 0 or seen < min_visible * area or behind:
            continue
        objects.append(_mirrored(annotation, transform.flip) | {"bbox": inside.tolist()})
    return objects, camera, plane, standing


def _mirrored(annotation: Mapping[str, Any], flip: bool) -> dict[str, Any]:
    if not flip or not annotation["has_3d"]:
        return dict(annotation)
    x, y, z = annotation["location"]
    yaw = float(wrap_angle(torch.tensor(np.pi - annotation["yaw"])))
    alpha = float(wrap_angle(torch.tensor(np.pi - annotation["alpha"])))
    return dict(annotation) | {"location": [-x, y, z], "yaw": yaw, "alpha": alpha}


def layout_of(
    objects: Sequence[Mapping[str, Any]],
    camera: Camera,
    ground: torch.Tensor | None,
    standing: torch.Tensor | None,
    num_classes: int,
    stride: int,
) -> torch.Tensor:
    """The maps of annotations with a 3D box; ``standing`` is the plane (4,) that boxes stand on."""
    placed = [a for a in objects if a["has_3d"]]
    location = torch.tensor([a["location"] for a in placed], dtype=torch.float32).reshape(-1, 3)
    dimensions = torch.tensor([a["dimensions"] for a in placed], dtype=torch.float32).reshape(-1, 3)
    yaw = torch.tensor([a["yaw"] for a in placed], dtype=torch.float32)
    boxes = Boxes3D.from_kitti(location, dimensions, yaw, standing)
    classes = torch.tensor([a["category_id"] for a in placed], dtype=torch.long)
    return layout_maps(boxes, classes, camera, ground, num_classes, stride)
