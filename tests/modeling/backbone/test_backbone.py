"""timm backbones and deep aggregation."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from d2ext.modeling import TimmBackbone, TimmIDABackbone


@pytest.mark.parametrize("name", ["dla34", "resnet18", "hgnetv2_b0"])
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


@pytest.mark.parametrize("name", ["dla34", "resnet18"])
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
    import timm

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
