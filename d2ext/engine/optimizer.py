"""Optimizer from the config: learning rates by module, weight decay by kind of parameter, clipping."""

from __future__ import annotations

import math
from typing import Any

import torch
from detectron2.config import CfgNode
from detectron2.solver.build import maybe_add_gradient_clipping
from torch import nn

#: State parameters of SSM layers, which must not be pulled to zero (Mamba, Gu & Dao 2023, released code).
SSM_STATE_PARAMETERS = ("A_log", "D", "dt_bias")


def build_param_groups(cfg: CfgNode, model: nn.Module) -> list[dict[str, Any]]:
    """Trainable parameters of ``model`` by (learning rate, weight decay); see ``add_engine_config``. Those
    whose multiplier is 0 are made untrainable."""
    solver = cfg.SOLVER
    multipliers = {
        "backbone": solver.BACKBONE_MULTIPLIER,
        "text_encoder": solver.TEXT_MULTIPLIER,
        "bottom_up": solver.BOTTOM_UP_MULTIPLIER,
        "net": solver.BOTTOM_UP_MULTIPLIER,  # Detectron2's name for it in a pyramid on one map
    }
    steps = layer_steps(model)
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        *modules, leaf = name.split(".")
        factor = math.prod(m for module, m in multipliers.items() if module in modules)
        factor *= solver.LAYER_DECAY ** steps.get(name, 0)
        if factor == 0:
            parameter.requires_grad_(False)
            continue
        lr = solver.BASE_LR * factor
        decays = parameter.ndim > 1 and leaf not in SSM_STATE_PARAMETERS
        weight_decay = solver.WEIGHT_DECAY if decays else solver.WEIGHT_DECAY_NORM
        if leaf == "bias":
            lr *= solver.BIAS_LR_FACTOR
            weight_decay = weight_decay if solver.WEIGHT_DECAY_BIAS is None else solver.WEIGHT_DECAY_BIAS
        groups.setdefault((lr, weight_decay), []).append(parameter)
    return [{"params": p, "lr": lr, "weight_decay": decay} for (lr, decay), p in groups.items()]


def layer_steps(model: nn.Module) -> dict[str, int]:
    """How many layers below the last one of its network each parameter is, by name: what modules say that
    have a method ``layer_steps``."""
    steps: dict[str, int] = {}
    for above, module in model.named_modules():
        if callable(getattr(module, "layer_steps", None)):
            prefix = f"{above}." if above else ""
            steps |= {f"{prefix}{name}": count for name, count in module.layer_steps().items()}
    return steps


def _keep_own_kernels(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> dict[str, Any]:
    """A checkpoint that was written on another kind of device does not choose the kernels."""
    pairs = zip(state["param_groups"], optimizer.param_groups, strict=False)
    groups = [saved | {key: own[key] for key in ("foreach", "fused")} for saved, own in pairs]
    return state | {"param_groups": groups + state["param_groups"][len(groups) :]}


def build_optimizer(cfg: CfgNode, model: nn.Module) -> torch.optim.Optimizer:
    """The optimizer of ``cfg.SOLVER`` over the trainable parameters of ``model``.

    Raises:
        ValueError: unknown ``SOLVER.OPTIMIZER``, or nothing to train.
    """
    solver = cfg.SOLVER
    groups = build_param_groups(cfg, model)
    if not groups:
        raise ValueError(f"{type(model).__name__} has no trainable parameter")
    optimizer: torch.optim.Optimizer
    if solver.OPTIMIZER in ("AdamW", "Adam"):
        # One kernel for all parameters; on the CPU the results would differ by rounding.
        fused = all(p.is_cuda for group in groups for p in group["params"]) or None
        kind = torch.optim.AdamW if solver.OPTIMIZER == "AdamW" else torch.optim.Adam
        optimizer = kind(groups, lr=solver.BASE_LR, fused=fused)
        optimizer.register_load_state_dict_pre_hook(_keep_own_kernels)
    elif solver.OPTIMIZER == "SGD":
        optimizer = torch.optim.SGD(groups, solver.BASE_LR, solver.MOMENTUM, nesterov=solver.NESTEROV)
    else:
        raise ValueError(f"SOLVER.OPTIMIZER is {solver.OPTIMIZER!r}, expected 'AdamW', 'Adam' or 'SGD'")

    if not solver.CLIP_GRADIENTS.ENABLED:
        return optimizer
    if solver.CLIP_GRADIENTS.CLIP_TYPE != "full_model":
        return maybe_add_gradient_clipping(cfg, optimizer)

    parameters = [p for group in groups for p in group["params"]]
    max_norm, norm_type = solver.CLIP_GRADIENTS.CLIP_VALUE, solver.CLIP_GRADIENTS.NORM_TYPE

    def clip_full_model(*_: Any) -> None:
        nn.utils.clip_grad_norm_(parameters, max_norm, norm_type)

    optimizer.register_step_pre_hook(clip_full_model)
    return optimizer
