"""Attention at a cost linear in the number of tokens.

With the feature map phi(x) = elu(x) + 1 > 0 in place of the softmax, the output of token i is::

    o_i = sum_j w_ij (phi(q_i) . phi(k_j)) v_j / sum_j w_ij (phi(q_i) . phi(k_j))

summed as phi(Q) (phi(K)^T V), O(N d^2), and not as a matrix of N x N weights. Any other feature map that is
not negative can stand in its place, such as the ReLU of Xie et al., "SANA: Efficient High-Resolution Image
Synthesis with Linear Diffusion Transformers", ICLR 2025. w_ij is 1, or 0 for j > i in the causal form, or
the product of the gates between the two tokens.

Sources: Katharopoulos et al., "Transformers are RNNs: Fast Autoregressive Transformers with Linear
Attention", ICML 2020. Gates: Yang et al., "Gated Linear Attention Transformers with Hardware-Efficient
Training", ICML 2024, here one gate a head and token, so the sum is a :func:`d2ext.layers.ssd.decay_scan`.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from d2ext.layers.ssd import compute_dtype, decay_scan

CHUNK_SIZE = 64  # tokens; changes cost, not the result


def feature_map(x: Tensor) -> Tensor:
    """elu(x) + 1, which is exp(x) below 0: written so, small values keep their digits."""
    return torch.where(x > 0, x + 1, x.clamp_max(0).exp())


def linear_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    log_gate: Tensor | None = None,
    causal: bool = False,
    features: Callable[[Tensor], Tensor] = feature_map,
) -> Tensor:
    """Linear attention over sequences laid out as for ``torch.nn.functional.scaled_dot_product_attention``.

    Half-precision inputs are computed in float32, also under autocast.

    Args:
        query: (batch, heads, N, d), before the feature map.
        key: (batch, heads, N, d), before the feature map.
        value: (batch, heads, N, e).
        log_gate: (batch, heads, N) finite logarithms of gates in (0, 1]. The weight of tokens i and j is
            multiplied by the gates of the tokens in (min(i, j), max(i, j)]: all that stand between them, with
            the later one of the two.
        causal: token i sees the tokens j <= i only.
        features: the feature map, not negative. A query without any feature attends to nothing, and gets 0.

    Returns:
        (batch, heads, N, e), of the value's dtype.

    Raises:
        ValueError: if a shape does not fit.
    """
    _check_shapes(query, key, value, log_gate)
    dtype = compute_dtype(value)
    with torch.autocast(value.device.type, enabled=False):
        query, key = features(query.to(dtype)), features(key.to(dtype))
        # With a column of ones beside the values, one sum gives the numerator and the denominator.
        weighted = F.pad(value.to(dtype), (0, 1), value=1.0)
        if log_gate is not None:
            sums = _gated_sum(query, key, weighted, log_gate.to(dtype), causal)
        elif causal:
            sums = _scan(query, key, weighted, query.new_zeros(query.shape[:-1]))
        else:
            sums = query @ (key.transpose(-1, -2) @ weighted)
        # Features can be 0, as elu(x) + 1 is by underflow far below 0: such tokens attend to nothing.
        out = sums[..., :-1] / sums[..., -1:].clamp_min(torch.finfo(dtype).tiny)
    return out.to(value.dtype)


def _gated_sum(query: Tensor, key: Tensor, value: Tensor, log_gate: Tensor, causal: bool) -> Tensor:
    forward = _scan(query, key, value, log_gate)
    if causal:
        return forward
    later_gate = F.pad(log_gate[..., 1:], (0, 1))
    backward = _scan(query.flip(-2), key.flip(-2), value.flip(-2), later_gate.flip(-1)).flip(-2)
    own = (query * key).sum(-1, keepdim=True) * value  # in both scans
    return forward + backward - own


def _scan(query: Tensor, key: Tensor, value: Tensor, log_gate: Tensor) -> Tensor:
    """sum_{j <= i} exp(log_gate_{j+1} + ... + log_gate_i) (q_i . k_j) v_j, all (batch, heads, N, ...)."""
    query, key, value, log_gate = (t.transpose(1, 2) for t in (query, key, value, log_gate))
    return decay_scan(value, log_gate, key, query, CHUNK_SIZE)[0].transpose(1, 2)


def _check_shapes(query: Tensor, key: Tensor, value: Tensor, log_gate: Tensor | None) -> None:
    if query.ndim != 4:
        raise ValueError(f"query must have shape (batch, heads, N, d), got {tuple(query.shape)}")
    if key.shape != query.shape:
        raise ValueError(f"key must have the query's shape {tuple(query.shape)}, got {tuple(key.shape)}")
    if value.ndim != 4 or value.shape[:3] != query.shape[:3]:
        raise ValueError(f"value must have shape {(*query.shape[:3], 'e')}, got {tuple(value.shape)}")
    if log_gate is not None and log_gate.shape != query.shape[:3]:
        raise ValueError(f"log_gate must have shape {tuple(query.shape[:3])}, got {tuple(log_gate.shape)}")
