"""What losses are divided by, so that training on several processes equals training on one."""

from __future__ import annotations

import torch.distributed as dist
from detectron2.utils import comm
from torch import Tensor


def loss_normalizer(totals: Tensor, least: float = 1.0) -> Tensor:
    """Divisors for sums over this process's part of the batch: max(sum over processes, least) / processes.

    DistributedDataParallel averages gradients over the processes. The average of (own sum / this divisor) is
    (sum over the whole batch) / (total of the whole batch), however the batch was divided. One process:
    ``totals`` themselves, at least ``least``.

    Args:
        totals: any shape: counts or sums of weights of this process. Every process must call this, also one
            with nothing to count.
        least: lower bound of the global totals.

    Returns:
        as ``totals``, without gradient.
    """
    totals, processes = totals.detach().clone(), comm.get_world_size()
    if processes > 1:
        dist.all_reduce(totals)
    return totals.clamp(min=least) / processes
