"""Keys of the text encoder, each documented where its default stands."""

from __future__ import annotations

from detectron2.config import CfgNode

from d2ext.checks import declare, number, whole
from d2ext.modeling.text.encoder import TextEncoder


def add_text_config(cfg: CfgNode) -> None:
    """Add the keys of :func:`build_text_encoder`."""
    cfg.MODEL.TEXT = CfgNode()
    # Hugging Face encoder of any language: hub name, local folder, d2ext://text/words or
    # d2ext://text/tiny.
    cfg.MODEL.TEXT.NAME = "roberta-base"
    # False starts from random weights on purpose.
    cfg.MODEL.TEXT.PRETRAINED = True
    # No gradients; features of every distinct sentence are computed once, in float32, and kept.
    cfg.MODEL.TEXT.FROZEN = True
    # No gradients for the vectors of words, where the layers after them learn: a word that is not trained
    # with keeps its place beside those that are.
    cfg.MODEL.TEXT.FROZEN_WORDS = False
    # In training every word's vector moves towards that of a word drawn at random, by a share drawn between 0
    # and this: what is near a word is read like the word.
    cfg.MODEL.TEXT.WORD_NOISE = 0.0
    # Longest sentence in tokens; 0 takes the encoder's own limit.
    cfg.MODEL.TEXT.MAX_TOKENS = 0
    # Sentences whose features a frozen encoder keeps in memory.
    cfg.MODEL.TEXT.CACHE_SIZE = 20000
    # Folder where a frozen encoder keeps the features of every sentence for later runs and other processes,
    # 0.2 MB a sentence with RoBERTa-base; empty for none. encode_text.py fills it, or the first use does.
    cfg.MODEL.TEXT.CACHE_DIR = ""


declare(
    {
        "MODEL.TEXT.MAX_TOKENS": whole(0),
        "MODEL.TEXT.CACHE_SIZE": whole(0),
        "MODEL.TEXT.WORD_NOISE": number(0, 1),
    }
)


def build_text_encoder(cfg: CfgNode) -> TextEncoder:
    """The encoder that MODEL.TEXT describes.

    Raises:
        FileNotFoundError, ValueError: as :class:`~d2ext.modeling.text.encoder.TextEncoder`.
    """
    text = cfg.MODEL.TEXT
    return TextEncoder(
        text.NAME,
        pretrained=text.PRETRAINED,
        frozen=text.FROZEN,
        frozen_words=text.FROZEN_WORDS,
        word_noise=text.WORD_NOISE,
        max_tokens=text.MAX_TOKENS,
        cache_size=text.CACHE_SIZE,
        cache_dir=text.CACHE_DIR,
    )
