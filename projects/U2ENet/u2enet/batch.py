"""U2ENet's work on lists of images: see :mod:`d2ext.engine.shards`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from detectron2.config import CfgNode

from d2ext.data.box_plane import box_plane
from d2ext.engine.shards import ShardPredictor
from d2ext.projects.u2enet.evaluator import answer_rows
from d2ext.projects.u2enet.predictor import U2ENetPredictor


class SentencePredictor(ShardPredictor):
    """Answers the sentences about each image: {"sentences": [{"text", "objects": [...]}]}.

    Args:
        cfg, list_file, output: as in :class:`~d2ext.engine.shards.ShardPredictor`.
        single_target: as in :class:`U2ENetPredictor`.
    """

    def __init__(self, cfg: CfgNode, list_file: Path, output: Path, single_target: bool | None) -> None:
        super().__init__(cfg, list_file, output)
        self.predictor = U2ENetPredictor(cfg)
        self.single_target = single_target
        self.class_names = self.predictor.class_names

    def look(self, _: Mapping[str, Any], inputs: tuple) -> tuple[dict[str, Any], None]:
        """The answers to its sentences."""
        sentences, image, camera, plane = inputs
        answers = self.predictor(image, sentences, camera, plane, self.single_target)
        ground = box_plane(self.cfg, plane)
        return {"sentences": answer_rows(sentences, answers, ground, self.class_names)}, None
