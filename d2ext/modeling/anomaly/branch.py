"""Second branches of EfficientAD: networks that describe an image as a whole, as far as it is normal.

A branch learns to give the teacher's description of normal images through a bottleneck, too narrow to pass on
what it has not learned. Four can be chosen by name:

* ``autoencoder``: the published one. Six convolutions take an image of 256 x 256 pixels to one vector.
* ``softmax``, ``linear``, ``gated_linear``: attention. The first four convolutions of the auto-encoder make
  one token of 16 x 16 pixels each; tokens know their place in the image (sines and cosines). Blocks of
  attention and of an MLP let them learn of each other, each token is squeezed to a code of a few channels,
  and further blocks and two convolutions make the description out of codes and places.

The three attentions differ in one operation only, so what they reach can be compared: tokens, widths, depth
and bottleneck are the same. Tokens are in order of the image's columns, so in a space-time graph of time: the
gates of ``gated_linear`` fade with time. Its parameters for them are the only ones the others lack.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from detectron2.config import CfgNode
from torch import Tensor, nn

from d2ext.layers import linear_attention
from d2ext.registry import VariantRegistry

TOKEN_STRIDE = 16  # pixels
POSITION_PERIOD = 1000.0  # tokens, of the slowest sine of the position code
GATE_BIAS = 3.0  # gates begin near 0.95: a token starts by seeing about 20 others

#: (node MODEL.EFFICIENT_AD.BRANCH, channels of the teacher) -> a module (images (B, 3, H, W), (h, w)) ->
#: (B, channels, h, w).
BRANCH_REGISTRY = VariantRegistry("MODEL.EFFICIENT_AD.BRANCH.NAME")

#: The operation on query, key and value, all (B, heads, N, d), by name.
ATTENTIONS: dict[str, Callable[..., Tensor]] = {
    "softmax": F.scaled_dot_product_attention,
    "linear": linear_attention,
    "gated_linear": linear_attention,
}


@BRANCH_REGISTRY.register()
def autoencoder(branch: CfgNode, out_channels: int) -> nn.Module:
    """The published branch."""
    return AutoEncoder(branch.DIM, out_channels, branch.DROPOUT)


def _attention_branch(name: str, branch: CfgNode, out_channels: int) -> nn.Module:
    b = branch
    return AttentionBranch(name, b.DIM, out_channels, b.DEPTH, b.ATTENTION_HEADS, b.CODE, b.DROPOUT)


for _name in ATTENTIONS:
    BRANCH_REGISTRY.named(_name)(partial(_attention_branch, _name))


def _encoder(dim: int, layers: int) -> nn.Sequential:
    """Convolutions that halve the image, the first ``layers`` of the published auto-encoder's five."""
    widths = [3, dim // 2, dim // 2, dim, dim, dim][: layers + 1]
    stack: list[nn.Module] = []
    for before, after in zip(widths, widths[1:], strict=False):
        stack += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.ReLU()]
    return nn.Sequential(*stack)


