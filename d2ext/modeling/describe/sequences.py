"""Conversations as sequences of tokens: where pictures stand in them, and what is learnt of them.

The words around a question and its answer are those of the released weights, which know no others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from d2ext.modeling.describe.loading import BEGIN_IMAGE, END_IMAGE, IMAGE
from d2ext.reading import whole_text

USER, ASSISTANT = "<|User|>: ", "\n\n<|Assistant|>:"


@dataclass
class TokenRow:
    """One sequence: token ids; places of the tokens whose words are learnt; first places of pictures to
    understand; first place of image tokens to draw, or None."""

    ids: list[int]
    learnt: list[int] = field(default_factory=list)
    pictures: list[int] = field(default_factory=list)
    drawn: int | None = None


class TokenBatch(NamedTuple):
    """B sequences padded to L: ``ids`` (B, L) and ``mask`` (B, L); flat places (in B * L) of the tokens of
    pictures to understand and of those to draw, in order; places before learnt words, and the words; places
    before drawn tokens."""

    ids: Tensor
    mask: Tensor
    pictures: Tensor
    drawn: Tensor
    before_words: Tensor
    words: Tensor
    before_drawn: Tensor


class Conversations:
    """Makes sequences.

    Args:
        tokenizer: of :func:`~d2ext.modeling.describe.loading.load_tokenizer`.
        image_tokens: of a picture.
        max_answer: tokens of an answer, its end not counted.
        max_tokens: of a sequence.
    """

    def __init__(self, tokenizer: Any, image_tokens: int, max_answer: int, max_tokens: int) -> None:
        self.tokenizer = tokenizer
        self.image_tokens, self.max_answer, self.max_tokens = image_tokens, max_answer, max_tokens
        self.bos, self.eos, self.pad = (getattr(tokenizer, f"{n}_token_id") for n in ("bos", "eos", "pad"))
        signs = (IMAGE, BEGIN_IMAGE, END_IMAGE)
        self.image, self.begin, self.end = (tokenizer.convert_tokens_to_ids(sign) for sign in signs)
        self._signs = {self.image, self.begin, self.end, self.bos, self.eos, self.pad}

    def words(self, text: str) -> list[int]:
        """Tokens of a text; signs of pictures in it are no pictures, and of the end no end."""
        ids = self.tokenizer(whole_text(text, "text"), add_special_tokens=False)["input_ids"]
        return [i for i in ids if i not in self._signs]

    def question(self, prompt: str, pictures: int) -> TokenRow:
        """Up to where the answer begins.

        Raises:
            ValueError: longer than a sequence can be.
        """
        row = TokenRow([self.bos, *self.words(USER)])
        for _ in range(pictures):
            row.ids.append(self.begin)
            row.pictures.append(len(row.ids))
            row.ids += [self.image] * self.image_tokens + [self.end, *self.words("\n")]
        row.ids += [*self.words(prompt), *self.words(ASSISTANT)]
        if len(row.ids) + self.max_answer >= self.max_tokens:
            raise ValueError(
                f"a question of {len(row.ids)} tokens with its pictures: expected at most "
                f"{self.max_tokens - self.max_answer - 1} (MODEL.JANUS.MAX_TOKENS)"
            )
        return row

    def answered(self, prompt: str, pictures: int, answer: str, mask_question: bool) -> TokenRow:
        """A question with its answer; ``mask_question``: only the answer is learnt."""
        row = self.question(prompt, pictures)
        first = len(row.ids)
        row.ids += [*self.words(f" {answer}")[: self.max_answer], self.eos]
        asked = len(self.words(prompt)) + len(self.words(ASSISTANT))
        row.learnt = list(range(first if mask_question else first - asked, len(row.ids)))
        return row

    def plain(self, text: str) -> TokenRow:
        """A text alone, all of which is learnt."""
        ids = [self.bos, *self.words(text)[: self.max_tokens - 2], self.eos]
        return TokenRow(ids, list(range(1, len(ids))))

    def drawing(self, prompt: str, drop: bool = False) -> TokenRow:
        """A text and the picture that it asks for; ``drop``: without the words, for guidance.

        Raises:
            ValueError: longer than a sequence can be.
        """
        row = TokenRow([self.bos, *self.words(USER + prompt + ASSISTANT), self.begin])
        if drop:  # as transformers' generation leaves them out
            row.ids[1:-1] = [self.pad] * (len(row.ids) - 2)
        row.drawn = len(row.ids)
        row.ids += [self.image] * self.image_tokens
        if len(row.ids) > self.max_tokens:
            raise ValueError(
                f"a text of {row.drawn} tokens to draw: expected at most "
                f"{self.max_tokens - self.image_tokens} (MODEL.JANUS.MAX_TOKENS)"
            )
        return row

    def batch(self, rows: Sequence[TokenRow], left: bool = False) -> TokenBatch:
        """Sequences of one length, padded on the right, or for generation on the left."""
        length = max(len(row.ids) for row in rows)
        ids = torch.full((len(rows), length), self.pad)
        mask = torch.zeros((len(rows), length), dtype=torch.long)
        picture: list[int] = []
        drawn: list[int] = []
        learnt: list[int] = []
        words: list[int] = []
        for i, row in enumerate(rows):
            shift = length - len(row.ids) if left else 0
            place = slice(shift, shift + len(row.ids))
            ids[i, place] = torch.tensor(row.ids)
            mask[i, place] = 1
            start = i * length + shift
            for first in row.pictures:
                picture += range(start + first, start + first + self.image_tokens)
            if row.drawn is not None:
                drawn += range(start + row.drawn, start + row.drawn + self.image_tokens)
            learnt += [start + place - 1 for place in row.learnt]
            words += [row.ids[place] for place in row.learnt]
        seen, made, before, said = (
            torch.tensor(found, dtype=torch.long) for found in (picture, drawn, learnt, words)
        )
        return TokenBatch(ids, mask, seen, made, before, said, made - 1)
