"""Model input for anomaly detection: images as they are, recordings drawn as space-time graphs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from detectron2.config import CfgNode, configurable

from d2ext.data.trajectories import ColumnMap, GraphSpec, SpaceTimeGraph

from .augmentation import color_jitter, to_tensor
from .image_io import MAX_PIXELS, list_images, read_image, read_mask, resize, resize_mask
from .mapper import own_generator
from .recordings import column_map, graph_labels, graph_spec, recording_renderer
from .recordings import graph_records as graph_records

PENALTY_GRAY = 0.3  # share of penalty images that lose their colour
_JITTERS = ("BRIGHTNESS", "CONTRAST", "SATURATION")


def normal_records(
    records: Sequence[dict[str, Any]], name: str, share: float, held_out: bool
) -> list[dict[str, Any]]:
    """The training part or the held-out part of a dataset of normal images.

    The held-out records are spread evenly: with a share of a tenth every tenth one, in the dataset's order.

    Args:
        name: of the dataset, for the messages.
        share: of the records that is held out, from 0 to 1.
        held_out: which of the two parts.

    Raises:
        ValueError: an abnormal record, or no record in the part.
    """
    for record in records:
        if record["label"]:
            raise ValueError(
                f"dataset {name!r}: {record['file_name']}: an anomaly, expected normal data only"
            )
    # Rounded: 3 x 0.1 is a little more than 0.3.
    before = np.floor(np.round(np.arange(len(records) + 1) * share, 6))
    part = [record for record, new in zip(records, np.diff(before) > 0, strict=True) if new == held_out]
    if not part:
        use = "held out" if held_out else "left to train on"
        raise ValueError(
            f"dataset {name!r}: of its {len(records)} images none is {use}, DATASETS.HELD_OUT is {share}"
        )
    return part


class AnomalyMapper:
    """One image, or one graph of a recording, at ``INPUT.SIZE``. A graph has the size of its scale instead.

    The result has

    * ``image`` uint8 (3, H, W), ``file_name``, ``image_id``, and of a graph its ``first_column`` and its
      ``graph_scale`` (:meth:`GraphSpec.scale`);
    * in training ``branch_image``, where ``INPUT.COLOR_JITTER`` is on: the image with its brightness,
      contrast or saturation changed, one of them by chance; and ``penalty_image``, where there is a
      ``INPUT.PENALTY_FOLDER``: a crop of one of its images, gray in three of ten cases;
    * in evaluation ``mask`` bool (H, W), None where it is not known, ``label`` (1: abnormal) and ``kind`` of
      the anomaly; of an image also ``original_mask`` bool, the mask at the size of the file.
    """

    subject = "an image"

    @configurable
    def __init__(
        self,
        is_train: bool,
        *,
        size: tuple[int, int],
        image_format: str,
        jitter: CfgNode,
        spec: GraphSpec,
        width: int,
        columns: ColumnMap,
        penalty_folder: str,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        """
        Args:
            is_train: augment; no labels are looked at.
            size, image_format, jitter, penalty_folder, max_pixels: the keys of ``cfg.INPUT``, explained where
                they are declared.
            spec, width: of the graphs.
            columns: of the recordings.

        Raises:
            FileNotFoundError: the penalty folder holds no images.
        """
        self.is_train = is_train
        self.size = size
        self.image_format = image_format
        self.jitter = jitter
        self.spec = spec
        self.width = width
        self.columns = columns
        self.max_pixels = max_pixels
        self.penalty_files: list[Path] = []
        if is_train and penalty_folder:
            self.penalty_files = list_images(penalty_folder)

    @classmethod
    def from_config(cls, cfg: CfgNode, is_train: bool = True) -> dict[str, Any]:
        """The arguments out of the keys of INPUT."""
        return {
            "is_train": is_train,
            "size": tuple(cfg.INPUT.SIZE),
            "image_format": cfg.INPUT.FORMAT,
            "jitter": cfg.INPUT.COLOR_JITTER,
            "spec": graph_spec(cfg),
            "width": cfg.INPUT.GRAPH.WIDTH,
            "columns": column_map(cfg),
            "penalty_folder": cfg.INPUT.PENALTY_FOLDER,
            "max_pixels": cfg.INPUT.MAX_PIXELS,
        }

    def __call__(
        self, dataset_dict: dict[str, Any], rng: np.random.Generator | None = None
    ) -> dict[str, Any]:
        """
        Args:
            dataset_dict: a record of :func:`graph_records`.
            rng: source of randomness in training; None: one that NumPy's own generator seeds.

        Raises:
            FileNotFoundError, ValueError: a file is missing or cannot be read.
        """
        keys = ("file_name", "image_id", "first_column")
        output: dict[str, Any] = {key: dataset_dict[key] for key in keys if key in dataset_dict}
        subject = self.read(dataset_dict)
        if isinstance(subject, SpaceTimeGraph):
            image = subject.image
            output["graph_scale"] = self.spec.scale(self.width)
        else:
            image = subject
        output["image"] = to_tensor(image, self.image_format)
        if not self.is_train:
            output |= self.labels(subject, dataset_dict)
        if self.is_train:
            output |= self._augmented(image, rng)
        return output

    def read(self, record: dict[str, Any]) -> np.ndarray | SpaceTimeGraph:
        """The image (H, W, 3) uint8 BGR, or the graph, of a record of :func:`graph_records`.

        Raises:
            FileNotFoundError, ValueError: a file is missing or cannot be read.
        """
        if "first_column" not in record:
            return resize(read_image(record["file_name"], self.max_pixels), self.size)
        renderer = recording_renderer(record["file_name"], record["road_file"], self.spec, self.columns)
        return renderer.render(record["first_column"], self.width)

    def labels(self, subject: np.ndarray | SpaceTimeGraph, record: dict[str, Any]) -> dict[str, Any]:
        """``mask``, ``label`` and ``kind`` of what :meth:`read` gave."""
        if isinstance(subject, SpaceTimeGraph):
            return graph_labels(subject, record)
        return self._image_labels(record)

    def _augmented(self, image: np.ndarray, rng: np.random.Generator | None) -> dict[str, torch.Tensor]:
        rng = own_generator() if rng is None else rng
        output = {}
        if any(self.jitter[key] for key in _JITTERS):
            jitter = CfgNode(dict.fromkeys(self.jitter, 0.0))
            chosen = _JITTERS[rng.integers(len(_JITTERS))]
            jitter[chosen] = self.jitter[chosen]
            output["branch_image"] = to_tensor(color_jitter(image, jitter, rng), self.image_format)
        if self.penalty_files:
            penalty = read_image(self.penalty_files[rng.integers(len(self.penalty_files))], self.max_pixels)
            output["penalty_image"] = to_tensor(
                penalty_crop(penalty, image.shape[:2], rng), self.image_format
            )
        return output

    def _image_labels(self, record: dict[str, Any]) -> dict[str, Any]:
        whole: np.ndarray | None = np.zeros((record["height"], record["width"]), bool)
        mask: np.ndarray | None = np.zeros(self.size, bool)
        if record["mask_file"] is not None:
            whole = read_mask(record["mask_file"], self.max_pixels)
            mask = resize_mask(whole, self.size)
        elif record["label"]:
            whole = mask = None
        return {
            "mask": None if mask is None else torch.from_numpy(mask),
            "original_mask": None if whole is None else torch.from_numpy(whole),
            "label": record["label"],
            "kind": record["kind"],
        }


def penalty_crop(image: np.ndarray, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """As published: fitted to twice the ``size`` (height, width), gray in three of ten cases, its centre."""
    height, width = size
    image = resize(image, (2 * height, 2 * width))
    image = image[height // 2 : height // 2 + height, width // 2 : width // 2 + width]
    if rng.random() < PENALTY_GRAY:
        image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    return image
