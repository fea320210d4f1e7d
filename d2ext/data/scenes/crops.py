"""Crops of a dataset's pictures at one small size, each a record of its own with camera and labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from detectron2.data import DatasetCatalog
from tqdm import tqdm

from d2ext.data.augmentation import ImageTransform
from d2ext.data.image_io import read_image
from d2ext.data.scenes.mapper import scene_of
from d2ext.data.scenes.writing import SceneFiles

LEAST_HEIGHT = 5.0  # pixels of a box that is labelled
_TRIES = 50


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

    The principal point is in the crop, as it is in a camera's picture. Objects whose box is lower than
    ``LEAST_HEIGHT`` are left out: nothing could be seen of them.
    """
    for _ in range(_TRIES):
        transform = random_crop((record["height"], record["width"]), size, zoom, rng)
        objects, camera, _, _ = scene_of(record, transform, min_visible)
        if not (0 <= camera.cx < size[1] and 0 <= camera.cy < size[0]):
            continue
        objects = [a for a in objects if a["has_3d"] and a["bbox"][3] - a["bbox"][1] >= LEAST_HEIGHT]
        if objects:
            return transform, objects
    return None


def write_crops(
    files: SceneFiles,
    datasets: Sequence[tuple[str, str]],
    size: tuple[int, int],
    zoom: tuple[float, float],
    *,
    crops: int = 1,
    min_visible: float = 0.5,
    limit: int = 0,
    ascii_only: bool = False,
    seed: int = 0,
) -> tuple[int, int]:
    """Write crops of registered datasets, and that the dataset is complete.

    Args:
        files: of the dataset to write.
        datasets: splits to write, each with a registered name.
        size: (height, width).
        zoom: see :func:`random_crop`.
        crops: of each picture.
        min_visible: share of an object's 2D box that is kept.
        limit: pictures of each dataset, spread over it; 0: all.
        ascii_only: leave out sentences in other letters.
        seed: the same one gives the same crops.

    Returns:
        how many were written, and how many had no object and were left out.
    """
    written = empty = 0
    for split, name in datasets:
        records = DatasetCatalog.get(name)
        count = min(limit or len(records), len(records))
        chosen = np.unique(np.linspace(0, len(records) - 1, count).round().astype(int)).tolist()
        for index in tqdm(chosen, unit="image", desc=name):
            record = records[index]
            picture = read_image(record["file_name"])
            told = [s for s in record["sentences"] if s["text"].isascii() or not ascii_only]
            for number in range(crops):
                rng = np.random.default_rng((seed, index, number, *name.encode()))
                found = crop_with_objects(record, size, zoom, min_visible, rng)
                if found is None:
                    empty += 1
                    continue
                transform, objects = found
                _, camera, ground, _ = scene_of(record, transform, min_visible)
                level = bool(record.get("level_boxes", False))
                small = transform.apply_image(picture)
                files.add(split, small, objects, camera, ground, level, told)
                written += 1
    files.finish()
    return written, empty
