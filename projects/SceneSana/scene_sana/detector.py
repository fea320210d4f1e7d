"""A detector that looks at generated pictures: does it find the boxes of the layout they were drawn from?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from detectron2.config import CfgNode
from detectron2.modeling import build_model
from torch import Tensor

from d2ext.data.augmentation import FitImage
from d2ext.data.config import add_detection_data_config
from d2ext.engine import add_engine_config, inference_autocast, load_config
from d2ext.engine.checkpoint import D2Checkpointer
from d2ext.evaluation import Detection3DEvaluator
from d2ext.evaluation.evaluator import Rows, instance_rows
from d2ext.modeling import add_detection3d_config, optimize_for_inference


def add_detector_config(cfg: CfgNode) -> None:
    """Add the keys of every 3D detector of the collection."""
    add_detection_data_config(cfg)
    add_engine_config(cfg)
    add_detection3d_config(cfg)
    # Of DiffusionDet3D's project, whose config files may set them; they change nothing here.
    cfg.MODEL.RESNETS.WEIGHTS = ""
    cfg.TEST.REGION_MASKS = ""


class PictureDetector:
    """A registered 3D detector with its weights, by the config that describes it.

    Args:
        config_file: of the detector.
        weights: its checkpoint.
        device: it runs on.

    Raises:
        FileNotFoundError, ValueError: a config or weights that are missing or do not fit.
    """

    def __init__(self, config_file: str, weights: str, device: str) -> None:
        options = ["MODEL.WEIGHTS", weights, "MODEL.DEVICE", device]
        self.cfg = load_config(add_detector_config, config_file, options)
        self.model = build_model(self.cfg).eval()
        D2Checkpointer(self.model).load(self.cfg.MODEL.WEIGHTS)
        optimize_for_inference(self.model, False)
        self.aug = FitImage(tuple(self.cfg.INPUT.SIZE))

    def find(self, record: Mapping[str, Any], image: Tensor, image_format: str) -> list[dict[str, Any]]:
        """Objects in a picture as rows of numbers.

        Args:
            record: mapper dict of the scene, with the camera and planes of the picture.
            image: (3, H, W) uint8 of ``image_format``.
        """
        pixels = image.cpu().permute(1, 2, 0).numpy()
        if image_format != self.cfg.INPUT.FORMAT:
            pixels = pixels[..., ::-1].copy()
        transform = self.aug.get_transform(pixels)
        inputs = {
            "image": torch.from_numpy(transform.apply_image(pixels).transpose(2, 0, 1).copy()),
            "camera": transform.apply_camera(record["camera"]),
            "original_camera": record["camera"],
            "ground_plane": record["ground_plane"],
            "box_plane": record["box_plane"],
            "level_boxes": record["box_plane"] is None,
            "height": pixels.shape[0],
            "width": pixels.shape[1],
        }
        with torch.no_grad(), inference_autocast(self.cfg):
            found = self.model([inputs])[0]["instances"]
        return instance_rows(found, record["box_plane"])


def detection_figures(
    dataset: str, records: Sequence[Mapping[str, Any]], found: Mapping[str, Sequence[Mapping[str, Any]]]
) -> dict[str, float]:
    """2D AP50 and exact AP_BEV at an overlap of 0.5, mean over the classes, in per cent.

    Args:
        dataset: whose protocol and labels count.
        records: of that dataset, those that were looked at.
        found: rows of :meth:`PictureDetector.find` by image.
    """
    rows: Rows = {name: {"image_id": name, "predictions": list(rows)} for name, rows in found.items()}
    tables = Detection3DEvaluator(dataset).compare(records, rows)
    bev = [row["all"] for name, row in tables["exact"].items() if "bev@0.5" in name and "all" in row]
    figures = {"AP50": tables["bbox"]["Overall"]["AP50"]}
    return figures | ({"BEV@0.5": sum(bev) / len(bev)} if bev else {})
