"""The independent reference of the state-space layers: the recurrence itself, step by step in float64."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor


def _recurrence(
    x: Tensor,
    dt: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    initial_states: Tensor | None = None,
    mask: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """y and the final states by loops over sequences, heads and steps, in NumPy."""
    x, dt, A, B, C = (t.detach().double().numpy() for t in (x, dt, A, B, C))
    batch, length, heads, head_dim = x.shape
    heads_per_group = heads // B.shape[2]
    y = np.zeros_like(x)
    final = np.zeros((batch, heads, head_dim, B.shape[3]))
    for b, k in np.ndindex(batch, heads):
        g = k // heads_per_group
        h = final[b, k] if initial_states is None else initial_states[b, k].detach().double().numpy().copy()
        for t in range(length):
            if mask is not None and not mask[b, t]:
                continue
            h = np.exp(dt[b, t, k] * A[k]) * h + dt[b, t, k] * np.outer(x[b, t, k], B[b, t, g])
            y[b, t, k] = h @ C[b, t, g]
            if D is not None:
                y[b, t, k] += D[k].detach().double().numpy() * x[b, t, k]
        final[b, k] = h
    return torch.from_numpy(y), torch.from_numpy(final)


@pytest.fixture
def recurrence() -> Callable[..., tuple[Tensor, Tensor]]:
    return _recurrence


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)
