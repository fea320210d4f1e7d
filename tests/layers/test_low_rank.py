"""Low-rank changes of linear layers."""

from __future__ import annotations

import torch
from torch import nn

from d2ext.layers.low_rank import LowRankLinear, add_low_rank, merge_low_rank


def net() -> nn.Sequential:
    torch.manual_seed(0)
    attention = nn.MultiheadAttention(6, 2, batch_first=True)
    return nn.Sequential(
        nn.Linear(4, 6), nn.GELU(), nn.ModuleDict({"inner": nn.Linear(6, 6), "a": attention})
    )


def answer(model: nn.Sequential, x: torch.Tensor) -> torch.Tensor:
    y = model[2]["inner"](model[1](model[0](x)))
    return model[2]["a"](y, y, y)[0]


def test_a_change_begins_as_none_and_is_what_is_merged():
    model, x = net(), torch.randn(2, 3, 4)
    before = answer(model, x)
    trained = add_low_rank([model], 2)
    assert torch.equal(answer(model, x), before)
    with torch.no_grad():
        for parameter in trained:
            parameter.add_(torch.randn_like(parameter))
    changed = answer(model, x)
    assert not torch.allclose(changed, before, atol=1e-3)
    merge_low_rank(model)
    assert torch.allclose(answer(model, x), changed, atol=1e-5)
    assert model.state_dict().keys() == net().state_dict().keys()


def test_only_the_change_is_trained_and_its_rank_is_low():
    model = net()
    old = model[0].weight.detach().clone()
    trained = add_low_rank([model], 2)
    answer(model, torch.randn(2, 3, 4)).sum().backward()
    assert len(trained) == 4 and all(p.grad is not None for p in trained)
    assert isinstance(model[0], LowRankLinear) and model[0].layer.weight.grad is None
    assert isinstance(model[2]["a"].out_proj, nn.Linear)  # attention reads its weights by name
    with torch.no_grad():
        for p in trained:
            p.copy_(torch.randn_like(p))
    merge_low_rank(model)
    assert torch.linalg.matrix_rank(model[0].weight.detach() - old).item() == 2
