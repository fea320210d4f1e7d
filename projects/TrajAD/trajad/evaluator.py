"""Evaluation of TrajAD, as the run's config has it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from detectron2.config import CfgNode, configurable

from d2ext.evaluation import AnomalyEvaluator, inference_folder
from d2ext.evaluation.anomaly import Draw
from d2ext.structures import find_regions
from d2ext.visualization import draw_anomalies


class TrajADEvaluator(AnomalyEvaluator):
    """Evaluates anomaly maps; ``TrajADEvaluator(cfg, dataset_name)`` writes into the run's folder, heat maps
    where ``TEST.HEAT_MAPS`` asks for them, and goes by ``TEST.ORIGINAL_SIZE``."""

    @configurable
    def __init__(
        self,
        dataset_name: str,
        output_dir: str | Path | None = None,
        draw: Draw | None = None,
        original_size: bool = True,
    ) -> None:
        """Arguments as in :class:`~d2ext.evaluation.AnomalyEvaluator`."""
        super().__init__(dataset_name, output_dir, draw, original_size)

    @classmethod
    def from_config(cls, cfg: CfgNode, dataset_name: str) -> dict[str, Any]:
        """The other arguments, for a dataset."""
        return {
            "dataset_name": dataset_name,
            "output_dir": inference_folder(cfg, dataset_name),
            "draw": partial(draw_heat_map, cfg) if cfg.TEST.HEAT_MAPS else None,
            "original_size": cfg.TEST.ORIGINAL_SIZE,
        }


def draw_heat_map(cfg: CfgNode, record: Mapping[str, Any], output: Mapping[str, Any]) -> np.ndarray:
    """Picture (H, W, 3) BGR of an evaluated image: its mapper dict and the output of the model."""
    image = record["image"].permute(1, 2, 0).numpy()
    image = np.ascontiguousarray(image if cfg.INPUT.FORMAT == "BGR" else image[..., ::-1])
    heat_map = output["anomaly_map"].float().cpu().numpy()
    threshold = output["threshold"]
    title = f"{record['image_id']}: score {output['score']:.2f}, threshold {threshold:.2f}"
    return draw_anomalies(image, heat_map, threshold, find_regions(heat_map, threshold), title=title)
