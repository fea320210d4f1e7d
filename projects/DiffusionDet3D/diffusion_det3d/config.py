"""Configuration keys of the project, each documented where its default stands."""

from __future__ import annotations

from detectron2.config import CfgNode

from d2ext.data.config import add_detection_data_config
from d2ext.engine import add_engine_config
from d2ext.engine.resnets import add_resnet_config
from d2ext.modeling.detection.config import add_detection3d_config


def add_diffusion_det3d_config(cfg: CfgNode) -> None:
    """Add the shared keys of ``d2ext``, those of the 3D detectors and the project's to Detectron2's."""
    add_detection_data_config(cfg)
    add_engine_config(cfg)
    add_detection3d_config(cfg)

    add_resnet_config(cfg)
    # Folder with NAME.png for every test image, of its size: objects whose 2D box has its bottom centre on a
    # black pixel count neither as found nor as missed. Empty evaluates whole images.
    cfg.TEST.REGION_MASKS = ""
