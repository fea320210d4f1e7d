"""Config keys of scenes to be drawn, each documented where its default stands."""

from __future__ import annotations

from detectron2.config import CfgNode

from d2ext.checks import declare, every, number, rising, whole
from d2ext.data.config import add_box_plane_config, add_image_config


def add_scene_data_config(cfg: CfgNode) -> None:
    """Add the keys of pictures of exactly INPUT.SIZE with layouts and captions, those of every image among
    them."""
    add_image_config(cfg)
    add_box_plane_config(cfg)
    cfg.INPUT.SIZE = (128, 256)
    # Probability of a mirrored picture in training, whose captions change sides; where none can, it is not.
    cfg.INPUT.FLIP_PROB = 0.5
    # Zoom in training, log-uniform in this range, relative to the size at which a picture just covers
    # INPUT.SIZE; and how far the crop lies from the middle, 0 there, 1 anywhere.
    cfg.INPUT.SCALE_RANGE = (1.0, 1.0)
    cfg.INPUT.CROP_SHIFT = 0.0
    # An object is in the picture when at least this fraction of its 2D box is.
    cfg.INPUT.MIN_VISIBLE = 0.3
    # Pixels of a picture in one of the maps of its layout; divides the autoencoder's factor.
    cfg.INPUT.LAYOUT_STRIDE = 4
    for name in ("BRIGHTNESS", "CONTRAST", "SATURATION"):  # captions name colours, and light is to be learnt
        cfg.INPUT.COLOR_JITTER[name] = 0.0

    cfg.INPUT.CAPTIONS = CfgNode()
    # Training draws one of an image's captions with probability softmax(score / TEMPERATURE). False: always
    # the same one, which evaluation takes too: that of the greatest score, among equals the longest.
    cfg.INPUT.CAPTIONS.SAMPLE = True
    cfg.INPUT.CAPTIONS.TEMPERATURE = 1.0
    # File of score_captions.py; empty: all scores are 0.
    cfg.INPUT.CAPTIONS.SCORES = ""


declare(
    {
        "INPUT.FLIP_PROB": number(0, 1),
        "INPUT.SCALE_RANGE": rising(number(above=0)),
        "INPUT.LAYOUT_STRIDE": whole(1),
        "INPUT.CAPTIONS.TEMPERATURE": number(above=0),
        "INPUT.SIZE": every(whole(1), 2, "height, width"),
    }
)
