"""What a model computes in: ``SOLVER.AMP`` in training, ``TEST.DTYPE`` in evaluation and prediction.

A config that leaves the choice open gets the half precision that the device computes natively, else float32.
The device is asked what it has, nothing is timed: the same machine always decides alike.
"""

from __future__ import annotations

import functools
import logging
import os
import platform

import torch
from detectron2.config import CfgNode

FLOAT32 = torch.float32
HALF = {"bfloat16": torch.bfloat16, "float16": torch.float16}
#: Limits of oneDNN (its documentation, "CPU Dispatcher Control") at which it takes bfloat16 but emulates it.
EMULATING_LIMITS = ("AVX512_CORE", "AVX512_CORE_VNNI")


def training_dtype(cfg: CfgNode) -> torch.dtype:
    """Type of the forward pass in training: float32, or ``SOLVER.AMP.DTYPE`` under autocast.

    Raises:
        ValueError: a key of another kind, or a type that the device cannot train in.
    """
    check_training_dtype(cfg)
    enabled, name, device = cfg.SOLVER.AMP.ENABLED, cfg.SOLVER.AMP.DTYPE, torch.device(cfg.MODEL.DEVICE)
    chosen = None if enabled in (None, "auto") else name if enabled else "float32"
    return _decide("Training", "SOLVER.AMP.ENABLED", chosen, HALF[name], device)


def check_training_dtype(cfg: CfgNode) -> None:
    """Check the keys of :func:`training_dtype`.

    Raises:
        ValueError: as it does.
    """
    enabled, name, device = cfg.SOLVER.AMP.ENABLED, cfg.SOLVER.AMP.DTYPE, torch.device(cfg.MODEL.DEVICE)
    automatic = enabled in (None, "auto")
    if not automatic and not isinstance(enabled, bool):
        raise ValueError(f"SOLVER.AMP.ENABLED is {enabled!r}, expected True, False or auto")
    if name not in HALF or (enabled is True and (name, device.type) == ("float16", "cpu")):
        raise ValueError(
            f"SOLVER.AMP.DTYPE is {name!r}, expected 'bfloat16', or 'float16' on a GPU "
            f"(MODEL.DEVICE is {device.type!r})"
        )


def inference_dtype(cfg: CfgNode) -> torch.dtype:
    """Type of convolutions and matrix products in evaluation and prediction, from ``TEST.DTYPE``.

    Raises:
        ValueError: ``TEST.DTYPE`` is of another kind, or the device cannot compute in it.
    """
    check_inference_dtype(cfg)
    name, device = cfg.TEST.DTYPE, torch.device(cfg.MODEL.DEVICE)
    return _decide("Inference", "TEST.DTYPE", None if name == "auto" else name, torch.bfloat16, device)


def check_inference_dtype(cfg: CfgNode) -> None:
    """Check the key of :func:`inference_dtype`.

    Raises:
        ValueError: as it does.
    """
    name, device = cfg.TEST.DTYPE, torch.device(cfg.MODEL.DEVICE)
    if name not in ("auto", "float32", *HALF) or (name, device.type) == ("float16", "cpu"):
        raise ValueError(
            f"TEST.DTYPE is {name!r}, expected 'auto', 'float32', 'bfloat16', or 'float16' on a GPU "
            f"(MODEL.DEVICE is {device.type!r})"
        )


def autocast(device: str | torch.device, dtype: torch.dtype) -> torch.autocast:
    """Context in which convolutions and matrix products are computed in ``dtype``; float32 as usual."""
    kind = torch.device(device).type
    return torch.autocast(kind, torch.bfloat16 if dtype == FLOAT32 else dtype, dtype != FLOAT32)


def inference_autocast(cfg: CfgNode) -> torch.autocast:
    """:func:`autocast` to the :func:`inference_dtype`.

    Raises:
        ValueError: as :func:`inference_dtype`.
    """
    return autocast(cfg.MODEL.DEVICE, inference_dtype(cfg))


def is_native(dtype: torch.dtype, device: str | torch.device) -> bool:
    """Whether ``device`` has instructions for products in ``dtype``."""
    device = torch.device(device)
    if dtype == FLOAT32:
        return True
    if device.type == "cuda":
        return torch.cuda.is_available() and (dtype == torch.float16 or _gpu_has_bfloat16(device))
    return device.type == "cpu" and dtype == torch.bfloat16 and _cpu_has_bfloat16()


def _gpu_has_bfloat16(device: torch.device) -> bool:
    with torch.cuda.device(device):
        return torch.cuda.is_bf16_supported(including_emulation=False)


def _cpu_has_bfloat16() -> bool:
    """oneDNN, which computes torch's products, takes bfloat16 on any processor with AVX-512: the instructions
    are asked for apart, and the user's limit to older ones, which a processor knows nothing of.

    A torch that cannot be asked counts as a processor without.
    """
    takes = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    if not torch.backends.mkldnn.is_available() or takes is None or not takes():
        return False
    if platform.machine().lower() not in ("x86_64", "amd64", "i386", "i686"):
        return True  # on Arm oneDNN's answer is about the instructions
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    instructions = any(getattr(torch.cpu, name)() for name in names if hasattr(torch.cpu, name))
    return instructions and _onednn_limit().upper() not in EMULATING_LIMITS


def _onednn_limit() -> str:
    """The newest instructions that oneDNN may use, as the user says it; "" without a limit."""
    return os.environ.get("ONEDNN_MAX_CPU_ISA") or os.environ.get("DNNL_MAX_CPU_ISA") or ""


def _decide(what: str, key: str, chosen: str | None, half: torch.dtype, device: torch.device) -> torch.dtype:
    """What ``key`` asks for; None: ``half`` where it is native, else float32. Says which and why."""
    kind = "GPU" if device.type == "cuda" else device.type.upper()
    if device.type == "cpu" and _onednn_limit():
        kind += f" with ONEDNN_MAX_CPU_ISA={_onednn_limit()}"
    if chosen is None:
        dtype = half if is_native(half, device) else FLOAT32
        has = "has" if dtype == half else "has no"
        why = f"{key} is automatic and this {kind} {has} {_name(half)} instructions"
    else:
        dtype = HALF.get(chosen, FLOAT32)
        why = f"as {key} says"
    if is_native(dtype, device):
        _say(logging.INFO, f"{what} in {_name(dtype)}: {why}")
    else:
        text = f"{what} in {_name(dtype)}, {why}: this {kind} emulates it, which can be 10 times slower"
        _say(logging.WARNING, f"{text} than float32; leave {key} automatic")
    return dtype


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


@functools.cache
def _say(level: int, text: str) -> None:
    """Log a line once in the life of the process."""
    logging.getLogger(__name__).log(level, text)
