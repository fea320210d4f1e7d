"""Text encoders of Hugging Face, loaded without running code of theirs, and what they can take."""

from __future__ import annotations

import os
import sys
from typing import Any

from torch import nn

from d2ext.hub import cache_if_offline
from d2ext.reading import one_line
from d2ext.weights import resolve

KEY = "MODEL.TEXT.NAME"


def load_tokenizer(name: str, key: str = KEY) -> tuple[Any, Any]:
    """Tokenizer and config of an encoder; ``name`` as of :class:`~d2ext.modeling.text.encoder.TextEncoder`,
    ``key`` what errors call it.

    Raises:
        FileNotFoundError: none there; the message says what was expected.
        ValueError: they need code of their own, or tokens cannot be found in the text.
    """
    from transformers import AutoConfig, AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    source = resolve(name)
    if os.sep in source and not os.path.isdir(source) and source.count("/") != 1:
        raise FileNotFoundError(f"{key} {name}: no such folder")
    try:
        with cache_if_offline(not os.path.isdir(source)):
            tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
            config = AutoConfig.from_pretrained(source, trust_remote_code=False)
        # Transformers makes a tokenizer without words of a lone config.json.
        if len(tokenizer) <= len(tokenizer.all_special_tokens):
            raise ValueError("a tokenizer without words")
    except Exception as e:  # a broken or foreign tokenizer.json can raise anything
        _refuse_code(name, e, key)
        why = one_line((str(e).splitlines() or [repr(e)])[0], 100)
        raise FileNotFoundError(
            f"{key} {name}: no tokenizer and config there ({why}); expected a "
            "hub name that can be reached or a folder with tokenizer.json and config.json"
        ) from e
    if not tokenizer.is_fast:
        raise ValueError(
            f"{key} {name}: {type(tokenizer).__name__} does not say where in the text its tokens "
            "are; expected a tokenizer with tokenizer.json"
        )
    return tokenizer, config


def _refuse_code(name: str, error: Exception, key: str) -> None:
    """Raise ValueError if transformers failed because of the code that an encoder brings."""
    if "trust_remote_code" in str(error):
        raise ValueError(
            f"{key} {name}: asks for Python code of its own to be run, which is not done; expected "
            "an encoder of a kind that transformers knows"
        ) from error


def load_encoder(name: str, config: Any, pretrained: bool, key: str = KEY) -> Any:
    """The part of a model that turns tokens into features, with its weights or with random ones.

    Raises:
        FileNotFoundError: no weights there.
        ValueError: it needs code of its own.
    """
    from transformers import AutoModel

    if not pretrained:
        return _token_encoder(AutoModel.from_config(config, trust_remote_code=False))
    source = resolve(name)
    try:
        with cache_if_offline(not os.path.isdir(source)):
            return _token_encoder(AutoModel.from_pretrained(source, trust_remote_code=False))
    except (OSError, ValueError) as e:
        _refuse_code(name, e, key)
        why = one_line(str(e).splitlines()[0], 100)
        raise FileNotFoundError(
            f"{key} {name}: no weights there ({why}); put model.safetensors "
            f"into that folder, or set {key.rpartition('.')[0]}.PRETRAINED False to start from random weights"
        ) from e


def _token_encoder(model: Any) -> Any:
    """The part of a model that turns tokens into features, without what would get no gradient."""
    if model.config.is_encoder_decoder:
        model = model.get_encoder()  # T5 and its kin
    model = getattr(model, "text_model", model)  # CLIP and its kin
    if getattr(model, "pooler", None) is not None:
        model.pooler = None
    return model


def longest_input(encoder: nn.Module) -> int:
    """Longest input in tokens: as many as there are learned positions, if the encoder has such."""
    for name, module in encoder.named_modules():
        if isinstance(module, nn.Embedding) and name.endswith(("position_embeddings", "position_embedding")):
            # RoBERTa and its kin count positions from after the padding index.
            first = 0 if module.padding_idx is None else module.padding_idx + 1
            return module.num_embeddings - first
    limit = getattr(encoder.config, "max_position_embeddings", None) or 0
    return limit if limit > 0 else sys.maxsize
