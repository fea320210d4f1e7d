"""The inference form answers as the trained model does."""

import pytest
import torch
from detectron2.layers import FrozenBatchNorm2d
from torch import nn

from d2ext.modeling import TimmBackbone, optimize_for_inference
from d2ext.modeling.fold import compile_parts
from tests.modeling.detection.test_detection3d import small_model


def with_statistics(model: nn.Module) -> nn.Module:
    """Gives every BatchNorm statistics and weights as after training."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d | FrozenBatchNorm2d):
            for values, least, greatest in (
                (module.running_mean, -0.5, 0.5),
                (module.running_var, 0.5, 2.0),
                (module.weight.data, 0.5, 1.5),
                (module.bias.data, -0.5, 0.5),
            ):
                values.uniform_(least, greatest)
    return model.eval()


@pytest.mark.parametrize(
    "name, norm",
    [
        ("dla34", "BN"),
        ("resnet18", "BN"),
        ("resnet18", "FrozenBN"),
        ("hgnetv2_b0", "BN"),
        ("tf_efficientnet_lite0", "BN"),  # with activations in its norms, and padding at the end
        ("tf_efficientnet_lite0", "FrozenBN"),
    ],
)
def test_no_norm_is_left_and_features_stay(name, norm):
    torch.manual_seed(0)
    model = with_statistics(TimmBackbone(name, norm=norm))
    x = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        before = model(x)
        after = optimize_for_inference(model)(x)
    assert not [m for m in model.modules() if isinstance(m, nn.BatchNorm2d | FrozenBatchNorm2d)]
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


@pytest.mark.slow
@pytest.mark.parametrize("name", ["DiffusionDet3D", "SparseRCNN3D", "DETR3D", "DETR3D+"])
def test_compiled_parts_of_a_detector_answer_the_same(name, toy_records):
    model = small_model(name).eval()
    before = model(toy_records)
    compile_parts(model, "eager")
    for a, b in zip(before, model(toy_records), strict=True):
        assert torch.allclose(a["instances"].scores, b["instances"].scores, atol=1e-5)


def test_what_can_be_compiled_is_a_part_of_every_model(toy_model):
    models = [toy_model, small_model("DETR3D"), small_model("DiffusionDet3D")]
    assert all(model.get_submodule(name) is not None for model in models for name in model.compilable)
    with pytest.raises(ValueError, match="Linear has no attribute compilable: expected COMPILE False"):
        compile_parts(nn.Linear(1, 1))


def test_a_model_in_training_mode_is_refused(toy_model):
    with pytest.raises(ValueError, match="U2ENet is in training mode, expected eval"):
        optimize_for_inference(toy_model.train())
