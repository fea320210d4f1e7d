from __future__ import annotations

import pytest
import torch
from tiny import TinyModel, tiny_config

from d2ext.engine import build_optimizer
from d2ext.modeling import TimmBackbone, TimmIDABackbone


def config():
    cfg = tiny_config("unused")
    cfg.SOLVER.BASE_LR = 1e-3
    cfg.SOLVER.WEIGHT_DECAY = 0.05
    cfg.SOLVER.BACKBONE_MULTIPLIER = 0.1
    cfg.SOLVER.TEXT_MULTIPLIER = 0.01
    return cfg


def settings(optimizer: torch.optim.Optimizer, model: torch.nn.Module) -> dict[str, tuple[float, float]]:
    by_parameter = {id(p): (g["lr"], g["weight_decay"]) for g in optimizer.param_groups for p in g["params"]}
    return {name: by_parameter[id(p)] for name, p in model.named_parameters() if id(p) in by_parameter}


def test_learning_rates_and_weight_decays() -> None:
    model = TinyModel()
    model.head.bias.requires_grad_(False)
    found = settings(build_optimizer(config(), model), model)
    assert found == {
        "backbone.weight": (pytest.approx(1e-4), 0.05),
        "backbone.bias": (pytest.approx(1e-4), 0.0),
        "text_encoder.weight": (pytest.approx(1e-5), 0.05),
        "text_encoder.bias": (pytest.approx(1e-5), 0.0),
        "norm.weight": (1e-3, 0.0),
        "norm.bias": (1e-3, 0.0),
        "A_log": (1e-3, 0.0),  # two dimensions, yet no decay
        "head.weight": (1e-3, 0.05),
    }


def test_a_multiplier_of_zero_freezes() -> None:
    cfg, model = config(), TinyModel()
    cfg.SOLVER.BACKBONE_MULTIPLIER = 0.0
    found = settings(build_optimizer(cfg, model), model)
    assert not any(name.startswith("backbone.") for name in found)
    assert {n for n, p in model.named_parameters() if not p.requires_grad} == {
        "backbone.weight",
        "backbone.bias",
    }


def test_a_network_below_an_aggregation_has_its_own_rate_and_its_lower_stages_a_lower_one() -> None:
    backbone = TimmIDABackbone(TimmBackbone("resnet18", widths=(16, 16, 16, 16)), (16, 16, 16))
    model, cfg = torch.nn.ModuleDict({"backbone": backbone}), config()
    cfg.SOLVER.BOTTOM_UP_MULTIPLIER, cfg.SOLVER.LAYER_DECAY = 0.5, 0.7
    found = settings(build_optimizer(cfg, model), model)
    for name, rate in {
        "lateral.0.0.weight": 1e-4,
        "bottom_up.body.layer4.0.conv1.weight": 1e-4 * 0.5,
        "bottom_up.body.layer3.1.bn1.bias": 1e-4 * 0.5 * 0.7,
        "bottom_up.body.layer1.0.conv1.weight": 1e-4 * 0.5 * 0.7**3,
        "bottom_up.body.conv1.weight": 1e-4 * 0.5 * 0.7**4,
    }.items():
        assert found[f"backbone.{name}"][0] == pytest.approx(rate)


def test_unknown_optimizer_and_nothing_to_train() -> None:
    cfg = config()
    with pytest.raises(ValueError, match="no trainable parameter"):
        build_optimizer(cfg, TinyModel().requires_grad_(False))
    cfg.SOLVER.OPTIMIZER = "Adagrad"
    with pytest.raises(ValueError, match="SOLVER.OPTIMIZER is 'Adagrad'"):
        build_optimizer(cfg, TinyModel())


@pytest.mark.parametrize(
    ("clip_type", "expected"), [("full_model", (0.6, 0.8)), ("norm", (1.0, 1.0)), ("value", (1.0, 1.0))]
)
def test_gradient_clipping(clip_type: str, expected: tuple[float, float]) -> None:
    """SGD with learning rate 1 moves by the clipped gradient: (3, 4) has norm 5, 0.6 and 0.8 of norm 1."""
    cfg = config()
    cfg.SOLVER.OPTIMIZER = "SGD"
    cfg.SOLVER.BASE_LR = 1.0
    cfg.SOLVER.CLIP_GRADIENTS.CLIP_TYPE = clip_type
    cfg.SOLVER.CLIP_GRADIENTS.CLIP_VALUE = 1.0
    model = torch.nn.ParameterList([torch.zeros(1), torch.zeros(1)])
    optimizer = build_optimizer(cfg, model)
    model[0].grad, model[1].grad = torch.tensor([3.0]), torch.tensor([4.0])
    optimizer.step()
    assert (-model[0].item(), -model[1].item()) == pytest.approx(expected, rel=1e-5)
