"""State-space duality (SSD): the selective state-space model with a scalar decay per head.

Recurrence of every head, with state h of shape (head_dim, state)::

    h_t = exp(dt_t A) h_{t-1} + dt_t x_t B_t^T        y_t = h_t C_t + D x_t

Source: Dao and Gu, "Transformers are SSMs: Generalized Models and Efficient Algorithms Through Structured
State Space Duality", ICML 2024, section 6 (block decomposition of the scan).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, overload

import torch
import torch.nn.functional as F
from torch import Tensor


@overload
def ssd_scan(
    x: Tensor,
    dt: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    chunk_size: int = 64,
    initial_states: Tensor | None = None,
    return_final_states: Literal[False] = False,
    mask: Tensor | None = None,
) -> Tensor: ...
@overload
def ssd_scan(
    x: Tensor,
    dt: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    chunk_size: int = 64,
    initial_states: Tensor | None = None,
    *,
    return_final_states: Literal[True],
    mask: Tensor | None = None,
) -> tuple[Tensor, Tensor]: ...
def ssd_scan(
    x: Tensor,
    dt: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    chunk_size: int = 64,
    initial_states: Tensor | None = None,
    return_final_states: bool = False,
    mask: Tensor | None = None,
) -> Tensor | tuple[Tensor, Tensor]:
    """Run the SSD recurrence in chunks: matrix products inside a chunk, a recurrence between chunks.

    Half-precision inputs are computed in float32, also under autocast. On CUDA the Triton kernel of
    ``mamba_ssm`` is used where that package is installed, except for float64, and for float32 under
    ``torch.get_float32_matmul_precision() == "highest"`` because the kernel multiplies float32 in TF32.

    Args:
        x: (batch, length, heads, head_dim) input; any length, also 0.
        dt: (batch, length, heads) positive step sizes.
        A: (heads,) negative decay rates.
        B: (batch, length, groups, state) input matrices; ``groups`` divides ``heads``, and consecutive heads
            share a group.
        C: (batch, length, groups, state) output matrices.
        D: (heads,) or (heads, head_dim) skip weights.
        chunk_size: steps per chunk; changes cost, not the result.
        initial_states: (batch, heads, head_dim, state) state before the first step, zero by default.
        return_final_states: also return the state after the last step.
        mask: (batch, length) bool, False at padding, where the state is kept and the output is 0.

    Returns:
        y (batch, length, heads, head_dim) in the dtype of ``x``; with ``return_final_states`` also the final
        states (batch, heads, head_dim, state), float64 for float64 ``x``, else float32.

    Raises:
        ValueError: if a shape or a dtype does not fit.
    """
    _check_shapes(x, dt, A, B, mask, initial_states)
    if C.shape != B.shape:
        raise ValueError(f"C must have the shape of B, {tuple(B.shape)}, got {tuple(C.shape)}")
    heads, head_dim = x.shape[2:]
    if D is not None and D.shape not in ((heads,), (heads, head_dim)):
        raise ValueError(f"D must have shape {(heads,)} or {(heads, head_dim)}, got {tuple(D.shape)}")
    if chunk_size < 1:
        raise ValueError(f"chunk_size must be at least 1, got {chunk_size}")
    if mask is not None:
        x, dt, B, C = _zero_padding(mask, x, dt, B, C)

    kernel = _triton_kernel(x) if x.numel() > 0 else None
    if kernel is not None:
        y, final = kernel(
            x, dt, A.float(), B.to(x.dtype), C.to(x.dtype), chunk_size,
            D=D, initial_states=initial_states, return_final_states=True,
        )  # fmt: skip
        final = final.float()
    else:
        y, final = _scan(x, dt, A, B, C, D, chunk_size, initial_states)
    y = y.to(x.dtype)
    return (y, final) if return_final_states else y


def _scan(
    x: Tensor,
    dt: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    chunk_size: int,
    initial_states: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """:func:`ssd_scan` in PyTorch's own operations, in :func:`compute_dtype`."""
    dtype = compute_dtype(x)
    with torch.autocast(x.device.type, enabled=False):
        steps = dt.to(dtype)
        x_dt, log_decay = x.to(dtype) * steps.unsqueeze(-1), steps * A.to(dtype)
        y, final = decay_scan(x_dt, log_decay, B.to(dtype), C.to(dtype), chunk_size, initial_states)
        if D is not None:
            y = y + x * D.to(dtype).reshape(x.shape[2], -1)
    return y, final


