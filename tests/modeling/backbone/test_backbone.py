"""timm backbones and deep aggregation."""

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from d2ext.modeling import TimmBackbone, TimmIDABackbone
from d2ext.weights import resolve


@pytest.mark.parametrize("name", ["dla34", "resnet18", "hgnetv2_b0", "tf_efficientnet_lite0"])
def test_strides_and_channels_are_as_declared(name):
    backbone = TimmBackbone(name).eval()
    with torch.no_grad():
        maps = backbone(torch.zeros(1, 3, 64, 96))
    for key, shape in backbone.output_shape().items():
        assert maps[key].shape == (1, shape.channels, 64 // shape.stride, 96 // shape.stride)


@pytest.mark.parametrize("channels", [(16, 24, 32, 40), (24, 32, 40)])
def test_aggregation_reaches_every_output_from_every_coarser_map(channels):
    model = TimmIDABackbone(TimmBackbone("resnet18", widths=(16, 16, 16, 16)), channels).eval()
    x = torch.randn(1, 3, 64, 64)
    features = {k: v.detach().requires_grad_() for k, v in model.bottom_up(x).items()}
    model.bottom_up.forward = lambda _: features
    outputs = model(x)
    assert list(outputs) == ["p2", "p3", "p4", "p5"][-len(channels) :]
    names = list(features)
    for key, out in outputs.items():
        shape = model.output_shape()[key]
        assert out.shape == (1, shape.channels, 64 // shape.stride, 64 // shape.stride)
        grads = torch.autograd.grad(out.sum(), list(features.values()), retain_graph=True, allow_unused=True)
        reached = {n for n, g in zip(names, grads, strict=True) if g is not None and g.abs().sum() > 0}
        assert reached == set(names[names.index(key) :])


def test_group_norm_replaces_every_batch_norm():
    model = TimmIDABackbone(TimmBackbone("dla34", norm="GN"), (16, 16, 16), "GN")
    assert not [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    x = torch.randn(2, 3, 64, 64)
    model.train()
    assert torch.allclose(model(x)["p3"][:1], model(x[:1])["p3"], atol=1e-4)


def test_sync_batch_norm_has_the_weights_and_in_one_process_the_results_of_batch_norm():
    x = torch.randn(2, 3, 64, 96)
    plain, sync = TimmBackbone("resnet18"), TimmBackbone("resnet18", norm="SyncBN")
    assert not sync.load_state_dict(plain.state_dict()).missing_keys
    norms = [m for m in sync.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    assert norms and all(isinstance(m, nn.SyncBatchNorm) for m in norms)
    for a, b in zip(plain.train()(x).values(), sync.train()(x).values(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("name", ["dla34", "resnet18", "tf_efficientnet_lite0"])
def test_computing_activations_again_changes_no_gradient(name):
    plain, again = TimmBackbone(name), TimmBackbone(name, checkpoint=True)
    again.load_state_dict(plain.state_dict())
    x = torch.randn(2, 3, 64, 64)
    for model in (plain, again):
        sum(f.square().mean() for f in model.train()(x).values()).backward()
    for (key, a), b in zip(plain.named_parameters(), again.parameters(), strict=True):
        assert (a.grad is None) == (b.grad is None), key
        assert a.grad is None or torch.allclose(a.grad, b.grad, atol=1e-6), key


def test_local_weights_file(tmp_path):
    torch.manual_seed(0)
    whole = timm.create_model("resnet18", pretrained=False)
    save_file(whole.state_dict(), tmp_path / "weights.safetensors")
    loaded = TimmBackbone("resnet18", weights=str(tmp_path / "weights.safetensors")).eval()
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(loaded(x)["p5"], whole.eval().forward_features(x), atol=1e-5)


def test_wrong_names_say_what_was_expected(tmp_path):
    with pytest.raises(ValueError, match="MODEL.TIMM.NAME nonsense: no such timm model"):
        TimmBackbone("nonsense")
    with pytest.raises(ValueError, match="MODEL.TIMM.NORM XN: expected BN, SyncBN, FrozenBN or GN"):
        TimmBackbone("resnet18", norm="XN")
    with pytest.raises(ValueError, match="NORM XN: expected one of BN, SyncBN, GN"):
        TimmIDABackbone(TimmBackbone("resnet18"), (16, 16, 16), "XN")
    with pytest.raises(FileNotFoundError, match="MODEL.TIMM.WEIGHTS .*none.pth: no such file"):
        TimmBackbone("resnet18", weights=str(tmp_path / "none.pth"))


@pytest.mark.parametrize("name, last", [("tf_efficientnet_lite0", "blocks.1."), ("resnet18", "layer1.")])
def test_what_is_frozen_ends_with_the_map_of_its_stride_and_training_leaves_it_as_it_is(name, last):
    torch.manual_seed(0)
    model = TimmBackbone(name, freeze_at=2).train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    fixed = [key for key, p in model.body.named_parameters() if not p.requires_grad]
    assert fixed[-1].startswith(last) and fixed == [k for k, _ in model.body.named_parameters()][: len(fixed)]
    maps = model(torch.randn(2, 3, 64, 64))
    assert not maps["p2"].requires_grad and all(maps[key].requires_grad for key in ("p3", "p4", "p5"))
    sum(m.square().sum() for m in maps.values() if m.requires_grad).backward()
    torch.optim.SGD(model.parameters(), 1e-4).step()
    changed = {key for key, value in model.state_dict().items() if not value.equal(before[key])}
    prefix = {f"body.{key.rpartition('.')[0]}." for key in fixed}
    assert changed and not [key for key in changed if key.startswith(tuple(prefix))]
    trained = {f"body.{k}" for k, p in model.body.named_parameters() if p.requires_grad}
    assert trained <= changed | {key for key in trained if model.get_parameter(key).grad.abs().max() == 0}


def test_nothing_or_all_can_be_frozen_and_another_number_is_one_line():
    assert all(p.requires_grad for p in TimmBackbone("resnet18").parameters())
    assert not any(p.requires_grad for p in TimmBackbone("resnet18", freeze_at=5).parameters())
    stem = [k for k, p in TimmBackbone("resnet18", freeze_at=1).named_parameters() if not p.requires_grad]
    assert stem == ["body.conv1.weight", "body.bn1.weight", "body.bn1.bias"]
    with pytest.raises(ValueError, match=r"FREEZE_AT 6: expected 0 or one of \[1, 2, 3, 4, 5\]"):
        TimmBackbone("resnet18", freeze_at=6)


@pytest.mark.parametrize("norm", ["FrozenBN", "GN"])
def test_the_activation_that_a_norm_carries_outlives_its_exchange(norm):
    """timm's EfficientNets keep each activation inside of the BatchNorm before it."""
    torch.manual_seed(0)
    plain, other = TimmBackbone("tf_efficientnet_lite0"), TimmBackbone("tf_efficientnet_lite0", norm=norm)
    count = [sum(isinstance(m, nn.ReLU6) for m in model.modules()) for model in (plain, other)]
    assert count[0] == count[1] > 30
    assert not [m for m in other.modules() if isinstance(m, nn.BatchNorm2d)]
    if norm == "FrozenBN":
        own = {
            key.replace("bn1.0.", "bn1.").replace("bn2.0.", "bn2.").replace("bn3.0.", "bn3."): value
            for key, value in other.state_dict().items()
        }
        plain.load_state_dict(own)
        x = torch.randn(1, 3, 64, 64)
        for a, b in zip(plain.eval()(x).values(), other.train()(x).values(), strict=True):
            assert torch.allclose(a, b, atol=1e-5)


def test_layers_are_counted_from_the_last_stage_down():
    steps = TimmBackbone("tf_efficientnet_lite0").layer_steps()
    assert len(steps) == len(list(TimmBackbone("tf_efficientnet_lite0").parameters()))
    found = [steps[f"body.{name}"] for name in (
        "conv_stem.weight", "bn1.weight", "blocks.0.0.conv_pw.weight", "blocks.1.0.conv_pwl.weight",
        "blocks.2.0.conv_pw.weight", "blocks.3.0.conv_pw.weight", "blocks.4.0.conv_pw.weight",
        "blocks.5.0.conv_pw.weight", "blocks.6.0.conv_pw.weight",
    )]  # fmt: skip
    assert found == [4, 4, 4, 3, 2, 1, 1, 0, 0]


def test_shipped_backbone_fits_its_network_name_by_name_and_its_maps_are_alive():
    model = TimmBackbone("tf_efficientnet_lite0", weights="d2ext://backbone/efficientnet_lite0").eval()
    state, own = load_file(resolve("d2ext://backbone/efficientnet_lite0")), model.body.state_dict()
    assert state.keys() == own.keys() and all(own[k].equal(v.to(own[k].dtype)) for k, v in state.items())
    pixels = torch.rand(1, 3, 12, 20, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        maps = model(nn.functional.interpolate(pixels, (192, 320), mode="bicubic"))
    assert all(0.05 < value.std() < 10 and value.isfinite().all() for value in maps.values())


@pytest.mark.parametrize("size", [(64, 64), (96, 160)])
def test_padding_that_is_known_ahead_is_timms(size):
    torch.manual_seed(0)
    plain = timm.create_model("tf_efficientnet_lite0", features_only=True).eval()
    model = TimmBackbone("tf_efficientnet_lite0").eval()
    model.body.load_state_dict(plain.state_dict())
    assert any(isinstance(m, timm.layers.Conv2dSame) for m in plain.modules())
    assert not any(isinstance(m, timm.layers.Conv2dSame) for m in model.modules())
    x = torch.randn(1, 3, *size)
    with torch.no_grad():
        for a, b in zip(plain(x)[1:], model(x).values(), strict=True):
            assert torch.allclose(a, b, atol=1e-6)


def test_depthwise_convolutions_are_frozen_alone_and_pass_gradients():
    model = TimmBackbone("tf_efficientnet_lite0", freeze_depthwise=True).train()
    sum(x.mean() for x in model(torch.rand(2, 3, 64, 64)).values()).backward()
    fixed = {name for name, p in model.named_parameters() if not p.requires_grad}
    assert fixed == {name for name, p in model.named_parameters() if "conv_dw" in name}
    assert len(fixed) == 16
    assert all((p.grad is None) == (name in fixed) for name, p in model.named_parameters())
