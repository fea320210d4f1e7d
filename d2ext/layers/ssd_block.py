"""The Mamba-2 block around the SSD scan, for padded batches and in one or both directions."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from d2ext.layers.ssd import A_log_init, dt_bias_init, ssd_scan


class SSDBlock(nn.Module):
    """Pre-norm residual Mamba-2 block (Dao and Gu, 2024, section 7.1 and figure 6).

    For an input u: u + W_out RMSNorm(y * SiLU(z)), where (z, x, B, C, dt) = W_in RMSNorm(u), a short
    depthwise causal convolution with SiLU acts on x, B and C, and y is the SSD scan. A bidirectional block
    shares the norms and both projections between the directions and adds their outputs y; convolution, dt
    bias, A and D are each direction's own, which adds about 0.2% to the parameters at 768 channels.
    """

    def __init__(
        self,
        dim: int,
        state_dim: int = 64,
        head_dim: int = 64,
        expand: int = 2,
        num_groups: int = 1,
        conv_kernel: int = 4,
        bidirectional: bool = False,
        chunk_size: int = 64,
    ) -> None:
        """
        Args:
            dim: channels of the input and the output.
            state_dim: state size of each head's channel.
            head_dim: channels of a head; divides ``expand * dim``.
            expand: ratio of inner channels to ``dim``.
            num_groups: number of B and C shared out over the heads; divides the number of heads.
            conv_kernel: taps of the causal convolution.
            bidirectional: also scan from the end to the start.
            chunk_size: steps per chunk of the scan; changes cost, not the result.

        Raises:
            ValueError: if ``head_dim`` does not divide the inner channels or ``num_groups`` the heads.
        """
        super().__init__()
        self.dim = dim
        inner_dim = expand * dim
        if inner_dim % head_dim:
            raise ValueError(f"head_dim must divide expand * dim = {inner_dim}, got {head_dim}")
        num_heads = inner_dim // head_dim
        if num_heads % num_groups:
            raise ValueError(f"num_groups must divide the number of heads, {num_heads}, got {num_groups}")
        conv_dim = inner_dim + 2 * num_groups * state_dim
        self.split_sizes = (inner_dim, conv_dim, num_heads)
        self.norm = nn.RMSNorm(dim, eps=1e-5)
        self.in_proj = nn.Linear(dim, sum(self.split_sizes), bias=False)
        self.chunk_size = chunk_size
        self.scans = nn.ModuleList(
            _DirectedScan(num_heads, head_dim, num_groups, state_dim, conv_kernel)
            for _ in range(2 if bidirectional else 1)
        )
        self.out_norm = nn.RMSNorm(inner_dim, eps=1e-5)
        self.out_proj = nn.Linear(inner_dim, dim, bias=False)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """
        Args:
            x: (B, L, dim) sequences, padded on either side.
            mask: (B, L) bool, False at padding; None where nothing is padded.

        Returns:
            (B, L, dim). Padded steps return their input and influence no other step.

        Raises:
            ValueError: if a shape does not fit.
        """
        if x.ndim != 3 or x.shape[2] != self.dim:
            raise ValueError(f"x must have shape (B, L, {self.dim}), got {tuple(x.shape)}")
        if mask is not None and (mask.shape != x.shape[:2] or mask.dtype != torch.bool):
            raise ValueError(f"mask must be bool {tuple(x.shape[:2])}, got {mask.dtype} {tuple(mask.shape)}")
        # No layer before the convolution has a bias: zeroed padding is the same to it as the sequence's edge.
        visible = x if mask is None else x.masked_fill(~mask.unsqueeze(-1), 0)
        z, xBC, dt = self.in_proj(self.norm(visible)).split(self.split_sizes, dim=-1)
        return x + self.out_proj(self.out_norm(self._scan(xBC, dt, mask) * F.silu(z)))

    def _scan(self, xBC: Tensor, dt: Tensor, mask: Tensor | None) -> Tensor:
        """The sum of both directions, which run side by side as heads of one scan: half as many operations.

        xBC (B, L, conv channels), 0 at padding; dt (B, L, heads) before softplus -> y (B, L, inner).
        """
        scans: list[_DirectedScan] = list(self.scans)  # type: ignore[arg-type]
        conv, count = scans[0].conv, len(scans)
        weight, bias, dt_bias, A_log, D = (
            torch.cat(values)
            for values in zip(
                *((s.conv.weight, s.conv.bias, s.dt_bias, s.A_log, s.D) for s in scans), strict=True
            )
        )
        xBC, dt = (torch.cat([t, t.flip(1)][:count], -1) for t in (xBC, dt))
        dt = F.softplus(dt.to(dt_bias.dtype) + dt_bias)
        xBC = F.pad(xBC.transpose(1, 2), (conv.kernel_size[0] - 1, 0))
        xBC = F.silu(F.conv1d(xBC, weight, bias, groups=len(weight))).transpose(1, 2)
        xBC, dt = xBC.unflatten(-1, (count, -1)), dt.unflatten(-1, (count, -1))
        if mask is not None:
            padding = ~torch.stack([mask, mask.flip(1)][:count], -1)[..., None]
            xBC, dt = xBC.masked_fill(padding, 0), dt.masked_fill(padding, 0)
        x, B, C = xBC.split(scans[0].split_sizes, dim=-1)
        y = ssd_scan(
            x.unflatten(-1, (scans[0].num_heads, -1)).flatten(2, 3),
            dt.flatten(2),
            -A_log.exp(),
            B.unflatten(-1, (scans[0].num_groups, -1)).flatten(2, 3),
            C.unflatten(-1, (scans[0].num_groups, -1)).flatten(2, 3),
            D=D,
            chunk_size=self.chunk_size,
        )
        y = y.flatten(2).unflatten(-1, (count, -1))
        return y[:, :, 0] if count == 1 else y[:, :, 0] + y[:, :, 1].flip(1)


class _DirectedScan(nn.Module):
    """What one direction of the sequence has of its own: the causal convolution, dt bias, A and D."""

    def __init__(
        self, num_heads: int, head_dim: int, num_groups: int, state_dim: int, conv_kernel: int
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.num_groups = num_groups
        self.split_sizes = (num_heads * head_dim, num_groups * state_dim, num_groups * state_dim)
        channels = sum(self.split_sizes)
        self.conv = nn.Conv1d(channels, channels, conv_kernel, groups=channels)
        self.dt_bias = nn.Parameter(dt_bias_init(num_heads))
        self.A_log = nn.Parameter(A_log_init(num_heads))
        self.D = nn.Parameter(torch.ones(num_heads))