def ssd_final_state(
    x: Tensor,
    dt: Tensor,
    A: Tensor,
    B: Tensor,
    mask: Tensor | None = None,
    initial_states: Tensor | None = None,
) -> Tensor:
    """State after the last step, as one weighted sum: h_L = sum_t exp(sum_{k>t} dt_k A) dt_t x_t B_t^T.

    Linear in the length, without a scan. Arguments as in :func:`ssd_scan`, with which the result agrees.

    Returns:
        (batch, heads, head_dim, state), float64 for float64 ``x``, else float32.

    Raises:
        ValueError: if a shape or a dtype does not fit.
    """
    _check_shapes(x, dt, A, B, mask, initial_states)
    if mask is not None:
        x, dt, B = _zero_padding(mask, x, dt, B)
    dtype = compute_dtype(x)
    with torch.autocast(x.device.type, enabled=False):
        x, dt, A, B = x.to(dtype), dt.to(dtype), A.to(dtype), B.to(dtype)
        groups = B.shape[2]
        log_decay = (dt * A).transpose(1, 2)
        weighted = x * (dt * _later_sum(log_decay).exp().transpose(1, 2)).unsqueeze(-1)
        state = torch.einsum("blgrp,blgs->bgrps", weighted.unflatten(2, (groups, -1)), B).flatten(1, 2)
        if initial_states is not None:
            state = state + log_decay.sum(-1).exp()[..., None, None] * initial_states.to(dtype)
    return state


def dt_bias_init(num_heads: int, dt_min: float = 1e-3, dt_max: float = 1e-1) -> Tensor:
    """(num_heads,) biases b with softplus(b) log-uniform in [dt_min, dt_max] (Gu and Dao, "Mamba", 2023)."""
    dt = torch.empty(num_heads).uniform_(math.log(dt_min), math.log(dt_max)).exp()
    return dt + torch.log(-torch.expm1(-dt))  # inverse of softplus


def A_log_init(num_heads: int, least: float = 1.0, greatest: float = 16.0) -> Tensor:
    """(num_heads,) values log(a), a uniform in [least, greatest] (defaults: Mamba-2's); the decay rate is
    A = -exp(A_log)."""
    return torch.empty(num_heads).uniform_(least, greatest).log()


