"""Keys of Janus, each documented where its default stands."""

from __future__ import annotations

from detectron2.config import CfgNode

from d2ext.checks import declare, every, number, one_of, some_of, whole
from d2ext.modeling.backbone.config import add_pixel_config
from d2ext.modeling.describe.parts import PARTS


def add_describe_config(cfg: CfgNode) -> None:
    """Add the keys of the model; those of its data are in ``d2ext.data.describe.config``."""
    add_pixel_config(cfg)
    cfg.MODEL.META_ARCHITECTURE = "Janus"
    # Pixels of both encoders are RGB from -1 to 1, as those of the released weights.
    cfg.MODEL.PIXEL_MEAN = [127.5, 127.5, 127.5]
    cfg.MODEL.PIXEL_STD = [127.5, 127.5, 127.5]
    cfg.INPUT.FORMAT = "RGB"

    c = cfg.MODEL.JANUS = CfgNode()
    # Folder or hub name of a model to begin from, in the layout of transformers (deepseek-community) or of
    # the release (deepseek-ai/Janus-Pro-1B). Empty: a model of the sizes below with random weights.
    c.NAME = ""
    # What a step trains: "sequences", text and image tokens in one transformer, or "pictures", the image
    # tokens' own encoder and decoder.
    c.OBJECTIVE = "sequences"
    # Parts that are trained; all others stay as they are, bit by bit. Stage 1: the two adaptors and the image
    # head; stage 2: all but the encoders; stage 3: all but the generation encoder. For "pictures": the
    # generation encoder (with its decoder and codes).
    c.TRAINED = ["understanding_adaptor", "generation_adaptor", "image_head"]
    # Leave questions out of the loss of text (stage 3), or learn them too (stages 1 and 2).
    c.MASK_QUESTION = False
    # Weights of the losses of text and of image tokens.
    c.TEXT_WEIGHT = 1.0
    c.IMAGE_WEIGHT = 1.0
    # Most tokens of an answer; what is longer is cut in training and not written in inference.
    c.MAX_ANSWER = 96
    # Sampling of answers: 0 takes the likeliest token, else by temperature among those of this joint share.
    c.TEMPERATURE = 0.0
    c.TOP_P = 0.95
    # Classifier-free guidance of pictures (Ho & Salimans, 2021): 1 for none; needs INPUT.DRAW.DROP_PROMPT.
    c.GUIDANCE = 5.0
    c.DRAW_TEMPERATURE = 1.0
    # Weights of "pictures": the encoder kept near the codes, and codes used evenly (Yu et al., MAGVIT-v2,
    # ICLR 2024, eq. 5: a low entropy for each place, a high one for all).
    c.COMMITMENT = 0.25
    c.ENTROPY = 0.1
    _add_sizes(c)


def _add_sizes(c: CfgNode) -> None:
    # Of a model without NAME. Tokenizer: folder, hub name or d2ext://text/speech.
    c.TOKENIZER = "d2ext://text/speech"
    # Square pictures of both encoders, and the side of a token in pixels.
    c.IMAGE_SIZE = 192
    c.PATCH = 16
    # Understanding encoder (SigLIP) and language model (Llama).
    c.VISION_WIDTH = 192
    c.VISION_LAYERS = 4
    c.VISION_HEADS = 4
    c.WIDTH = 256
    c.LAYERS = 6
    c.HEADS = 4
    # Most tokens of a sequence, those of pictures included.
    c.MAX_TOKENS = 1024
    # Generation encoder: channels at full size (a multiple of 32) and their multiples at each halving, as
    # many as lead from a pixel to a token; codes and their width.
    c.VQ_CHANNELS = 32
    c.VQ_MULTIPLIERS = [1, 1, 2, 2, 4]
    c.VQ_BLOCKS = 1
    c.VQ_LATENT = 32
    c.CODES = 512
    c.CODE_WIDTH = 8


declare(
    {
        "MODEL.JANUS.OBJECTIVE": one_of("sequences", "pictures"),
        "MODEL.JANUS.TRAINED": some_of(*PARTS),
        "MODEL.JANUS.VQ_MULTIPLIERS": every(whole(1)),
        **{
            f"MODEL.JANUS.{name}": number(0)
            for name in ("TEXT_WEIGHT", "IMAGE_WEIGHT", "TEMPERATURE", "COMMITMENT", "ENTROPY")
        },
        "MODEL.JANUS.TOP_P": number(above=0, most=1),
        "MODEL.JANUS.GUIDANCE": number(1),
        "MODEL.JANUS.DRAW_TEMPERATURE": number(above=0),
        **{
            f"MODEL.JANUS.{name}": whole(1)
            for name in (
                "MAX_ANSWER", "IMAGE_SIZE", "PATCH", "VISION_WIDTH", "VISION_LAYERS", "VISION_HEADS", "WIDTH",
                "LAYERS", "HEADS", "MAX_TOKENS", "VQ_CHANNELS", "VQ_BLOCKS", "VQ_LATENT", "CODES",
                "CODE_WIDTH",
            )
        },
    }
)  # fmt: skip
