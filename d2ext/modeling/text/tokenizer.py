"""Sentences to token ids and the values of their numbers."""

from __future__ import annotations

import re
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from d2ext.modeling.text.loading import load_tokenizer
from d2ext.modeling.text.numbers import number_values
from d2ext.reading import whole_text

PIECE = 2.5  # letters of a piece of a word
_CJK = "\u3400-\u4dbf\u4e00-\u9fff"
_WORD = re.compile(rf"[{_CJK}]|[^\W\d_{_CJK}]+")
LENGTH_STEP = 16  # batches are padded to a multiple of this, so that kernels meet few shapes


class Tokens(NamedTuple):
    """S sentences padded on the right: ids (S, L) long, mask (S, L) True on tokens, and numbers (S, L), the
    value of the number that a token is part of, NaN for none."""

    ids: Tensor
    mask: Tensor
    numbers: Tensor


class SentenceTokenizer:
    """Sentences to token ids and the values of their numbers.

    Args:
        name: see :class:`TextEncoder`.
        max_tokens: longest sentence in tokens, special tokens included; 0 takes any.

    Attributes:
        backend: the Hugging Face tokenizer.
        config: the Hugging Face config of the encoder.

    Raises:
        FileNotFoundError: no tokenizer or config there; the message says what was expected.
    """

    def __init__(self, name: str, max_tokens: int = 0) -> None:
        self.name = name
        self.backend, self.config = load_tokenizer(name)
        self.max_tokens = max_tokens or sys.maxsize

    def tokenize(self, sentences: Sequence[str]) -> tuple[list[list[int]], list[np.ndarray]]:
        """Token ids and :func:`number_values` of each sentence, special tokens included, not padded.

        Raises:
            ValueError: an empty sentence, one with half a character, or longer than the encoder takes.
        """
        for i, text in enumerate(sentences):
            if not text.strip():
                raise ValueError(f"sentence {i + 1} of {len(sentences)} is empty: expected words")
            whole_text(text, f"sentence {i + 1} of {len(sentences)}")
        if not sentences:
            return [], []
        tokens = self.backend(
            list(sentences), add_special_tokens=True, return_offsets_mapping=True, verbose=False
        )
        ids = tokens["input_ids"]
        for text, row in zip(sentences, ids, strict=True):
            if len(row) > self.max_tokens:
                raise ValueError(
                    f'sentence "{text[:60]}...": {len(row)} tokens, expected at most {self.max_tokens} '
                    f"({self.name})"
                )
        numbers = map(number_values, sentences, tokens["offset_mapping"])
        return ids, list(numbers)

    def unknown_words(self, text: str) -> tuple[list[str], int]:
        """The words of a sentence that mean nothing to the encoder, and how many words there are.

        Such a word is cut into pieces of less than ``PIECE`` letters on average, or not represented at all;
        numbers do not count, and a Chinese character is a word.
        """
        tokens = self.backend(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        ids, (starts, ends) = tokens["input_ids"], [*zip(*tokens["offset_mapping"], strict=True)] or [(), ()]
        words, unknown = list(_WORD.finditer(text)), []
        for word in words:
            pieces = ids[bisect_right(ends, word.start()) : bisect_left(starts, word.end())]
            cut = len(pieces) > 1 and len(word.group()) < PIECE * len(pieces)
            if cut or not pieces or self.backend.unk_token_id in pieces:
                unknown.append(word.group())
        return unknown, len(words)

    def pad(self, ids: list[list[int]], numbers: list[np.ndarray]) -> Tokens:
        """One batch of what :meth:`tokenize` gives for at least one sentence."""
        length = min(-(-max(map(len, ids)) // LENGTH_STEP) * LENGTH_STEP, self.max_tokens)
        lengths = torch.tensor([len(row) for row in ids])
        mask = torch.arange(length) < lengths[:, None]
        pad = getattr(self.config, "pad_token_id", None) or 0  # RoBERTa counts positions by it
        tokens = torch.full(mask.shape, pad)
        tokens[mask] = torch.tensor([i for row in ids for i in row])
        values = torch.full(mask.shape, float("nan"))
        values[mask] = torch.from_numpy(np.concatenate(numbers))
        return Tokens(tokens, mask, values)