class AutoEncoder(nn.Module):
    """EfficientAD's auto-encoder, for any image of at least 256 pixels a side.

    Args:
        dim: channels (published: 64).
        out_channels: of the description.
        dropout: in the decoder.
    """

    def __init__(self, dim: int, out_channels: int, dropout: float) -> None:
        super().__init__()
        self.encoder = nn.Sequential(*_encoder(dim, 5), nn.Conv2d(dim, dim, 8))
        self.decoder = nn.ModuleList(nn.Conv2d(dim, dim, 4, padding=2) for _ in range(6))
        self.last = nn.Conv2d(dim, dim, 3, padding=1)
        self.head = nn.Conv2d(dim, out_channels, 3, padding=1)
        self.dropout = dropout

    def forward(self, images: Tensor, out_size: tuple[int, int]) -> Tensor:
        """images (B, 3, H, W) -> (B, out_channels, *out_size).

        Raises:
            ValueError: images of less than 256 pixels a side.
        """
        size = images.shape[-2:]
        if min(size) < 256:
            raise ValueError(
                f"autoencoder: expected images of at least 256 x 256 pixels, got {size[1]} x {size[0]}"
            )
        x = self.encoder(images)
        for conv, (divisor, less) in zip(self.decoder, _DECODER_SIZES, strict=True):
            x = F.interpolate(x, [n // divisor - less for n in size], mode="bilinear", align_corners=False)
            x = F.dropout(conv(x).relu(), self.dropout, self.training)
        x = F.interpolate(x, out_size, mode="bilinear", align_corners=False)
        return self.head(self.last(x).relu())


#: Sizes before the decoder's convolutions, each of which adds a pixel: image / divisor - less.
_DECODER_SIZES = ((64, 1), (32, 0), (16, 1), (8, 0), (4, 1), (2, 1))


class AttentionBranch(nn.Module):
    """Attention over the tokens of an image of any size.

    Args:
        attention: a name of ``ATTENTIONS``.
        dim: channels of a token, a multiple of 4 and of the heads.
        out_channels: of the description.
        depth: blocks before the bottleneck, and as many behind it.
        heads: of the attention.
        code: channels of a token in the bottleneck.
        dropout: in the decoder.

    Raises:
        ValueError: ``dim`` cannot be divided.
    """

    def __init__(
        self, attention: str, dim: int, out_channels: int, depth: int, heads: int, code: int, dropout: float
    ) -> None:
        super().__init__()
        if dim % 4 or dim % heads:
            raise ValueError(
                f"MODEL.EFFICIENT_AD.BRANCH.DIM is {dim}, expected a multiple of 4 and of the {heads} heads"
            )
        self.encoder = _encoder(dim, 4)
        self.before = nn.Sequential(*(Block(attention, dim, heads) for _ in range(depth)))
        self.bottleneck = nn.Sequential(nn.Linear(dim, code), nn.Linear(code, dim))
        self.behind = nn.Sequential(*(Block(attention, dim, heads) for _ in range(depth)))
        self.decoder = nn.ModuleList(nn.Conv2d(dim, dim, 3, padding=1) for _ in range(2))
        self.head = nn.Conv2d(dim, out_channels, 3, padding=1)
        self.dropout = dropout

    def forward(self, images: Tensor, out_size: tuple[int, int]) -> Tensor:
        """images (B, 3, H, W) -> (B, out_channels, *out_size)."""
        x = self.encoder(images)
        batch, dim, height, width = x.shape
        places = position_code(height, width, dim, x.device).to(x.dtype)
        # (B, dim, h, w) -> tokens (B, w * h, dim), column by column
        tokens = self.before(x.permute(0, 3, 2, 1).flatten(1, 2) + places)
        tokens = self.behind(self.bottleneck(tokens) + places)
        x = tokens.view(batch, width, height, dim).permute(0, 3, 2, 1)
        for conv in self.decoder:
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = F.dropout(conv(x).relu(), self.dropout, self.training)
        return self.head(F.interpolate(x, out_size, mode="bilinear", align_corners=False))


class Block(nn.Module):
    """Attention, then an MLP, each on its normalised input and added to it.

    Args:
        attention: a name of ``ATTENTIONS``.
        dim: channels of a token.
        heads: of the attention.
    """

    def __init__(self, attention: str, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.attend = ATTENTIONS[attention]
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.gate = nn.Linear(dim, heads) if attention == "gated_linear" else None
        if self.gate is not None:
            nn.init.constant_(self.gate.bias, GATE_BIAS)
        self.proj = nn.Linear(dim, dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, N, dim) -> (B, N, dim)."""
        batch, count, dim = tokens.shape
        x = self.norm1(tokens)
        query, key, value = self.qkv(x).view(batch, count, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        if self.gate is None:
            x = self.attend(query, key, value)
        else:
            x = self.attend(query, key, value, F.logsigmoid(self.gate(x)).transpose(1, 2))
        tokens = tokens + self.proj(x.transpose(1, 2).reshape(batch, count, dim))
        return tokens + self.mlp(self.norm2(tokens))


def position_code(height: int, width: int, dim: int, device: torch.device | None = None) -> Tensor:
    """(width * height, dim) sines and cosines of the row and the column of each place, column by column."""
    count = dim // 4
    rates = torch.exp(-math.log(POSITION_PERIOD) * torch.arange(count, device=device) / count)
    waves = []
    for length in (height, width):
        angle = torch.arange(length, device=device)[:, None] * rates
        waves.append(torch.cat([angle.sin(), angle.cos()], 1))
    rows = waves[0][None].expand(width, -1, -1)
    columns = waves[1][:, None].expand(-1, height, -1)
    return torch.cat([rows, columns], 2).flatten(0, 1)
