"""How well pictures and sentences agree, as a grounding model of the registry sees it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from detectron2.config import CfgNode
from detectron2.modeling import build_model
from detectron2.structures import Boxes, pairwise_iou

from d2ext.data.config import add_grounding_data_config
from d2ext.data.grounding_mapper import GroundingMapper
from d2ext.engine import add_engine_config, inference_autocast, load_config
from d2ext.engine.checkpoint import D2Checkpointer
from d2ext.modeling import optimize_for_inference
from d2ext.modeling.grounding.config import add_grounding_config

RIGHT = 0.5  # least overlap of a right answer's 2D box


def add_grounder_config(cfg: CfgNode) -> None:
    """Add the keys of every grounding model of the collection."""
    add_grounding_data_config(cfg)
    add_engine_config(cfg)
    add_grounding_config(cfg)


class Grounder:
    """A registered grounding model with its weights.

    Raises:
        FileNotFoundError, ValueError: a config or weights that are missing or do not fit.
    """

    def __init__(self, config_file: str, weights: str, device: str) -> None:
        options = ["MODEL.WEIGHTS", weights, "MODEL.DEVICE", device]
        self.cfg = load_config(add_grounder_config, config_file, options)
        self.model = build_model(self.cfg).eval()
        D2Checkpointer(self.model).load(self.cfg.MODEL.WEIGHTS)
        optimize_for_inference(self.model, False)
        self.mapper = GroundingMapper(self.cfg, False)

    def scores(self, record: Mapping[str, Any]) -> dict[str, float]:
        """From -1 to 1 of each sentence of a dataset dict that means objects: the score of the best answer,
        less than 0 where that is wrong."""
        told = [s for s in record["sentences"] if s["target_ids"]]
        if not told:
            return {}
        inputs = self.mapper(dict(record) | {"sentences": told, "single_target": True})
        with torch.no_grad(), inference_autocast(self.cfg):
            answers = self.model([inputs])[0]["grounding"]
        boxes = {a["id"]: a["bbox"] for a in record["annotations"]}
        found = {}
        for sentence, answer in zip(told, answers, strict=True):
            meant = [boxes[target] for target in sentence["target_ids"] if target in boxes]
            goal = Boxes(torch.tensor(meant).reshape(-1, 4))
            right = pairwise_iou(answer.pred_boxes.to("cpu"), goal) >= RIGHT
            found[sentence["text"]] = margin(answer.scores.cpu(), right.any(1))
        return found


def margin(scores: torch.Tensor, right: torch.Tensor) -> float:
    """The best of scores (N,) that are ``right`` (N,) bool less the best that are wrong; 0 without any."""
    best = [float(scores[which].max()) if which.any() else 0.0 for which in (right, ~right)]
    return best[0] - best[1]
