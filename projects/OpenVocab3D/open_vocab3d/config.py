"""Configuration keys of the project: each is documented where ``d2ext`` declares it."""

from __future__ import annotations

from detectron2.config import CfgNode

from d2ext.checks import declare, number, whole
from d2ext.data.open_vocab.mapper import add_prompt_data_config
from d2ext.engine import add_engine_config
from d2ext.engine.resnets import add_resnet_config
from d2ext.modeling.detection.open_vocab_config import add_open_vocab_config


def add_open_vocab3d_config(cfg: CfgNode) -> None:
    """Add the shared keys of ``d2ext``, those of OpenVocabDet3D and the project's to Detectron2's."""
    add_prompt_data_config(cfg)
    add_engine_config(cfg)
    add_resnet_config(cfg)
    add_open_vocab_config(cfg)

    # Least score of a box that is shown, and of a false one that counts in evaluation.
    cfg.TEST.SCORE_THRESHOLD = 0.5
    # metrics.json of an earlier evaluation on the same dataset: what base has lost since ("forgetting").
    cfg.TEST.EARLIER = ""
    # In evaluation novel classes are also looked for by so many exemplars of each, the largest objects of
    # DATASETS.TRAIN; 0 for none.
    cfg.TEST.EXEMPLARS = 0


declare({"TEST.SCORE_THRESHOLD": number(0, 1), "TEST.EXEMPLARS": whole(0)})
