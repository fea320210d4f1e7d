"""A sentence in one vector."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from d2ext.modeling.text.numbers import NUMBER_DIM
from d2ext.registry import VariantRegistry

#: (dim of the words) -> a module with the attribute ``dim``: words (S, L, dim), numbers (S, L, NUMBER_DIM),
#: mask (S, L) -> (S, module.dim).
POOLING_REGISTRY = VariantRegistry("MODEL.GROUNDING.POOLING")


@POOLING_REGISTRY.named("heads")
class SentencePooling(nn.Module):
    """A sentence in one vector: what its words mean, and which numbers it gives for what.

    Every word head averages the words by its own attention. Every number head attends to the tokens of
    numbers and to "no such number", so it can hold the height, or the distance, as the sentence says it.

    Args:
        dim: width of the words; a multiple of ``word_heads``.
        word_heads, number_heads: heads of each kind.
    """

    def __init__(self, dim: int, word_heads: int = 4, number_heads: int = 6) -> None:
        super().__init__()
        self.word_heads = word_heads
        self.dim = dim + number_heads * NUMBER_DIM
        self.score = nn.Linear(dim, word_heads + number_heads)
        self.value = nn.Linear(dim, dim)

    def forward(self, words: Tensor, numbers: Tensor, mask: Tensor) -> Tensor:
        """words (S, L, dim), numbers (S, L, NUMBER_DIM) of :func:`number_features`, mask (S, L) ->
        (S, self.dim), float32 also under autocast: a number must not be rounded."""
        with torch.autocast(words.device.type, enabled=False):
            words, numbers = words.float(), numbers.float()
            scores = self.score(words).masked_fill(~mask[..., None], float("-inf"))
            attention = scores[..., : self.word_heads].softmax(1)
            values = self.value(words).unflatten(-1, (self.word_heads, -1))
            meaning = torch.einsum("slh,slhd->shd", attention, values).flatten(1)
            of_numbers = scores[..., self.word_heads :].masked_fill(numbers[..., :1] == 0, float("-inf"))
            none = torch.zeros_like(of_numbers[:, :1])
            attention = torch.cat([none, of_numbers], 1).softmax(1)[:, 1:]
            return torch.cat([meaning, torch.einsum("slh,sln->shn", attention, numbers).flatten(1)], 1)
