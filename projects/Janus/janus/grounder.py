"""What leads sentences back to boxes: a model that grounds and has seen nothing that Janus wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.data import MetadataCatalog
from detectron2.structures import Instances

from d2ext.data.config import add_grounding_data_config
from d2ext.engine import load_config
from d2ext.engine.config import add_engine_config
from d2ext.evaluation import match_greedy
from d2ext.modeling.grounding.config import add_grounding_config
from d2ext.predictor import ObjectPredictor
from d2ext.structures import Boxes3D, Camera
from d2ext.structures.rotated_iou import iou3d

#: Least exact 3D IoU of a box that a sentence leads back to.
SAME = 0.5


def add_grounder_config(cfg: CfgNode) -> None:
    """The keys of models that ground sentences."""
    add_grounding_data_config(cfg)
    add_engine_config(cfg)
    add_grounding_config(cfg)


class Grounder(ObjectPredictor):
    """Finds what sentences mean in the images of dataset dicts.

    Args:
        path: config of a model that grounds, such as U2ENet.
        options: keys and values over it, ``MODEL.WEIGHTS`` among them.

    Raises:
        FileNotFoundError, ValueError: a config or weights that are missing or do not fit.
    """

    section = "GROUNDING"

    def __init__(self, path: str, options: Sequence[str] = ()) -> None:
        super().__init__(load_config(add_grounder_config, path, options))

    def __call__(
        self, image: np.ndarray, record: Mapping[str, Any], texts: Sequence[str], single: bool
    ) -> list[Instances]:
        """Answers to each sentence about an image (H, W, 3) BGR of a dataset dict, the best first;
        ``single``: exactly one to each."""
        if not texts:
            return []
        camera = Camera(torch.tensor(record["camera"]), image.shape[:2])
        model_input = self.record(image, camera, record["ground_plane"])
        level = record.get("level_boxes", False)
        plane = None if level else model_input["ground_plane"]
        model_input |= {"level_boxes": level, "box_plane": plane}
        return self.predict(model_input | {"sentences": list(texts), "single_target": single})["grounding"]


def record_boxes(record: Mapping[str, Any], ids: Sequence[int]) -> Boxes3D:
    """The 3D boxes of some annotations of a dataset dict, by their ids."""
    known = {annotation["id"]: annotation for annotation in record["annotations"]}
    rows = [known[i] for i in ids]
    plane = None if record.get("level_boxes", False) else record["ground_plane"]
    location, size, yaw = (
        torch.tensor([row[key] for row in rows], dtype=torch.float32)
        for key in ("location", "dimensions", "yaw")
    )
    return Boxes3D.from_kitti(location, size, yaw, None if plane is None else torch.tensor(plane))


def leads_back(answer: Instances, targets: Boxes3D, single: bool) -> tuple[bool, float]:
    """Whether an answer is the targets, each once and nothing else, and the least exact IoU of them.

    Args:
        answer: of :class:`Grounder`; of a ``single`` target the best box counts alone.
    """
    if not len(answer):
        return False, 0.0
    boxes = answer.pred_boxes3d[:1] if single else answer.pred_boxes3d
    iou = iou3d(boxes, targets).numpy()
    least = float(iou.max(0).min())
    matched = int((match_greedy(iou, SAME) >= 0).sum())
    return matched == len(targets) == len(boxes), least


def class_names(dataset: str) -> Sequence[str]:
    """Of a registered dataset."""
    return MetadataCatalog.get(dataset).thing_classes
