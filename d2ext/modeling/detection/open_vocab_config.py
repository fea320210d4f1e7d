"""Keys of detectors whose classes are prompts, each documented where its default stands."""

from __future__ import annotations

from detectron2.config import CfgNode

from d2ext.checks import Expected, declare, declare_together, every, one_of, refuse, registered, whole
from d2ext.modeling.detection.config import add_detection3d_config
from d2ext.modeling.detection.decoder import PROMPT_CLASSIFIER_REGISTRY
from d2ext.modeling.text.config import add_text_config


def add_open_vocab_config(cfg: CfgNode) -> None:
    """Add the keys of OpenVocabDet3D, of what it shares with DiffusionDet3D and of the text encoder. There
    are no classes: ``MODEL.CLASSES`` and their sizes go."""
    add_detection3d_config(cfg)
    add_text_config(cfg)
    for key in ("CLASSES", "CLASS_SIZES"):
        del cfg.MODEL[key]
    cfg.MODEL.META_ARCHITECTURE = "OpenVocabDet3D"
    cfg.MODEL.TEXT.NAME = "d2ext://text/words"
    c = cfg.MODEL.OPEN_VOCAB = CfgNode()
    # Width of the words, a multiple of 4, and of the embeddings of prompts and boxes.
    c.TEXT_DIM = 128
    c.PROMPT_DIM = 128
    # Score of a box and a prompt: "cosine", with a learned temperature and bias.
    c.CLASSIFIER = "cosine"
    # The prompt that every object answers to. What has a low score for it starts again from noise between
    # steps, whatever else is asked.
    c.GENERIC = "object"
    # Names whose embeddings were learnt from pictures (learn_name.py), in the place of what their words say.
    c.LEARNT = []
    # "none", or "ssm": the maps are told the prompts of an image by U2ENet's cross-modal SSM. A score then
    # depends on which other prompts there are, though not on their order.
    c.FUSION = "none"
    # Its inner width, state size and heads in each map.
    c.FUSION_DIM = 64
    c.FUSION_STATE = 16
    c.FUSION_HEADS = 4
    # In training an image is also asked for what is like one object of the next image of its batch.
    c.EXEMPLARS = True
    # Answers to a prompt in an image, at most.
    c.BOXES_PER_PROMPT = 100
    # Weights of a DiffusionDet3D with fixed classes, whose image side a training starts from where
    # MODEL.WEIGHTS is empty; empty: from the backbone's alone. Classes that it knows are then no novelty.
    c.DETECTOR = ""
    # File of choose_thresholds.py by which scores mean the same for every prompt; empty: as they were learnt.
    c.CALIBRATION = ""


_SIZES = ("TEXT_DIM", "PROMPT_DIM", "FUSION_DIM", "FUSION_STATE", "FUSION_HEADS", "BOXES_PER_PROMPT")
declare(
    {
        **{f"MODEL.OPEN_VOCAB.{name}": whole(1) for name in _SIZES},
        "MODEL.OPEN_VOCAB.CLASSIFIER": registered(PROMPT_CLASSIFIER_REGISTRY),
        "MODEL.OPEN_VOCAB.FUSION": one_of("none", "ssm"),
        "MODEL.OPEN_VOCAB.LEARNT": every(
            Expected("a name", lambda x: isinstance(x, str) and bool(x.strip()))
        ),
        "MODEL.OPEN_VOCAB.GENERIC": Expected("words", lambda x: isinstance(x, str) and bool(x.strip())),
    }
)


def _check_together(cfg: CfgNode) -> None:
    c = cfg.MODEL.OPEN_VOCAB
    if c.TEXT_DIM % 4:
        refuse("MODEL.OPEN_VOCAB.TEXT_DIM", "a multiple of 4", c.TEXT_DIM)
    if c.FUSION_DIM % 8 or c.FUSION_DIM % c.FUSION_HEADS:
        heads = f"a multiple of 8 and of MODEL.OPEN_VOCAB.FUSION_HEADS {c.FUSION_HEADS}"
        refuse("MODEL.OPEN_VOCAB.FUSION_DIM", heads, c.FUSION_DIM)


declare_together({"MODEL.OPEN_VOCAB": _check_together})
