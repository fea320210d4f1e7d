"""Configuration keys of the project: those of ``d2ext`` are documented where it declares them."""

from __future__ import annotations

from detectron2.config import CfgNode, get_cfg

from d2ext.checks import declare, number, whole
from d2ext.data.scenes.config import add_scene_data_config
from d2ext.engine.config import add_engine_config
from d2ext.modeling.generation.config import add_generation_config


def add_scene_sana_config(cfg: CfgNode) -> None:
    """Add the keys of SceneSana and of its autoencoder to Detectron2's defaults."""
    add_scene_data_config(cfg)
    add_engine_config(cfg)
    add_generation_config(cfg)

    c = cfg.TEST.SCENES = CfgNode()
    # Images of a dataset that are drawn in evaluation, spread over it; 0: all.
    c.IMAGES = 0
    # Images that are drawn at a time.
    c.BATCH = 8
    # A detector of d2ext that looks at the pictures: its config file and weights; empty: none. Its dataset is
    # the one whose labels it is judged by; empty: the evaluated one, with rope3d for monomulti3d in its name.
    c.DETECTOR_CONFIG = ""
    c.DETECTOR_WEIGHTS = ""
    c.DETECTOR_DATASET = ""
    # Control: give every picture the layout of another one of the dataset.
    c.SHUFFLE_LAYOUTS = False
    # Leave each picture its largest object only, in colours by turns, whatever it had: then "colour" says how
    # often a colour that the caption names is drawn, and the figures of real pictures mean nothing.
    c.SINGLE_OBJECTS = False
    # A generated picture is a near-repeat of a training picture where its nearest one is nearer than this
    # share of what unseen pictures have (the RARE quantile of their distances).
    c.REPEAT_SHARE = 0.5
    c.RARE = 0.05
    # Training pictures in which nearest neighbours are looked for, spread over DATASETS.TRAIN.
    c.NEIGHBOURS = 2000


def scene_instruction() -> str:
    """The default of MODEL.CAPTION.INSTRUCTION."""
    cfg = get_cfg()
    add_scene_sana_config(cfg)
    return cfg.MODEL.CAPTION.INSTRUCTION


declare(
    {
        "TEST.SCENES.IMAGES": whole(0),
        "TEST.SCENES.BATCH": whole(1),
        "TEST.SCENES.NEIGHBOURS": whole(1),
        "TEST.SCENES.REPEAT_SHARE": number(0),
        "TEST.SCENES.RARE": number(0, 1),
    }
)
