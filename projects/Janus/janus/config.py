"""Configuration keys of Janus: each is documented where ``d2ext`` declares it."""

from __future__ import annotations

from detectron2.config import CfgNode

from d2ext.data.describe.config import add_describe_data_config
from d2ext.engine.config import add_engine_config
from d2ext.modeling.describe.config import add_describe_config


def add_janus_config(cfg: CfgNode) -> None:
    """Add the keys of Janus to Detectron2's defaults."""
    add_describe_data_config(cfg)
    add_engine_config(cfg)
    add_describe_config(cfg)
