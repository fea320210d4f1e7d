"""Models on the frames, by the trainers and evaluators of their projects: nothing is trained or chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog

from d2ext.data import register_dataset
from d2ext.engine import BaseTrainer, D2Checkpointer, load_config
from d2ext.engine.preflight import check_run
from d2ext.projects.diffusion_det3d import Detection3DTrainer, add_diffusion_det3d_config
from d2ext.projects.u2enet import U2ENetTrainer, add_u2enet_config

from .frames import Row

PROJECTS: dict[str, tuple[type[BaseTrainer], Callable[[CfgNode], None]]] = {
    "grounding": (U2ENetTrainer, add_u2enet_config),
    "detection": (Detection3DTrainer, add_diffusion_det3d_config),
}


@dataclass(frozen=True)
class Weights:
    """A model: its config file and what MODEL.WEIGHTS is."""

    config: str
    weights: str


class Models:
    """Evaluates models on rows; each is built and loaded when the first row asks for it.

    Args:
        chosen: by kind of model.
        output: ``OUTPUT_DIR``: evaluations leave their files in ``inference/NAME`` there.
    """

    def __init__(self, chosen: Mapping[str, Weights], output: Path) -> None:
        self.chosen, self.output = chosen, output
        self._loaded: dict[str, Any] = {}

    def config(self, row: Row) -> CfgNode:
        """The config of the row's model, with the row's dataset and options."""
        chosen, (trainer, add_keys) = self.chosen[row.model], PROJECTS[row.model]
        options: dict[str, Any] = {
            "MODEL.WEIGHTS": chosen.weights,
            "DATASETS.TEST": (row.dataset,),
            "DATALOADER.NUM_WORKERS": 0,
            "TEST.DTYPE": "float32",  # the same figures on every machine: a sentence is a per cent
            "OUTPUT_DIR": str(self.output),
            **row.options,
        }
        words = [word if isinstance(word, str) else repr(word) for pair in options.items() for word in pair]
        return check_run(load_config(add_keys, chosen.config, words), trainer, True)

    def evaluate(self, row: Row, root: Path) -> dict[str, float]:
        """The figures of a row on the frames of a folder; its dataset stays registered."""
        if row.dataset in DatasetCatalog:
            DatasetCatalog.remove(row.dataset)
            MetadataCatalog.remove(row.dataset)
        register_dataset(row.dataset, lambda: row.load(root), evaluator_type=row.kind, level_boxes=row.level)
        trainer, _ = PROJECTS[row.model]
        cfg = self.config(row)
        if row.model not in self._loaded:
            model = trainer.build_model(cfg)
            D2Checkpointer(model).load(cfg.MODEL.WEIGHTS, [])
            self._loaded[row.model] = model
        results = trainer.test(cfg, self._loaded[row.model])
        return row.read(results, self.output / "inference" / row.dataset)
