"""Evaluation of 3D detection, as the run's config has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from detectron2.config import CfgNode, configurable

from d2ext.evaluation import Detection3DEvaluator, inference_folder


class DiffusionDet3DEvaluator(Detection3DEvaluator):
    """Evaluates 3D detection; ``DiffusionDet3DEvaluator(cfg, dataset_name)`` writes into the run's folder and
    leaves out what ``TEST.REGION_MASKS`` does."""

    @configurable
    def __init__(
        self,
        dataset_name: str,
        output_dir: str | Path | None = None,
        region_masks: str | Path | None = None,
    ) -> None:
        """Arguments as in :class:`~d2ext.evaluation.Detection3DEvaluator`."""
        super().__init__(dataset_name, output_dir, region_masks)

    @classmethod
    def from_config(cls, cfg: CfgNode, dataset_name: str) -> dict[str, Any]:
        """The other arguments, for a dataset."""
        return {
            "dataset_name": dataset_name,
            "output_dir": inference_folder(cfg, dataset_name),
            "region_masks": cfg.TEST.REGION_MASKS or None,
        }
