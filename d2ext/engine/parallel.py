"""Models on several processes, on GPUs or on the CPU."""

from __future__ import annotations

from detectron2.utils import comm
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel


def create_ddp_model(model: nn.Module, *, find_unused_parameters: bool = False) -> nn.Module:
    """Wrap ``model`` for training on several processes, on GPUs or on the CPU; one process: as it is."""
    if comm.get_world_size() == 1:
        return model
    on_gpu = next(model.parameters()).is_cuda
    return DistributedDataParallel(
        model,
        device_ids=[comm.get_local_rank()] if on_gpu else None,
        broadcast_buffers=False,
        find_unused_parameters=find_unused_parameters,
    )


def share_buffers(model: nn.Module) -> None:
    """Give every process the buffers of the main one: BatchNorm's statistics are each one's own."""
    if comm.get_world_size() > 1:
        for buffer in model.buffers():
            distributed.broadcast(buffer, 0)
