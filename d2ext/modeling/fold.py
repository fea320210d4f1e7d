"""Inference form of a trained model: the same function with fewer operations."""

from __future__ import annotations

import logging

import torch
from detectron2.layers import FrozenBatchNorm2d
from timm.layers import BatchNormAct2d
from torch import nn
from torch.fx.experimental.optimization import fuse
from torch.fx.proxy import TraceError

from d2ext.modeling.backbone.norms import plain_norm, replace_modules
from d2ext.modeling.backbone.padding import PaddedConv2d, plain_padding
from d2ext.modeling.backbone.timm_ida import ConvNormAct, TimmBackbone


def compile_parts(model: nn.Module, backend: str = "inductor") -> None:
    """Have the tensor functions of a model compiled by ``torch.compile``'s ``backend`` when they are first
    called, in place. What the model is saved as does not change.

    Args:
        model: its attribute ``compilable`` names the children that take tensors and give tensors.

    Raises:
        ValueError: it names none.
    """
    names = getattr(model, "compilable", ())
    if not names:
        raise ValueError(f"{type(model).__name__} has no attribute compilable: expected COMPILE False")
    for name in names:
        model.get_submodule(name).compile(backend=backend)


def check_compiler(device: torch.device, key: str = "SOLVER.COMPILE") -> None:
    """Compile a sum; ``key`` is what asks for it.

    Raises:
        ValueError: this machine cannot, for want of a C++ compiler (CPU) or Triton (GPU) as a rule.
    """
    try:
        torch.compile(lambda x: x.sin() + 1)(torch.zeros(8, device=device))
    except Exception as e:  # its errors have no common base
        why = next((line for line in str(e).splitlines() if line.strip()), repr(e))[:150]
        raise ValueError(f"{key} is True, expected False here: torch.compile fails ({why})") from e


def optimize_for_inference(model: nn.Module, compiled: bool = False) -> nn.Module:
    """Fold BatchNorm into the convolutions before it and store their weights channels last, in place.

    Folded are every :class:`ConvNormAct` and the timm network of a :class:`TimmBackbone`; one that
    ``torch.fx`` cannot trace stays as it is. The model answers as before, up to rounding, but has other
    parameters: load weights before, and train or save it no more.

    Raises:
        ValueError: the model is in training mode, where BatchNorm is no fixed function; ``compiled``, and
            this machine cannot compile, or there is nothing to compile.
    """
    if model.training:
        raise ValueError(f"{type(model).__name__} is in training mode, expected eval()")
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, ConvNormAct) or (isinstance(module, TimmBackbone) and name == "body"):
                setattr(module, name, _folded(child))
    if compiled:
        check_compiler(next(model.parameters()).device, "TEST.COMPILE")
        compile_parts(model)
    return model.to(memory_format=torch.channels_last)


def _folded(module: nn.Module) -> nn.Module:
    for kind in (BatchNormAct2d, FrozenBatchNorm2d):
        replace_modules(module, kind, plain_norm)
    replace_modules(module, PaddedConv2d, plain_padding)
    try:
        return fuse(module)
    except TraceError as e:
        logging.getLogger(__name__).info(f"{type(module).__name__} keeps its BatchNorm: {e}")
        return module
