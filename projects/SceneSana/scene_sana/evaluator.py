"""Evaluation of generated and of rebuilt pictures."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from detectron2.config import CfgNode, configurable
from detectron2.data import DatasetCatalog
from torch import Tensor

from d2ext.data.scenes.build import scene_records
from d2ext.data.scenes.mapper import SceneMapper
from d2ext.evaluation import inference_folder
from d2ext.evaluation.colors import color_name
from d2ext.evaluation.evaluator import Rows, Table, TableEvaluator
from d2ext.evaluation.pictures import frechet_distance, near_repeats, nearest_distances, psnr, ssim
from d2ext.modeling.generation.features import FrozenFeatures
from d2ext.modeling.generation.parts import signed_images
from d2ext.projects.scene_sana.detector import PictureDetector, detection_figures
from d2ext.projects.scene_sana.sheet import draw_sheet
from d2ext.visualization import write_picture

KINDS = ("monomulti3d", "rope3d", "mono3drefer", "kitti")
CELLS = 3  # a side, of the description by which nearest neighbours are found
LEAST_BOX = 6.0  # pixels of an object whose colour is read
SHEET = 24  # pictures
PICTURES = "pictures.json"  # what was measured of each

logger = logging.getLogger(__name__)


def to_bgr(image: Tensor, image_format: str) -> np.ndarray:
    """(3, H, W) uint8 -> (H, W, 3) uint8 BGR."""
    pixels = image.cpu().permute(1, 2, 0).numpy()
    return np.ascontiguousarray(pixels if image_format == "BGR" else pixels[..., ::-1])


class AutoencoderEvaluator(TableEvaluator):
    """Compares rebuilt pictures with what they were made of: PSNR in dB, and SSIM; with ``tokens``, the
    number of cells of the latents of a picture.

    Args:
        dataset_name: registered name.
        output_dir: folder for ``pictures.json``, ``metrics.json`` and ``sheet.jpg``; None writes nothing.
        image_format: of the pictures.
        factor: of the autoencoder.
    """

    predictions_file = PICTURES

    @configurable
    def __init__(
        self,
        dataset_name: str,
        output_dir: str | Path | None = None,
        image_format: str = "RGB",
        factor: int = 16,
    ) -> None:
        super().__init__(dataset_name, KINDS, output_dir)
        self._format, self._factor = image_format, factor
        self._pictures: list[tuple[str, np.ndarray, np.ndarray]] = []

    @classmethod
    def from_config(cls, cfg: CfgNode, dataset_name: str) -> dict[str, Any]:
        """The other arguments, for a dataset."""
        return {
            "dataset_name": dataset_name,
            "output_dir": inference_folder(cfg, dataset_name),
            "image_format": cfg.INPUT.FORMAT,
            "factor": 2 ** (len(cfg.MODEL.AUTOENCODER.WIDTHS) - 1),
        }

    def reset(self) -> None:
        """Forget all rows."""
        super().reset()
        self._pictures = []

    def process(self, inputs: Sequence[Mapping[str, Any]], outputs: Sequence[Mapping[str, Any]]) -> None:
        """Compare; ``outputs`` have ``image``."""
        for record, output in zip(inputs, outputs, strict=True):
            real, rebuilt = (to_bgr(x["image"], self._format) for x in (record, output))
            cells = real.shape[0] * real.shape[1] // self._factor**2
            row = {"PSNR": psnr(rebuilt, real), "SSIM": ssim(rebuilt, real), "tokens": cells}
            self._rows.append({"image_id": record["image_id"], **row})
            if len(self._pictures) < SHEET // 2:
                self._pictures.append((str(record["image_id"]), real, rebuilt))

    def tables(self, rows: Rows) -> dict[str, Table]:
        """Means over the images."""
        names = ("PSNR", "SSIM", "tokens")
        means = {name: float(np.mean([row[name] for row in rows.values()])) for name in names}
        return {"autoencoder": {"Overall": means}}

    def write_files(self, folder: Path, rows: Rows) -> None:
        """``sheet.jpg``, pictures and beside each what the latents keep of it."""
        tiles = [
            tile for name, real, rebuilt in self._pictures for tile in ((name, real), ("rebuilt", rebuilt))
        ]
        write_picture(folder / "sheet.jpg", draw_sheet(tiles))


class SceneEvaluator(TableEvaluator):
    """What generated pictures are worth. Figures of ``scenes``:

    * ``Frechet``: distance of the features of generated and real pictures of the dataset;
    * ``nearest``: median distance of generated pictures to their nearest training picture, ``nearest real``
      that of the real ones, which are unseen, and ``near repeats``, the share in per cent (``near_repeats``);
    * ``colour``, ``colour real``: share in per cent of the objects with a colour whose pixels have it;
    * with a detector ``AP50`` and ``BEV@0.5`` of what it finds in the generated pictures, with ``real`` in
      the real ones.

    Args:
        dataset_name: registered name.
        output_dir: folder for the results, ``pictures/NAME.png`` and ``sheet.jpg``; None writes nothing.
        features: by which pictures are compared.
        known: gives the descriptions of training pictures (N, D), when they are asked for; None without.
        image_format: of the pictures.
        detector: None without one.
        detector_dataset: by whose labels it is judged.
        repeat_share, rare: of :func:`~d2ext.evaluation.pictures.near_repeats`.
    """

    predictions_file = PICTURES

    @configurable
    def __init__(
        self,
        dataset_name: str,
        output_dir: str | Path | None = None,
        *,
        features: FrozenFeatures,
        known: Any = None,
        image_format: str = "RGB",
        detector: PictureDetector | None = None,
        detector_dataset: str = "",
        repeat_share: float = 0.5,
        rare: float = 0.05,
    ) -> None:
        super().__init__(dataset_name, KINDS, output_dir)
        self._features, self._known, self._format = features, known, image_format
        self._detector, self._detector_dataset = detector, detector_dataset
        self._repeat_share, self._rare = repeat_share, rare
        self._pictures: list[tuple[str, np.ndarray]] = []

    @classmethod
    def from_config(cls, cfg: CfgNode, dataset_name: str) -> dict[str, Any]:
        """The other arguments, for a dataset."""
        c = cfg.TEST.SCENES
        features = FrozenFeatures(cfg.MODEL.FEATURES.NAME, cfg.MODEL.FEATURES.WEIGHTS, cfg.INPUT.FORMAT)
        features.to(cfg.MODEL.DEVICE)
        detector = None
        if c.DETECTOR_CONFIG:
            detector = PictureDetector(c.DETECTOR_CONFIG, c.DETECTOR_WEIGHTS, cfg.MODEL.DEVICE)
        return {
            "dataset_name": dataset_name,
            "output_dir": inference_folder(cfg, dataset_name),
            "features": features,
            "known": lambda: training_descriptions(cfg, features),
            "image_format": cfg.INPUT.FORMAT,
            "detector": detector,
            "detector_dataset": c.DETECTOR_DATASET or dataset_name.replace("monomulti3d", "rope3d"),
            "repeat_share": c.REPEAT_SHARE,
            "rare": c.RARE,
        }

    def reset(self) -> None:
        """Forget all rows."""
        super().reset()
        self._pictures = []

    def process(self, inputs: Sequence[Mapping[str, Any]], outputs: Sequence[Mapping[str, Any]]) -> None:
        """Look at generated pictures, ``outputs`` with ``image``, and at the real ones."""
        for record, output in zip(inputs, outputs, strict=True):
            row: dict[str, Any] = {"image_id": record["image_id"], "caption": record["caption"]}
            for side, image in (("made", output["image"]), ("real", record["image"])):
                picture = to_bgr(image, self._format)
                row |= {f"{side} {key}": value for key, value in self._look(record, image, picture).items()}
                if len(self._pictures) < SHEET:
                    self._pictures.append((record["caption"] if side == "made" else "real", picture))
                if side == "made" and self._output_dir is not None:
                    write_picture(self._output_dir / "pictures" / f"{record['image_id']}.png", picture)
            self._rows.append(row)

    def _look(self, record: Mapping[str, Any], image: Tensor, picture: np.ndarray) -> dict[str, Any]:
        pixels = signed_images([image], next(self._features.backbone.module.parameters()).device)
        wanted = [a for a in record["objects"] if a.get("color") and _is_seen(a)]
        found = {
            "features": self._features.describe(pixels)[0].cpu().numpy(),
            "description": describe(self._features, pixels)[0],
            "colors": [(a["color"], color_name(picture, a["bbox"])) for a in wanted],
        }
        if self._detector is not None:
            found["found"] = self._detector.find(record, image, self._format)
        return found

    def tables(self, rows: Rows) -> dict[str, Table]:
        """``scenes``."""
        made, real = (
            np.stack([row[f"{side} features"] for row in rows.values()]) for side in ("made", "real")
        )
        figures = {"pictures": float(len(rows))}
        if len(rows) > 1:
            figures["Frechet"] = frechet_distance(made, real)
        figures |= self._neighbours(rows)
        for side, name in (("made", "colour"), ("real", "colour real")):
            told = [pair for row in rows.values() for pair in row[f"{side} colors"]]
            if told:
                figures[name] = 100 * float(np.mean([a == b for a, b in told]))
        if self._detector is not None:
            records = [r for r in DatasetCatalog.get(self._detector_dataset) if r["image_id"] in rows]
            for side, name in (("made", ""), ("real", " real")):
                found = {image: row[f"{side} found"] for image, row in rows.items()}
                judged = detection_figures(self._detector_dataset, records, found)
                figures |= {f"{key}{name}": value for key, value in judged.items()}
        return {"scenes": {"Overall": figures}}

    def _neighbours(self, rows: Rows) -> dict[str, float]:
        if self._known is None:
            return {}
        known = self._known()
        far = {
            side: nearest_distances(np.stack([row[f"{side} description"] for row in rows.values()]), known)
            for side in ("made", "real")
        }
        for row, distance in zip(rows.values(), far["made"].tolist(), strict=True):
            row["nearest"] = distance
        repeats = near_repeats(far["made"], far["real"], self._repeat_share, self._rare)
        return {
            "nearest": float(np.median(far["made"])),
            "nearest real": float(np.median(far["real"])),
            "near repeats": 100 * float(repeats.mean()),
        }

    def predictions(self, rows: Rows) -> list[dict[str, Any]]:
        """What ``pictures.json`` holds: all but descriptions."""
        left_out = ("features", "description")
        return [{k: v for k, v in row.items() if not k.endswith(left_out)} for row in rows.values()]

    def write_files(self, folder: Path, rows: Rows) -> None:
        """``sheet.jpg``, generated pictures, each beside the real one."""
        write_picture(folder / "sheet.jpg", draw_sheet(self._pictures))


def _is_seen(annotation: Mapping[str, Any]) -> bool:
    x1, y1, x2, y2 = annotation["bbox"]
    return min(x2 - x1, y2 - y1) >= LEAST_BOX and annotation["occluded"] == 0


def describe(features: FrozenFeatures, images: Tensor) -> np.ndarray:
    """(B, D) descriptions of images from -1 to 1 by which nearest neighbours are found: what is where."""
    return features.describe(images, ("p4", "p5"), CELLS).cpu().numpy()


def training_descriptions(cfg: CfgNode, features: FrozenFeatures) -> np.ndarray:
    """(N, D) descriptions of at most ``TEST.SCENES.NEIGHBOURS`` pictures of ``DATASETS.TRAIN``.

    Raises:
        ValueError: no training picture.
    """
    mapper = SceneMapper(cfg, False)
    records = [record for name in cfg.DATASETS.TRAIN for record in scene_records(name)]
    if not records:
        raise ValueError("DATASETS.TRAIN: expected the pictures that nearest neighbours are looked for in")
    chosen = np.unique(np.linspace(0, len(records) - 1, cfg.TEST.SCENES.NEIGHBOURS).round().astype(int))
    device = torch.device(cfg.MODEL.DEVICE)
    found = [describe(features, signed_images([mapper(records[i])["image"]], device)) for i in chosen]
    return np.concatenate(found)