def decay_scan(
    x: Tensor,
    log_decay: Tensor,
    B: Tensor,
    C: Tensor,
    chunk_size: int = 64,
    initial_states: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The scan below :func:`ssd_scan`: h_t = exp(log_decay_t) h_{t-1} + x_t B_t^T, y_t = h_t C_t, by chunks.

    Args:
        x: (batch, length, heads, head_dim); all tensors have one dtype, in which everything is computed.
        log_decay: (batch, length, heads), finite and not positive.
        B, C, chunk_size, initial_states: as in :func:`ssd_scan`.

    Returns:
        y (batch, length, heads, head_dim) and the final states (batch, heads, head_dim, state).
    """
    batch, length, heads, head_dim = x.shape
    groups, state = B.shape[2:]
    h = x.new_zeros(batch, heads, head_dim, state) if initial_states is None else initial_states.to(x.dtype)
    if length == 0:
        return torch.zeros_like(x), h

    # n: chunk, i and j: step inside a chunk, g: group, r: head of a group, p: head_dim, s: state
    # The first case is only for graph exporters: they prove the comparison, but not what the division gives.
    chunks = 1 if length <= chunk_size else -(-length // chunk_size)
    chunk = -(-length // chunks)  # chunks of even size need the least padding
    tail = chunks * chunk - length  # steps that neither decay nor add, and so keep the state
    split = (chunks, chunk)
    x = F.pad(x, (0, 0, 0, 0, 0, tail)).unflatten(2, (groups, -1)).unflatten(1, split)
    log_decay = F.pad(log_decay, (0, 0, 0, tail)).unflatten(2, (groups, -1)).unflatten(1, split)
    log_decay = log_decay.movedim(2, -1)
    B = F.pad(B, (0, 0, 0, 0, 0, tail)).unflatten(1, split)
    C = F.pad(C, (0, 0, 0, 0, 0, tail)).unflatten(1, split)

    scores = torch.einsum("bnigs,bnjgs->bngij", C, B)
    decay = _segment_sum(log_decay).exp()  # b n g r i j
    y = torch.einsum("bngrij,bnjgrp->bnigrp", scores.unsqueeze(3) * decay, x)

    to_end = _later_sum(log_decay).exp().movedim(-1, 2).unsqueeze(-1)
    added = torch.einsum("bnjgrp,bnjgs->bngrps", x * to_end, B)
    across = log_decay.sum(-1).exp()[..., None, None]
    h = h.unflatten(1, (groups, -1))
    entering = []
    for n in range(chunks):
        entering.append(h)
        h = across[:, n] * h + added[:, n]
    from_start = log_decay.cumsum(-1).exp().movedim(-1, 2).unsqueeze(-1)
    y = y + from_start * torch.einsum("bnigs,bngrps->bnigrp", C, torch.stack(entering, dim=1))
    return y.flatten(3, 4).flatten(1, 2)[:, :length], h.flatten(1, 2)


def _segment_sum(values: Tensor) -> Tensor:
    """(..., Q) -> (..., Q, Q): sum of values[j+1 .. i] at [i, j], -inf where j > i.

    Summed directly, not as a difference of two cumulative sums, which would cancel in float32.
    """
    size = values.shape[-1]
    ones = torch.ones(size, size, dtype=torch.bool, device=values.device)
    rows = values.unsqueeze(-1).expand(*values.shape, size)
    sums = rows.masked_fill(~ones.tril(-1), 0).cumsum(-2)
    return sums.masked_fill(~ones.tril(), -math.inf)


def _later_sum(values: Tensor) -> Tensor:
    """(..., L) -> (..., L): at each entry the sum of the entries after it, 0 at the last."""
    return F.pad(values, (0, 1))[..., 1:].flip(-1).cumsum(-1).flip(-1)


def _zero_padding(mask: Tensor, *tensors: Tensor) -> tuple[Tensor, ...]:
    """Set padded steps of (batch, length, ...) tensors to 0, whatever stands there."""
    return tuple(t.masked_fill(~mask.reshape(*mask.shape, *[1] * (t.ndim - 2)), 0) for t in tensors)


def compute_dtype(x: Tensor) -> torch.dtype:
    """The dtype in which sums over ``x`` are computed: float64 for float64, else float32."""
    return torch.float64 if x.dtype == torch.float64 else torch.float32


def _triton_kernel(x: Tensor) -> Callable[..., tuple[Tensor, Tensor]] | None:
    """The fused scan of the optional package ``mamba_ssm``, or None where it cannot serve ``x``."""
    if not x.is_cuda or x.dtype == torch.float64:
        return None
    if x.dtype == torch.float32 and torch.get_float32_matmul_precision() == "highest":
        return None
    try:
        from mamba_ssm.ops.triton.ssd_combined import mamba_chunk_scan_combined
    except ImportError:
        return None
    return mamba_chunk_scan_combined


def _check_shapes(
    x: Tensor, dt: Tensor, A: Tensor, B: Tensor, mask: Tensor | None, initial_states: Tensor | None
) -> None:
    if x.ndim != 4 or not x.is_floating_point():
        raise ValueError(f"x must be float (batch, length, heads, head_dim), got {x.dtype} {tuple(x.shape)}")
    batch, length, heads, head_dim = x.shape
    if dt.shape != (batch, length, heads):
        raise ValueError(f"dt must have shape {(batch, length, heads)}, got {tuple(dt.shape)}")
    if A.shape != (heads,):
        raise ValueError(f"A must have shape {(heads,)}, got {tuple(A.shape)}")
    if B.ndim != 4 or B.shape[:2] != (batch, length):
        raise ValueError(f"B must have shape ({batch}, {length}, groups, state), got {tuple(B.shape)}")
    if B.shape[2] == 0 or heads % B.shape[2]:
        raise ValueError(f"the groups of B must divide the {heads} heads, got {B.shape[2]} groups")
    if mask is not None and (mask.shape != (batch, length) or mask.dtype != torch.bool):
        raise ValueError(f"mask must be bool {(batch, length)}, got {mask.dtype} {tuple(mask.shape)}")
    states = (batch, heads, head_dim, B.shape[3])
    if initial_states is not None and initial_states.shape != states:
        raise ValueError(f"initial_states must have shape {states}, got {tuple(initial_states.shape)}")
