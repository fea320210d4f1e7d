"""Configuration keys of U2ENet: each is documented where ``d2ext`` declares it."""

from __future__ import annotations

from detectron2.config import CfgNode

from d2ext.data.config import add_grounding_data_config
from d2ext.engine.config import add_engine_config
from d2ext.modeling.grounding.config import add_grounding_config


def add_u2enet_config(cfg: CfgNode) -> None:
    """Add the keys of U2ENet and of the two-stage model to Detectron2's defaults."""
    add_grounding_data_config(cfg)
    add_engine_config(cfg)
    add_grounding_config(cfg)
