"""Linear attention against the weights written out as an N x N matrix in float64 NumPy loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from d2ext.layers import linear_attention

# below, at and above one chunk
LENGTHS = (1, 7, 64, 65, 200)


def _tokens(length: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, ...]:
    query, key = torch.randn(2, 2, 3, length, 5, dtype=dtype)
    log_gate = torch.nn.functional.logsigmoid(torch.randn(2, 3, length, dtype=dtype) + 1)
    return query, key, torch.randn(2, 3, length, 4, dtype=dtype), log_gate


def _explicit(query: Tensor, key: Tensor, value: Tensor, log_gate: Tensor | None, causal: bool) -> Tensor:
    def phi(x: Tensor) -> np.ndarray:
        return (torch.nn.functional.elu(x.double()) + 1).detach().numpy()

    q, k, v = phi(query), phi(key), value.detach().double().numpy()
    out = np.zeros(v.shape)
    for b, h, i in np.ndindex(*v.shape[:3]):
        weights = q[b, h, i] @ k[b, h].T
        for j in range(len(weights)):
            if causal and j > i:
                weights[j] = 0
            elif log_gate is not None:
                between = log_gate[b, h, min(i, j) + 1 : max(i, j) + 1]
                weights[j] *= np.prod(between.detach().double().exp().numpy())
        out[b, h, i] = weights @ v[b, h] / weights.sum()
    return torch.from_numpy(out)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("causal", [False, True])
def test_equals_the_matrix_of_weights(length, gated, causal):
    query, key, value, log_gate = _tokens(length)
    gate = log_gate if gated else None
    expected = _explicit(query, key, value, gate, causal)
    torch.testing.assert_close(
        linear_attention(query, key, value, gate, causal), expected, rtol=0, atol=1e-10
    )


@pytest.mark.parametrize("dtype, tolerance", [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
def test_lower_precision_is_as_good_as_its_inputs_and_keeps_its_dtype(dtype, tolerance):
    query, key, value, log_gate = _tokens(200, dtype)
    out = linear_attention(query, key, value, log_gate, causal=True)
    assert out.dtype == dtype
    expected = _explicit(query, key, value, log_gate, True)
    torch.testing.assert_close(out.double(), expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("gated", [False, True])
def test_causal_output_does_not_depend_on_later_tokens(gated):
    query, key, value, log_gate = _tokens(100)
    gate = log_gate if gated else None
    before = linear_attention(query, key, value, gate, causal=True)[..., :70, :]
    short = [t[..., :70, :] for t in (query, key, value)]
    after = linear_attention(*short, gate[..., :70] if gated else None, causal=True)
    torch.testing.assert_close(before, after, rtol=0, atol=1e-12)


def test_output_is_in_the_hull_of_the_values_also_for_extreme_tokens():
    query, key, value, _ = _tokens(50, torch.float32)
    value = value.abs().clamp(0, 1)
    for scale in (1, 30, 1e4):
        out = linear_attention(scale * query, scale * key, value)
        assert torch.isfinite(out).all() and out.min() >= 0 and out.max() <= 1 + 1e-5


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("causal", [False, True])
def test_gradients(gated, causal):
    query, key, value, log_gate = (t[:1, :1, :6].clone().requires_grad_() for t in _tokens(70))
    inputs = (query, key, value, log_gate) if gated else (query, key, value)
    assert torch.autograd.gradcheck(lambda *t: linear_attention(*t, causal=causal), inputs)


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("causal", [False, True])
def test_cost_grows_linearly(gated, causal):
    def operations(length: int) -> int:
        query, key, value, log_gate = _tokens(length, torch.float32)
        with FlopCounterMode(display=False) as counter:
            linear_attention(query, key, value, log_gate if gated else None, causal)
        return counter.get_total_flops()

    assert operations(4096) == 8 * operations(512) > 0


@pytest.mark.parametrize(
    "change, message",
    [
        ({"query": torch.zeros(2, 3, 5)}, r"query must have shape \(batch, heads, N, d\)"),
        ({"key": torch.zeros(2, 3, 9, 5)}, r"key must have the query's shape \(2, 3, 8, 5\)"),
        ({"value": torch.zeros(2, 3, 9, 5)}, r"value must have shape \(2, 3, 8, 'e'\)"),
        ({"log_gate": torch.zeros(2, 3, 8, 5)}, r"log_gate must have shape \(2, 3, 8\)"),
    ],
)
def test_shapes_that_do_not_fit_are_named(change, message):
    query, key, value, log_gate = _tokens(8)
    arguments = {"query": query, "key": key, "value": value, "log_gate": log_gate, **change}
    with pytest.raises(ValueError, match=message):
        linear_attention(**arguments)
