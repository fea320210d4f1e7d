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

    # What reaches this value in a heat map is a region that the demo, the stream and the pictures report.
    # Chosen without any anomaly: of held-out normal data one pixel in 200 is above 0.1 in each of the two
    # maps, and of SynthTraffic's normal graphs one in twenty has a score above 0.2.
    cfg.TEST.THRESHOLD = 0.2
    # Write a picture of each evaluated image beside its heat map to heat_maps/ in the dataset's folder.
    cfg.TEST.HEAT_MAPS = False


declare({"TEST.THRESHOLD": number()})
