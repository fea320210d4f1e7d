"""The inference form answers as the trained model does."""

import pytest
import torch
from torch import nn

from d2ext.modeling import TimmBackbone, optimize_for_inference


def with_statistics(model: nn.Module) -> nn.Module:
    """Gives every BatchNorm statistics and weights as after training."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values, least, greatest in (
                (module.running_mean, -0.5, 0.5),
                (module.running_var, 0.5, 2.0),
                (module.weight.data, 0.5, 1.5),
                (module.bias.data, -0.5, 0.5),
            ):
                values.uniform_(least, greatest)
    return model.eval()


@pytest.mark.parametrize("name", ["dla34", "resnet18", "hgnetv2_b0"])
def test_no_norm_is_left_and_features_stay(name):
    torch.manual_seed(0)
    model = with_statistics(TimmBackbone(name))
    x = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        before = model(x)
        after = optimize_for_inference(model)(x)
    assert not [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    for key, value in before.items():
        assert torch.allclose(after[key], value, atol=1e-4 * float(value.abs().max()))


@pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_boxes_of_the_folded_model_are_the_same(toy_model, toy_records, compiled):
    model = with_statistics(toy_model)
    model.settings.single_target = True
    before = model(toy_records)
    after = optimize_for_inference(model, compiled)(toy_records)
    assert not [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    for a, b in zip(before, after, strict=True):
        for x, y in zip(a["grounding"], b["grounding"], strict=True):
            assert len(x) == len(y) == 1
            assert (x.pred_boxes3d.corners() - y.pred_boxes3d.corners()).abs().max() < 1e-3  # metres


def test_a_model_in_training_mode_is_refused(toy_model):
    with pytest.raises(ValueError, match="U2ENet is in training mode, expected eval"):
        optimize_for_inference(toy_model.train())
