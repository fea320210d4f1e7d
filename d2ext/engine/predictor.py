"""What the predictors of all projects share."""

from __future__ import annotations

from collections.abc import Callable

import torch
from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, Metadata, MetadataCatalog
from detectron2.engine import DefaultPredictor
from detectron2.modeling import build_model

from d2ext.data.augmentation import FitImage
from d2ext.engine.checkpoint import D2Checkpointer
from d2ext.engine.launch import set_tf32
from d2ext.engine.precision import inference_autocast
from d2ext.engine.preflight import check_device
from d2ext.modeling import optimize_for_inference
from d2ext.modeling.box3d.config import class_names

Model = Callable[[list[dict]], list[dict]]


class ImagePredictor(DefaultPredictor):
    """A ``DefaultPredictor``: a model that is loaded, made fast and run on one image at a time. A subclass
    says what it takes beside the image.

    Args:
        cfg: config whose MODEL.WEIGHTS is loaded.
        model: runs in place of the one that ``cfg`` describes, such as an exported one.

    Attributes:
        cfg, model: a copy of the config, and what runs.
        metadata: as :func:`model_metadata` gives it.
        aug: fits an image into ``INPUT.SIZE``.
        input_format: channels of the model's images, "BGR" or "RGB"; predictors are given BGR.

    Raises:
        FileNotFoundError, ValueError: weights that are missing or do not fit.
    """

    def __init__(self, cfg: CfgNode, model: Model | None = None) -> None:
        # Not DefaultPredictor.__init__: its checkpointer runs pickled code and lets shapes differ.
        self.cfg = cfg.clone()
        set_tf32(cfg.TF32)
        if model is None:
            if not cfg.MODEL.WEIGHTS:
                raise ValueError("MODEL.WEIGHTS is empty: expected a checkpoint (--opts MODEL.WEIGHTS FILE)")
            check_device(cfg)
            network = build_model(self.cfg).eval()
            D2Checkpointer(network).load(cfg.MODEL.WEIGHTS)
            optimize_for_inference(network, cfg.TEST.COMPILE)
            model = network
        self.model = model
        self.metadata = model_metadata(self.cfg)
        self.aug = FitImage(tuple(cfg.INPUT.SIZE))
        self.input_format = cfg.INPUT.FORMAT

    @property
    def class_names(self) -> list[str]:
        """Names of the model's classes, by the number that answers have as ``pred_classes``."""
        return self.metadata.thing_classes

    def predict(self, record: dict) -> dict:
        """The model's output for its input of one image."""
        with torch.no_grad(), inference_autocast(self.cfg):
            return self.model([record])[0]


def model_metadata(cfg: CfgNode) -> Metadata:
    """Metadata for the answers of a model: that of the first of ``DATASETS.TEST`` that is registered, if its
    ``thing_classes`` are the model's; else one of its own with these."""
    names = class_names(cfg) if "CLASSES" in cfg.MODEL else None
    for dataset in cfg.DATASETS.TEST:
        if dataset in DatasetCatalog:
            metadata = MetadataCatalog.get(dataset)
            if names is None or metadata.get("thing_classes") == names:
                return metadata
    return Metadata(name=cfg.MODEL.META_ARCHITECTURE, **({"thing_classes": names} if names else {}))
