"""The one interface between who draws answers and who shows them.

A kind of data says by its ``evaluator_type`` who draws its answers, or a model whose answers are of another
kind by its ``MODEL.META_ARCHITECTURE``: a subclass of :class:`Gallery` registered with :func:`draws`, which
whoever wants pictures has imported. Trainers and the report know this interface
only; :mod:`d2ext.gallery` has those of the kinds of data of this collection.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog

PICTURE_WIDTH = 1200  # pixels
PREDICTIONS = "predictions.json"

_KINDS: dict[str, type[Gallery]] = {}


@dataclass
class Picture:
    """A drawn answer.

    Attributes:
        image_id: of the image.
        title: what was asked, or what the image is.
        caption: how good the answer is, in words.
        pixels: (H, W, 3) uint8 BGR.
    """

    image_id: str
    title: str
    caption: str
    pixels: np.ndarray


class Gallery(ABC):
    """Draws what the last evaluation on a dataset found and should have found.

    A subclass reads what its evaluator left in the folder.

    Attributes:
        heading, note: over the worst answers; the note says what the colours mean. HTML.
    """

    heading = "Worst mistakes"
    note: str

    def __init__(self, folder: Path, name: str, cfg: CfgNode) -> None:
        """
        Args:
            folder: of the evaluation, with ``predictions.json``.
            name: registered dataset.
            cfg: the run's config; empty where it is not known.

        Raises:
            FileNotFoundError, ValueError: the dataset is not there; a file of the evaluation is damaged.
        """
        self.folder, self.name, self.cfg = folder, name, cfg
        self.metadata = MetadataCatalog.get(name)
        self.answers: Sequence[Any] = self.read(DatasetCatalog.get(name))

    @abstractmethod
    def read(self, records: list[dict[str, Any]]) -> Sequence[Any]:
        """One item for each image of the dataset that was answered, in the dataset's order."""

    @abstractmethod
    def draw(self, answer: Any) -> Picture:
        """The picture of one item of :meth:`read`."""

    @abstractmethod
    def worst(self, count: int) -> Iterator[Picture]:
        """At most ``count`` pictures, the worst first."""

    def spread(self, count: int) -> Iterator[Picture]:
        """At most ``count`` pictures, spread evenly over the dataset: the same images every time."""
        number = min(count, len(self.answers))
        for i in np.unique(np.linspace(0, len(self.answers) - 1, number).round().astype(int)):
            yield self.draw(self.answers[i])

    def pages(self) -> Iterator[Picture]:
        """All that was answered: at least a picture of each image, in the dataset's order."""
        for answer in self.answers:
            yield self.draw(answer)


def draws(*kinds: str) -> Callable[[type[Gallery]], type[Gallery]]:
    """Register a gallery for the datasets whose ``evaluator_type`` is one of ``kinds``, or for the answers of
    such a ``MODEL.META_ARCHITECTURE``."""

    def register(gallery: type[Gallery]) -> type[Gallery]:
        for kind in kinds:
            _KINDS[kind] = gallery
        return gallery

    return register


def open_gallery(folder: str | Path, name: str, cfg: CfgNode) -> Gallery | None:
    """Who draws the answers on a dataset.

    Args:
        folder: ``OUTPUT_DIR`` of the run.
        name: dataset.
        cfg: the run's config.

    Returns:
        None where the dataset is not registered, nobody draws its kind, or it was not evaluated.

    Raises:
        FileNotFoundError, ValueError: the dataset is not there; a file of the evaluation is damaged.
    """
    if name not in DatasetCatalog:
        return None
    kinds = cfg.get("MODEL", {}).get("META_ARCHITECTURE"), MetadataCatalog.get(name).get("evaluator_type")
    gallery = next((_KINDS[kind] for kind in kinds if kind in _KINDS), None)
    folder = Path(folder) / "inference" / name
    if gallery is None or not (folder / PREDICTIONS).is_file():
        return None
    return gallery(folder, name, cfg)


def fit_width(picture: np.ndarray) -> np.ndarray:
    """A drawing (H, W, 3) at ``PICTURE_WIDTH``."""
    size = (PICTURE_WIDTH, round(picture.shape[0] * PICTURE_WIDTH / picture.shape[1]))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
