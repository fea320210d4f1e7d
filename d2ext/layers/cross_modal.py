"""Cross-modal selective state-space model: the state is written by words and read by pixels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from d2ext.layers.ssd import A_log_init, dt_bias_init, ssd_final_state


def maps_of_sentences(maps: Tensor, sentence_to_image: Tensor | None) -> Tensor:
    """The map that each of S sentences looks at, copied only where several images have several sentences.

    Args:
        maps: (B, ...) one map an image.
        sentence_to_image: (S,) index into them; None where every sentence has a map of its own.

    Returns:
        (S, ...), or (1, ...) for broadcasting where there is one map only.
    """
    return maps if sentence_to_image is None or maps.shape[0] == 1 else maps[sentence_to_image]


def add_to(own: Tensor, other: Tensor) -> Tensor:
    """own + other, which in inference takes the memory of ``own``: large new maps cost more than sums."""
    return own + other if torch.is_grad_enabled() else own.add_(other)


def multiply_by(own: Tensor, other: Tensor) -> Tensor:
    """own * other, which in inference takes the memory of ``own``."""
    return own * other if torch.is_grad_enabled() else own.mul_(other)


class CrossModalSSM(nn.Module):
    """Selective state-space model with B and dt from the text and C from the image (U2ENet's fusion).

    Each head runs h_t = exp(dt_t A) h_{t-1} + dt_t x_t B_t^T over the sentence, with x_t, B_t and dt_t made
    from the words; every visual location v reads the final state through its own C: y_v = h C_v. The cost is
    linear in words + pixels. A bidirectional model runs a second recurrence from the last word to the first,
    with its own B, dt and A; each direction has its own C, and the two readings are added. All heads share B
    and C (one group, as in Mamba-2).
    """

    def __init__(
        self,
        visual_dim: int,
        text_dim: int,
        inner_dim: int,
        state_dim: int,
        num_heads: int,
        bidirectional: bool = True,
    ) -> None:
        """
        Args:
            visual_dim: channels of the visual map.
            text_dim: channels of the word features.
            inner_dim: channels of the output; heads * head_dim.
            state_dim: state size of one direction.
            num_heads: heads, each with its own decay and step size; divides ``inner_dim``.
            bidirectional: also run from the last word to the first.

        Raises:
            ValueError: if ``num_heads`` does not divide ``inner_dim``.
        """
        super().__init__()
        if inner_dim % num_heads:
            raise ValueError(f"num_heads must divide inner_dim = {inner_dim}, got {num_heads}")
        self.visual_dim = visual_dim
        self.text_dim = text_dim
        self.inner_dim = inner_dim
        self.state_dim = state_dim
        self.num_heads = num_heads
        self.num_directions = 2 if bidirectional else 1
        self.state_total = self.num_directions * state_dim
        self.text_norm = nn.RMSNorm(text_dim, eps=1e-5)
        self.value_proj = nn.Linear(text_dim, inner_dim, bias=False)
        self.B_proj = nn.Linear(text_dim, self.state_total, bias=False)
        self.dt_proj = nn.Linear(text_dim, self.num_directions * num_heads, bias=False)
        # Only the final state is read, so it must remember the whole sentence: with Mamba's usual ranges most
        # heads start with a memory of fewer words than a sentence has. Here it is 16 to 2,560 words long.
        self.dt_bias = nn.Parameter(dt_bias_init(self.num_directions * num_heads, 0.1, 1.0))
        self.A_log = nn.Parameter(A_log_init(self.num_directions * num_heads, 1 / 256, 1 / 16))
        self.C_proj = nn.Conv2d(visual_dim, self.state_total, kernel_size=1)
        self.C_norm = nn.RMSNorm(self.state_total, eps=1e-5)

    def encode_text(self, text: Tensor, mask: Tensor | None = None) -> Tensor:
        """Run the recurrence over the words of each sentence.

        Args:
            text: (S, L, text_dim) word features.
            mask: (S, L) bool, False at padding, which leaves the state untouched.

        Returns:
            (S, num_heads, head_dim, state_total) final states times the weight of C's norm, those of the
            directions one after the other in the last dimension; 0 for a sentence without words.

        Raises:
            ValueError: if a shape does not fit.
        """
        if text.ndim != 3 or text.shape[2] != self.text_dim:
            raise ValueError(f"text must have shape (S, L, {self.text_dim}), got {tuple(text.shape)}")
        if mask is not None and (mask.shape != text.shape[:2] or mask.dtype != torch.bool):
            expected = tuple(text.shape[:2])
            raise ValueError(f"mask must be bool {expected}, got {mask.dtype} {tuple(mask.shape)}")
        text = self.text_norm(text)
        x = self.value_proj(text).unflatten(-1, (self.num_heads, -1))
        dt = F.softplus(self.dt_proj(text).to(self.dt_bias.dtype) + self.dt_bias)
        dt = dt.unflatten(-1, (self.num_directions, -1))
        B = self.B_proj(text).unflatten(-1, (self.num_directions, -1))
        if mask is not None:
            padding = ~mask[:, :, None, None]
            x, dt, B = (t.masked_fill(padding, 0) for t in (x, dt, B))
        if self.num_directions == 2:  # side by side, as heads of one sum
            x = torch.cat([x, x.flip(1)], 2)
            dt = torch.cat([dt[:, :, :1], dt[:, :, 1:].flip(1)], 2)
            B = torch.cat([B[:, :, :1], B[:, :, 1:].flip(1)], 2)
        states = ssd_final_state(x, dt.flatten(2), -self.A_log.exp(), B)
        states = torch.cat(states.unflatten(1, (self.num_directions, -1)).unbind(1), dim=-1)
        # The weight of the norm of C is applied here, to one matrix in place of every location.
        return (states * self.C_norm.weight).to(x.dtype)

    def encode_visual(self, visual: Tensor) -> Tensor:
        """C of every location, RMS-normalised over the state; the norm's weight is in the states.

        Args:
            visual: (B, visual_dim, H, W) visual map.

        Returns:
            (B, state_total, H, W).

        Raises:
            ValueError: if the shape does not fit.
        """
        if visual.ndim != 4 or visual.shape[1] != self.visual_dim:
            raise ValueError(f"visual must be (B, {self.visual_dim}, H, W), got {tuple(visual.shape)}")
        C = self.C_proj(visual)
        norm = torch.linalg.vector_norm(
            C, dim=1, keepdim=True, dtype=torch.promote_types(C.dtype, torch.float32)
        )
        return multiply_by(C, (norm.square() / self.state_total + self.C_norm.eps).rsqrt().to(C.dtype))

    def read(self, states: Tensor, C: Tensor, sentence_to_image: Tensor | None) -> Tensor:
        """Read each sentence's state at every location of its image: y = C h.

        Args:
            states: (S, num_heads, head_dim, state_total) from :meth:`encode_text`.
            C: (B, state_total, H, W) from :meth:`encode_visual`.
            sentence_to_image: (S,) long, index into the B images; None where every sentence has its own map.

        Returns:
            (S, inner_dim, H, W), in memory channels last.

        Raises:
            ValueError: if a shape does not fit.
        """
        owners = C.shape[:1] if sentence_to_image is None else sentence_to_image.shape
        if owners != states.shape[:1]:
            expected, got = tuple(states.shape[:1]), tuple(owners)
            raise ValueError(f"sentence_to_image must have shape {expected}, got {got}")
        weights = states.flatten(1, 2)
        # On the CPU a convolution takes half the time of a matmul. A traced graph has no such choice: it
        # takes any number.
        if not C.is_cuda and not torch.compiler.is_compiling() and weights.shape[0] == 1:
            return F.conv2d(maps_of_sentences(C, sentence_to_image), weights[0, :, :, None, None])
        pixels = maps_of_sentences(C.flatten(2).transpose(1, 2), sentence_to_image)
        y = torch.bmm(pixels.expand(weights.shape[0], -1, -1), weights.transpose(1, 2))
        return y.transpose(1, 2).unflatten(-1, C.shape[-2:])

    def forward(
        self, visual: Tensor, text: Tensor, mask: Tensor | None, sentence_to_image: Tensor | None
    ) -> Tensor:
        """Encode both modalities and read; arguments and result as in the three methods above."""
        return self.read(self.encode_text(text, mask), self.encode_visual(visual), sentence_to_image)
