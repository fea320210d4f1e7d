"""What the cross-modal SSM is compared with: softmax cross-attention, and concatenation with the mean word.

Both are called like :class:`d2ext.layers.CrossModalSSM`.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from d2ext.layers.cross_modal import maps_of_sentences


class WordAttention(nn.Module):
    """Multi-head softmax attention of every pixel to every word (Vaswani et al., 2017): words x pixels.

    Args:
        visual_dim: channels of the visual map.
        text_dim: channels of the words.
        inner_dim: channels of the output; a multiple of ``num_heads``.
        num_heads: heads.
    """

    def __init__(self, visual_dim: int, text_dim: int, inner_dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.query = nn.Conv2d(visual_dim, inner_dim, 1)
        self.key_value = nn.Linear(text_dim, 2 * inner_dim)

    def forward(self, visual: Tensor, text: Tensor, mask: Tensor, sentence_to_image: Tensor | None) -> Tensor:
        """visual (B, visual_dim, H, W), text (S, L, text_dim), mask (S, L), sentence_to_image (S,), None
        where every sentence has its own map -> (S, inner_dim, H, W)."""
        query = self.query(visual).unflatten(1, (self.num_heads, -1)).flatten(3).transpose(2, 3)
        key, value = self.key_value(text).unflatten(2, (2, self.num_heads, -1)).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(
            maps_of_sentences(query, sentence_to_image).expand(text.shape[0], -1, -1, -1),
            key,
            value,
            attn_mask=mask[:, None, None, :],
        )
        return y.transpose(2, 3).flatten(1, 2).unflatten(2, visual.shape[-2:])


class MeanWordConcat(nn.Module):
    """A linear layer over every pixel concatenated with the mean of the words.

    Args:
        visual_dim, text_dim, inner_dim: channels of the visual map, the words, and the output.
    """

    def __init__(self, visual_dim: int, text_dim: int, inner_dim: int) -> None:
        super().__init__()
        self.of_pixel = nn.Conv2d(visual_dim, inner_dim, 1)
        self.of_word = nn.Linear(text_dim, inner_dim, bias=False)

    def forward(self, visual: Tensor, text: Tensor, mask: Tensor, sentence_to_image: Tensor | None) -> Tensor:
        """As :meth:`WordAttention.forward`."""
        mean = (text * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
        pixels = maps_of_sentences(self.of_pixel(visual), sentence_to_image)
        return pixels + self.of_word(mean)[:, :, None, None]
