"""Pictures that nearly repeat a training picture are not kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from detectron2.config import CfgNode

from d2ext.data.scenes.build import scene_records
from d2ext.data.scenes.mapper import SceneMapper
from d2ext.evaluation.pictures import nearest_distances
from d2ext.modeling.generation.features import FrozenFeatures
from d2ext.modeling.generation.parts import signed_images
from d2ext.projects.scene_sana.evaluator import describe, training_descriptions

UNSEEN = 200  # pictures of DATASETS.TEST by which it is known how near new ones come


class RepeatFilter:
    """Tells near-repeats, as ``TEST.SCENES.REPEAT_SHARE`` and ``RARE`` have them, and counts them.

    Args:
        features: by which pictures are compared.
        known: (N, D) descriptions of the training pictures.
        limit: a picture nearer than this to one of them is a repeat.

    Attributes:
        dropped, kept: how many pictures were repeats, and were not.
    """

    def __init__(self, features: FrozenFeatures, known: np.ndarray, limit: float) -> None:
        self.features, self.known, self.limit = features, known, limit
        self.dropped = self.kept = 0

    @classmethod
    def from_config(cls, cfg: CfgNode) -> RepeatFilter:
        """With the pictures of DATASETS.TRAIN, and of DATASETS.TEST as new ones."""
        f, c = cfg.MODEL.FEATURES, cfg.TEST.SCENES
        features = FrozenFeatures(f.NAME, f.WEIGHTS, cfg.INPUT.FORMAT).to(cfg.MODEL.DEVICE)
        known = training_descriptions(cfg, features)
        unseen = [record for name in cfg.DATASETS.TEST for record in scene_records(name)]
        chosen = np.unique(np.linspace(0, len(unseen) - 1, min(UNSEEN, len(unseen))).round().astype(int))
        mapper, device = SceneMapper(cfg, False), torch.device(cfg.MODEL.DEVICE)
        new = [describe(features, signed_images([mapper(unseen[i])["image"]], device)) for i in chosen]
        limit = c.REPEAT_SHARE * np.quantile(nearest_distances(np.concatenate(new), known), c.RARE)
        return cls(features, known, float(limit))

    def keeps(self, images: Sequence[torch.Tensor]) -> list[bool]:
        """Whether each image (3, H, W) uint8 is new."""
        device = next(self.features.backbone.module.parameters()).device
        found = describe(self.features, signed_images(images, device))
        new = (nearest_distances(found, self.known) >= self.limit).tolist()
        self.kept += sum(new)
        self.dropped += len(new) - sum(new)
        return new
