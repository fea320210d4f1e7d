"""Crops of a dataset's pictures at one small size, each a record of its own with camera and labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from d2ext.data.augmentation import ImageTransform
from d2ext.data.scenes.mapper import scene_of

LEAST_HEIGHT = 5.0  # pixels of a box that is labelled
_TRIES = 20


def random_crop(
    source: tuple[int, int], size: tuple[int, int], zoom: tuple[float, float], rng: np.random.Generator
) -> ImageTransform:
    """A crop of ``size`` (height, width) anywhere in a picture of ``source`` that is zoomed by a log-uniform
    factor in ``zoom`` relative to where it just covers the size; a zoom of at least 1."""
    cover = max(size[0] / source[0], size[1] / source[1])
    scale = cover * float(np.exp(rng.uniform(*np.log(zoom))))
    height, width = (max(side, round(n * scale)) for side, n in zip(size, source, strict=True))
    x, y = int(rng.integers(width - size[1] + 1)), int(rng.integers(height - size[0] + 1))
    return ImageTransform(source, (height, width), (x, y), size)


def crop_with_objects(
    record: Mapping[str, Any],
    size: tuple[int, int],
    zoom: tuple[float, float],
    min_visible: float,
    rng: np.random.Generator,
) -> tuple[ImageTransform, list[dict[str, Any]]] | None:
    """A random crop in which an object can be seen, and its objects; None where no try finds one.

    Objects whose box is lower than ``LEAST_HEIGHT`` are left out: nothing could be seen of them.
    """
    for _ in range(_TRIES):
        transform = random_crop((record["height"], record["width"]), size, zoom, rng)
        objects = scene_of(record, transform, min_visible)[0]
        objects = [a for a in objects if a["has_3d"] and a["bbox"][3] - a["bbox"][1] >= LEAST_HEIGHT]
        if objects:
            return transform, objects
    return None
