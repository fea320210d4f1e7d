"""Training of the autoencoder and of what draws scenes."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog
from detectron2.evaluation import DatasetEvaluator

from d2ext.data.scenes.build import build_scene_train_loader, scene_records
from d2ext.data.scenes.mapper import SceneMapper
from d2ext.data.stream import build_test_loader
from d2ext.data.synthroad.palette import PAINT
from d2ext.engine import BaseTrainer, inference_autocast, load_weights, read_checkpoint
from d2ext.modeling.generation.parts import PictureModel
from d2ext.modeling.meta_arch.scene_sana import SceneSana
from d2ext.projects.scene_sana.evaluator import KINDS, AutoencoderEvaluator, SceneEvaluator

logger = logging.getLogger(__name__)
MEASURED = 500  # pictures of which the statistics of the latents are taken


class SceneSanaTrainer(BaseTrainer):
    """:class:`~d2ext.engine.BaseTrainer` on pictures with layouts and captions, for the META_ARCH
    ``DeepCompressionAutoencoder`` and ``SceneSana``.

    ``SceneSana`` starts from a trained autoencoder (``MODEL.SCENE.AUTOENCODER_WEIGHTS``) and measures the
    statistics of its latents on training pictures first.
    """

    model_class = PictureModel
    test_kinds = KINDS

    def resume_or_load(self, resume: bool = True) -> None:
        """Resume, or start from ``MODEL.WEIGHTS``, or from the autoencoder alone.

        Raises:
            FileNotFoundError, ValueError: weights that are missing or do not fit.
        """
        super().resume_or_load(resume)
        if self._starts_anew():
            path = self.cfg.MODEL.SCENE.AUTOENCODER_WEIGHTS
            if not path:
                logger.warning("MODEL.SCENE.AUTOENCODER_WEIGHTS is empty: the autoencoder is a random one")
                return
            for model in self._models():
                load_autoencoder(model, path)
        elif self.cfg.MODEL.SCENE.AUTOENCODER_WEIGHTS and self.cfg.MODEL.WEIGHTS:
            logger.info("MODEL.WEIGHTS brings its autoencoder: MODEL.SCENE.AUTOENCODER_WEIGHTS is not read")

    def prepare_data(self) -> None:
        """Find faults in the datasets; measure the latents where training starts anew."""
        cfg = self.cfg
        for name in (*cfg.DATASETS.TEST, *cfg.DATASETS.VAL):
            DatasetCatalog.get(name)
        if self._starts_anew():
            records = [record for name in cfg.DATASETS.TRAIN for record in scene_records(name)]
            loader = build_test_loader(cfg, spread(records, MEASURED), SceneMapper(cfg, False))
            trained, evaluated = self._models()
            with inference_autocast(cfg):
                trained.measure_latents(loader)
            evaluated.latent_mean.copy_(trained.latent_mean)
            evaluated.latent_std.copy_(trained.latent_std)

    def _starts_anew(self) -> bool:
        drawing = isinstance(self._models()[0], SceneSana)
        return drawing and not self.start_iter and not self.cfg.MODEL.WEIGHTS

    def _models(self) -> tuple[Any, Any]:
        models: tuple[Any, ...] = self.model, self.evaluated
        return getattr(models[0], "module", models[0]), getattr(models[1], "module", models[1])

    @classmethod
    def build_train_loader(cls, cfg: CfgNode) -> Any:
        """Batches of pictures."""
        return build_scene_train_loader(cfg)

    @classmethod
    def build_test_loader(cls, cfg: CfgNode, dataset_name: str) -> Any:
        """Pictures spread over a dataset, as many as TEST.SCENES.IMAGES."""
        c = cfg.TEST.SCENES
        records = scene_records(dataset_name)
        if c.SHUFFLE_LAYOUTS:
            records = shuffled(records)
        records = spread(records, c.IMAGES)
        if c.SINGLE_OBJECTS:
            records = single_objects(records)
        return build_test_loader(cfg, records, SceneMapper(cfg, False), c.BATCH)

    @classmethod
    def build_evaluator(cls, cfg: CfgNode, dataset_name: str) -> DatasetEvaluator:
        """That of the model."""
        if cfg.MODEL.META_ARCHITECTURE == "DeepCompressionAutoencoder":
            return AutoencoderEvaluator(cfg, dataset_name)
        return SceneEvaluator(cfg, dataset_name)


def load_autoencoder(model: SceneSana, path: str) -> None:
    """Give a model the autoencoder of a checkpoint.

    Raises:
        FileNotFoundError, ValueError: no such checkpoint, or one of another autoencoder.
    """
    prefix = "autoencoder."
    state = read_checkpoint(path)["model"]
    state = {name[len(prefix) :]: value for name, value in state.items() if name.startswith(prefix)}
    if not state:
        raise ValueError(f"MODEL.SCENE.AUTOENCODER_WEIGHTS {path}: holds no autoencoder")
    load_weights(model.autoencoder, state, path)


def spread(records: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """At most ``count`` records (0: all), spread evenly."""
    if not 0 < count < len(records):
        return records
    return [records[i] for i in np.unique(np.linspace(0, len(records) - 1, count).round().astype(int))]


def single_objects(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each record that has a whole object with a colour, with its largest one only, in colours by turns, and
    without sentences."""
    colors = list(PAINT)
    found: list[dict[str, Any]] = []
    for record in records:
        whole = [a for a in record["annotations"] if a["has_3d"] and a.get("color") and a["occluded"] == 0]
        if whole:
            x1, y1, x2, y2 = np.array([a["bbox"] for a in whole]).T
            largest = whole[int(np.argmax((x2 - x1) * (y2 - y1)))]
            largest = largest | {"color": colors[len(found) % len(colors)]}
            found.append(record | {"annotations": [largest], "sentences": []})
    return found


def shuffled(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each record with the objects of another one, the next but some, and without sentences."""
    step = max(1, len(records) // 2)
    others = records[step:] + records[:step]
    return [
        record | {"annotations": other["annotations"], "sentences": []}
        for record, other in zip(records, others, strict=True)
    ]
