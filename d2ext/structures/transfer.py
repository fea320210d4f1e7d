"""Between the host and a GPU without waiting.

A GPU works through a queue that the host fills. The host stands still, and the queue runs dry, whenever a
value comes back (``.item()``, ``if tensor``, boolean indices) and whenever something is copied to the GPU in
the ordinary way, as ``torch.tensor(list, device=...)`` and an index that is a list do.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor


def transfer(tensors: Sequence[Tensor], device: torch.device) -> list[Tensor]:
    """Tensors of one device on another, all in one copy and without their gradients.

    Nothing waits for a copy to a GPU; a copy to the host is waited for. The results share memory: they are
    for reading. Tensors that are there already are given back as they are.

    Args:
        tensors: of any shapes and types.
    """
    if not tensors or all(t.device.type == device.type for t in tensors):
        return list(tensors)
    # The widest types first, so that each begins at a multiple of its width.
    order = sorted(range(len(tensors)), key=lambda i: -tensors[i].element_size())
    parts = [tensors[i].detach().reshape(-1).contiguous().view(torch.uint8) for i in order]
    if device.type == "cpu":
        buffer = torch.cat(parts).to(device)
    else:
        size = sum(len(part) for part in parts)
        pinned = torch.empty(size, dtype=torch.uint8, pin_memory=torch.cuda.is_available())
        buffer = torch.cat(parts, out=pinned).to(device, non_blocking=True)
    out = list(tensors)
    start = 0
    for i, part in zip(order, parts, strict=True):
        out[i] = buffer[start : start + len(part)].view(tensors[i].dtype).view(tensors[i].shape)
        start += len(part)
    return out


def constant(values: tuple, like: Tensor) -> Tensor:
    """``like.new_tensor(values)`` for reading. It is copied to a GPU once, not whenever it is asked for."""
    if like.device.type == "cpu" or torch.compiler.is_compiling():
        return like.new_tensor(values)
    return _kept(values, like.dtype, like.device)


@lru_cache(maxsize=256)
def _kept(values: tuple, dtype: torch.dtype, device: torch.device) -> Tensor:
    with torch.inference_mode(False):  # training may use it next
        return torch.tensor(values, dtype=dtype, device=device)
