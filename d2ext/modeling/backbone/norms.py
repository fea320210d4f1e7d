"""Norms of image backbones: built by name, exchanged in a network, and written plainly for folding."""

from __future__ import annotations

from collections.abc import Callable

from detectron2.layers import FrozenBatchNorm2d
from torch import nn


def group_norm(channels: int) -> nn.GroupNorm:
    """GroupNorm with 8 to 32 groups; ``channels`` is a multiple of 8."""
    return nn.GroupNorm(min(32, channels // 8), channels)


def build_norm(norm: str, channels: int) -> nn.Module:
    """``BN``, ``SyncBN`` (statistics over the batches of all GPUs) or ``GN``.

    Raises:
        ValueError: another name.
    """
    norms: dict[str, Callable[[int], nn.Module]] = {
        "BN": nn.BatchNorm2d,
        "SyncBN": nn.SyncBatchNorm,
        "GN": group_norm,
    }
    if norm not in norms:
        raise ValueError(f"NORM {norm}: expected one of {', '.join(norms)}")
    return norms[norm](channels)


def exchange_norms(network: nn.Module, norm: str) -> nn.Module:
    """The network with ``BN`` (as it is), ``SyncBN``, ``FrozenBN`` or ``GN`` in place of every BatchNorm; its
    weights stay (and statistics, where the new norm has some).

    Raises:
        ValueError: another name.
    """
    if norm == "SyncBN":
        from timm.layers import convert_sync_batchnorm

        return convert_sync_batchnorm(network)
    if norm not in ("BN", "FrozenBN", "GN"):
        raise ValueError(f"MODEL.TIMM.NORM {norm}: expected BN, SyncBN, FrozenBN or GN")
    if norm != "BN":
        replace_modules(network, nn.BatchNorm2d, _grouped if norm == "GN" else _frozen)
    return network


def replace_modules(network: nn.Module, kind: type[nn.Module], new: Callable[[nn.Module], nn.Module]) -> None:
    """Put ``new(module)`` in place of every child of a kind, at any depth, in place."""
    for name, child in network.named_children():
        if isinstance(child, kind):
            setattr(network, name, new(child))
        else:
            replace_modules(child, kind, new)


def plain_norm(norm: nn.Module) -> nn.Module:
    """A BatchNorm in evaluation as ``nn.BatchNorm2d`` and nothing else, then the activation that timm's may
    carry."""
    return _with_activation(_plain(norm), norm)


def _plain(norm: nn.Module) -> nn.BatchNorm2d:
    state = norm.state_dict()
    plain = nn.BatchNorm2d(len(state["weight"]), norm.eps).to(state["weight"])  # type: ignore[arg-type]
    plain.load_state_dict({name: state[name] for name in plain.state_dict() if name in state}, strict=False)
    return plain.eval()


def _grouped(norm: nn.Module) -> nn.Module:
    new = group_norm(norm.num_features)  # type: ignore[arg-type]
    new.load_state_dict({"weight": norm.weight.data, "bias": norm.bias.data})
    return _with_activation(new, norm)


def _frozen(norm: nn.Module) -> nn.Module:
    # Detectron2's own conversion would leave out the activation of timm's.
    return _with_activation(FrozenBatchNorm2d.convert_frozen_batchnorm(_plain(norm)), norm)


def _with_activation(new: nn.Module, norm: nn.Module) -> nn.Module:
    act = getattr(norm, "act", None)
    return nn.Sequential(new, act) if isinstance(act, nn.Module) else new
