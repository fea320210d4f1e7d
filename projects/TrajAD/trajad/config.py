"""Configuration keys of TrajAD: those of ``d2ext`` are documented where it declares them."""

from __future__ import annotations

from detectron2.config import CfgNode

from d2ext.checks import declare, number
from d2ext.data.config import add_anomaly_data_config
from d2ext.engine.config import add_engine_config
from d2ext.modeling.anomaly.config import add_anomaly_config


def add_trajad_config(cfg: CfgNode) -> None:
    """Add the keys of TrajAD to Detectron2's defaults."""
    add_anomaly_data_config(cfg)
    add_engine_config(cfg)
    add_anomaly_config(cfg)

    # A score from here on is abnormal, and what reaches it in a heat map is a region that demo, prediction
    # and pictures report. None: the threshold that training has measured on held-out normal data, which is
    # in the checkpoint (MODEL.EFFICIENT_AD.FALSE_ALARMS); of one without it, 0.2.
    cfg.TEST.THRESHOLD = None
    # Write a picture of each evaluated image beside its heat map to heat_maps/ in the dataset's folder.
    cfg.TEST.HEAT_MAPS = False
    # Give the pixel figures of images at their own size too, beside those at INPUT.SIZE. Takes about a third
    # of a second more for each image of 1024 x 1024.
    cfg.TEST.ORIGINAL_SIZE = True


declare({"TEST.THRESHOLD": number(above=0)})
