"""Config keys shared by every project."""

from __future__ import annotations

from detectron2.config import CfgNode as CN


def add_d2ext_config(cfg: CN) -> None:
    """Add the keys that the data pipeline reads to a Detectron2 config."""
    # (height, width) into which an image is fitted, keeping its aspect ratio.
    cfg.INPUT.SIZE = (384, 1280)
    # Most sentences of one image in one training step; a sample is spread over the objects they refer to.
    cfg.INPUT.MAX_SENTENCES = 10
    # Probability of a horizontal flip in training (never when a sentence cannot be mirrored safely).
    cfg.INPUT.FLIP_PROB = 0.5
    # Zoom in training, log-uniform in this range relative to the fitted size. Below 1 the image is padded,
    # above 1 it is cropped.
    cfg.INPUT.SCALE_RANGE = (0.8, 1.25)
    # Where the crop (or the padded image) lies: 0 in the centre, which keeps sentences about the picture true
    # ("in the left half of the image"), 1 anywhere.
    cfg.INPUT.CROP_SHIFT = 0.0
    # An object is dropped when less than this fraction of its 2D box is left after cropping.
    cfg.INPUT.MIN_VISIBLE = 0.3

    # Photometric jitter in training: factors uniform in 1 +- value, hue shift uniform in +- value full turns.
    cfg.INPUT.COLOR_JITTER = CN()
    cfg.INPUT.COLOR_JITTER.BRIGHTNESS = 0.3
    cfg.INPUT.COLOR_JITTER.CONTRAST = 0.3
    cfg.INPUT.COLOR_JITTER.SATURATION = 0.3
    # Off: sentences name colours.
    cfg.INPUT.COLOR_JITTER.HUE = 0.0

    # Relative frequency of each of DATASETS.TRAIN in the batches; empty: by number of images.
    cfg.DATALOADER.DATASET_WEIGHTS = ()

    # Control: give every sentence of a test image the text of one about other objects of the image.
    cfg.TEST.SHUFFLE_SENTENCES = False
