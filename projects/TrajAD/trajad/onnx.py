"""TrajAD as an ONNX graph: an image or space-time graph in, its maps and score out.

maps.onnx  pixels (1, 3, H, W), 0 to 255 in the order of INPUT.FORMAT -> anomaly_map, local_map, global_map
(H, W), score. H and W are those of the config: of its graphs, or INPUT.SIZE.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from detectron2.config import CfgNode
from detectron2.data import MetadataCatalog
from torch import Tensor

from d2ext.checks import every, number, whole
from d2ext.data.anomaly_mapper import graph_spec
from d2ext.engine import load_config
from d2ext.engine.onnx_graphs import (
    CONFIG,
    META,
    Graph,
    OnnxGraph,
    begin_export,
    export_graph,
    read_export,
    write_graph,
)
from d2ext.files import write_bytes
from d2ext.modeling.anomaly.normalizer import THRESHOLD
from d2ext.modeling.meta_arch.efficient_ad import EfficientAD
from d2ext.projects.trajad.config import add_trajad_config

FORMAT = 1  # of the folder; raised when an older OnnxTrajAD could not read it


def input_size(cfg: CfgNode) -> tuple[int, int]:
    """Height and width of what the model sees: of graphs, if it is trained on recordings, else
    ``INPUT.SIZE``."""
    kinds = {MetadataCatalog.get(name).get("evaluator_type") for name in cfg.DATASETS.TRAIN}
    if "trajectories" in kinds:
        return graph_spec(cfg).height, cfg.INPUT.GRAPH.WIDTH
    return cfg.INPUT.SIZE[0], cfg.INPUT.SIZE[1]


def maps_graph(model: EfficientAD, pixels: Tensor) -> dict[str, Tensor]:
    """Pixels (1, 3, H, W), 0 to 255 -> the three maps (H, W) and the score."""
    return model.maps((pixels - model.pixel_mean) / model.pixel_std)


def export_onnx(cfg: CfgNode, folder: str | os.PathLike[str], report: Callable[[str], None] = print) -> None:
    """Write the graph, the config, and meta.json, which comes last.

    Args:
        cfg: config whose MODEL.WEIGHTS is loaded.
        folder: made where it does not exist.
        report: gets a line for each step.

    Raises:
        FileNotFoundError: no weights.
        ValueError: the exporter is not installed, weights that do not fit, or a model that cannot be
            exported.
    """
    folder = Path(folder)
    cfg, model = begin_export(cfg, folder)
    size = input_size(cfg)
    pixels = {"pixels": torch.randint(0, 256, (1, 3, *size)).float()}
    graph = Graph(model, maps_graph, pixels)
    write_graph(folder / "maps.onnx", lambda: export_graph(graph, pixels, {"pixels": {}}), report)
    cfg.MODEL.WEIGHTS = cfg.MODEL.EFFICIENT_AD.TEACHER = cfg.INPUT.PENALTY_FOLDER = ""
    write_bytes(folder / CONFIG, cfg.dump().encode())
    meta = {"format": FORMAT, "size": list(size), "threshold": model.threshold()}
    write_bytes(folder / META, json.dumps(meta).encode())


class OnnxTrajAD:
    """A folder of :func:`export_onnx` in the place of the model of a :class:`TrajADPredictor`.

    Args:
        folder: what :func:`export_onnx` wrote.
        options: config keys and values that override those of the folder.

    Attributes:
        cfg: config that the model was exported with, and the options.

    Raises:
        FileNotFoundError: no such folder, or an export that did not finish.
        ValueError: onnxruntime is not installed, or a file of the folder is damaged.
    """

    def __init__(self, folder: str | os.PathLike[str], options: Sequence[str] = ()) -> None:
        folder = Path(folder)
        meta, self.cfg = read_export(folder, ("maps",), FORMAT, add_trajad_config)
        if options:
            self.cfg = load_config(add_trajad_config, str(folder / CONFIG), options)
        size: Any = meta.get("size")
        if not every(whole(1), 2).holds(size):
            raise ValueError(f"{folder / META}: field 'size': expected height and width")
        self.size = (size[0], size[1])
        measured = meta.get("threshold", THRESHOLD)  # exports of before there was one lack it
        if not isinstance(measured, int | float) or not number(above=0).holds(measured):
            raise ValueError(f"{folder / META}: field 'threshold': expected a number greater than 0")
        self._threshold = float(self.cfg.TEST.THRESHOLD or measured)
        self.graph = OnnxGraph(folder / "maps.onnx")

    def threshold(self) -> float:
        """The score from which on an image is abnormal."""
        return self._threshold

    def __call__(self, batched_inputs: list[dict]) -> list[dict[str, Any]]:
        """As :class:`~d2ext.modeling.meta_arch.efficient_ad.EfficientAD` in evaluation.

        Raises:
            ValueError: an image of another size than was exported.
        """
        return [self._maps(x["image"]) for x in batched_inputs]

    def _maps(self, image: Tensor) -> dict[str, Any]:
        if tuple(image.shape[1:]) != self.size:
            expected, got = (f"{w}x{h}" for h, w in (self.size, image.shape[1:]))
            raise ValueError(f"image: expected {expected} pixels, as exported, got {got}")
        maps = self.graph({"pixels": image[None].float()})
        return maps | {"score": float(maps["score"]), "threshold": self.threshold()}
