"""Datasets drawn by SceneSana: new appearance for labels, new layouts, pasted objects that fit in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from d2ext.data.scenes.statistics import LayoutStatistics
from d2ext.data.scenes.writing import SceneFiles
from d2ext.engine import inference_autocast
from d2ext.projects.scene_sana.evaluator import to_bgr
from d2ext.projects.scene_sana.predictor import SceneSanaPredictor
from d2ext.projects.scene_sana.repeats import RepeatFilter
from d2ext.structures import Boxes3D

SEEDS = 1 << 62
GROWN = 0.25  # of an object's box on each side, so that its shadow is in what is drawn again
FEATHER = 2.0  # pixels over which what is drawn again goes over into the picture


@dataclass
class Scene:
    """A picture to be drawn.

    Attributes:
        record: mapper dict; ``image`` is what is begun with.
        sentences: of the dataset dict.
        mask: (H, W) from 0 to 1, where the drawn picture replaces ``image``; None: everywhere.
    """

    record: dict[str, Any]
    sentences: Sequence[Mapping[str, Any]] = ()
    mask: np.ndarray | None = None


@dataclass
class Drawn:
    """What became of scenes: pictures kept, repeats dropped, and tiles (caption, picture) for a sheet."""

    kept: int = 0
    dropped: int = 0
    tiles: list[tuple[str, np.ndarray]] = field(default_factory=list)


def augmented(
    predictor: SceneSanaPredictor,
    records: Sequence[Mapping[str, Any]],
    count: int,
    rng: np.random.Generator,
    text: str = "",
) -> Iterator[Scene]:
    """Every record ``count`` times, for new appearance of the same labels; ``text`` goes before captions."""
    for record in records:
        for _ in range(count):
            found = predictor.mapper(dict(record))
            found |= {"noise_seed": int(rng.integers(SEEDS)), "caption": _told(text, found["caption"])}
            yield Scene(found, record.get("sentences", ()))


def invented(
    predictor: SceneSanaPredictor,
    records: Sequence[Mapping[str, Any]],
    count: int,
    rng: np.random.Generator,
    text: str = "",
) -> Iterator[Scene]:
    """``count`` new layouts drawn from the statistics of records."""
    statistics = LayoutStatistics(records)
    for _ in range(count):
        record = statistics.draw(rng)
        transform = predictor.mapper.transform((record["height"], record["width"]))
        found = predictor.mapper.describe(record, transform)
        found |= {"noise_seed": int(rng.integers(SEEDS)), "caption": _told(text, found["caption"])}
        yield Scene(found | {"latent_key": None})


def harmonised(
    predictor: SceneSanaPredictor, records: Sequence[Mapping[str, Any]], rng: np.random.Generator
) -> Iterator[Scene]:
    """Records whose objects were pasted: they are drawn again, with some of what is around them, and the rest
    of the picture stays."""
    for record in records:
        found = predictor.mapper(dict(record))
        found["noise_seed"] = int(rng.integers(SEEDS))
        size = (found["height"], found["width"])
        yield Scene(found, record.get("sentences", ()), object_mask(found["objects"], size))


def _told(text: str, caption: str) -> str:
    return f"{text}, {caption}" if text else caption


def object_mask(objects: Sequence[Mapping[str, Any]], size: tuple[int, int]) -> np.ndarray:
    """(H, W) float32 from 0 to 1: 1 in the boxes of objects, grown by ``GROWN`` of their sides."""
    mask = np.zeros(size, np.float32)
    for a in objects:
        x1, y1, x2, y2 = a["bbox"]
        dx, dy = GROWN * (x2 - x1), GROWN * (y2 - y1)
        left, top = max(0, int(x1 - dx)), max(0, int(y1 - dy))
        mask[top : int(y2 + dy) + 1, left : int(x2 + dx) + 1] = 1
    return cv2.GaussianBlur(mask, (0, 0), FEATHER)


def draw_scenes(
    predictor: SceneSanaPredictor,
    scenes: Iterator[Scene],
    files: SceneFiles,
    split: str,
    *,
    strength: float = 1.0,
    repeats: RepeatFilter | None = None,
    batch: int = 8,
    tiles: int = 16,
) -> Drawn:
    """Draw scenes and write what is new.

    Args:
        files: of the dataset; the caller finishes it.
        split: "train", "val" or "test".
        strength: below 1, begin with the scene's ``image``, noised so much.
        repeats: drops near-repeats of training pictures; None keeps all.
        batch: scenes that are drawn at a time.
        tiles: pictures for the sheet, each with the one it began with before it.
    """
    done, waiting = Drawn(), []
    for scene in scenes:
        waiting.append(scene)
        if len(waiting) == batch:
            _draw(predictor, waiting, files, split, strength, repeats, done, tiles)
            waiting = []
    if waiting:
        _draw(predictor, waiting, files, split, strength, repeats, done, tiles)
    return done


def _draw(
    predictor: SceneSanaPredictor,
    scenes: list[Scene],
    files: SceneFiles,
    split: str,
    strength: float,
    repeats: RepeatFilter | None,
    done: Drawn,
    tiles: int,
) -> None:
    records = [scene.record for scene in scenes]
    masks = [scene.mask for scene in scenes if scene.mask is not None]
    keep = _kept_cells(masks, predictor.model.autoencoder.factor) if masks else None
    with torch.no_grad(), inference_autocast(predictor.cfg):
        images = predictor.model.draw(records, strength=strength, keep=keep).cpu()
    images = torch.stack([_blended(image, scene) for image, scene in zip(images, scenes, strict=True)])
    new = repeats.keeps(list(images)) if repeats is not None else [True] * len(images)
    for scene, image, good in zip(scenes, images, new, strict=True):
        done.dropped += not good
        if not good:
            continue
        record, picture = scene.record, to_bgr(image, predictor.input_format)
        level, ground = record["box_plane"] is None, record["ground_plane"]
        files.add(split, picture, record["objects"], record["camera"], ground, level, scene.sentences)
        done.kept += 1
        if len(done.tiles) < tiles:
            if "image" in record and (strength < 1 or scene.mask is not None):
                done.tiles.append(("before", to_bgr(record["image"], predictor.input_format)))
            done.tiles.append((record["caption"], picture))


def _kept_cells(masks: Sequence[np.ndarray], factor: int) -> Tensor:
    """(B, 1, h, w) bool, cells of the latents in which nothing is drawn again."""
    stacked = torch.from_numpy(np.stack(masks))[:, None]
    return torch.nn.functional.max_pool2d(stacked, factor) < 0.02


def _blended(image: Tensor, scene: Scene) -> Tensor:
    if scene.mask is None:
        return image
    share = torch.from_numpy(scene.mask)[None]
    return (share * image + (1 - share) * scene.record["image"]).round().to(torch.uint8)


def boxes_of(record: Mapping[str, Any]) -> Boxes3D:
    """The 3D boxes of the objects of a mapper dict."""
    placed = [a for a in record["objects"] if a["has_3d"]]
    columns = ("location", "dimensions", "yaw")
    location, size, yaw = (torch.tensor([a[c] for a in placed], dtype=torch.float32) for c in columns)
    return Boxes3D.from_kitti(location.reshape(-1, 3), size.reshape(-1, 3), yaw, record["box_plane"])
