"""torchvision's ResNets in Detectron2's, and backbones out of other models."""

import pickle

import pytest
import torch
from detectron2.config import get_cfg
from detectron2.modeling import build_backbone
from project_scripts import ROOT
from torch import nn
from torchvision.models import resnet18, resnet50

from d2ext.engine import load_backbone, load_config, read_checkpoint
from d2ext.projects.diffusion_det3d import Detection3DTrainer, add_diffusion_det3d_config, load_imagenet


def backbone(depth: int = 50, name: str = "build_resnet_backbone", norm: str = "FrozenBN") -> nn.Module:
    cfg = get_cfg()
    add_diffusion_det3d_config(cfg)
    cfg.MODEL.BACKBONE.NAME = name
    r = cfg.MODEL.RESNETS
    r.DEPTH, r.STRIDE_IN_1X1, r.NORM = depth, False, norm
    r.RES2_OUT_CHANNELS = 64 if depth == 18 else 256
    return build_backbone(cfg).eval()


@pytest.fixture(scope="module")
def trained() -> nn.Module:
    """torchvision's network with weights and statistics that are not those of a new one."""
    torch.manual_seed(0)
    network = resnet50().eval()
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                value.mul_(0.9 + 0.2 * torch.rand_like(value)).add_(0.01 * torch.rand_like(value))
                assert value.isfinite().all(), name
    return network


def stages(network: nn.Module, x: torch.Tensor) -> list[torch.Tensor]:
    """What torchvision's network has after each stage."""
    x = network.maxpool(network.relu(network.bn1(network.conv1(x))))
    out = []
    for layer in (network.layer1, network.layer2, network.layer3, network.layer4):
        x = layer(x)
        out.append(x)
    return out


@torch.no_grad()
@pytest.mark.parametrize("norm", ["FrozenBN", "BN"])
@pytest.mark.parametrize("suffix", [".pth", ".pkl"])
def test_detectron2s_resnet_computes_what_torchvisions_does(trained, tmp_path, norm, suffix):
    path = tmp_path / f"resnet{suffix}"
    if suffix == ".pth":
        torch.save(trained.state_dict(), path)
    else:
        path.write_bytes(pickle.dumps(detectron2_content(trained)))
    own = backbone(norm=norm)
    load_imagenet(own, str(path))
    x = torch.randn(1, 3, 64, 96)
    for mine, theirs in zip(own(x).values(), stages(trained, x), strict=True):
        assert torch.allclose(mine, theirs, rtol=1e-3, atol=1e-4 * theirs.abs().max().item())


def detectron2_content(network: nn.Module) -> dict:
    """What Detectron2 publishes: arrays under its own names, but for the classifier, which is in the stem."""
    renamed = {}
    for name, value in network.state_dict().items():
        name = name if "layer" in name else f"stem.{name}"
        for i in range(1, 5):
            name = name.replace(f"layer{i}", f"res{i + 1}")
        for i in range(1, 4):
            name = name.replace(f"bn{i}", f"conv{i}.norm")
        name = name.replace("downsample.0", "shortcut").replace("downsample.1", "shortcut.norm")
        renamed[name] = value.numpy()
    return {"model": renamed, "__author__": "torchvision", "matching_heuristics": True}


def test_the_resnet_below_an_fpn_is_loaded(trained, tmp_path):
    torch.save(trained.state_dict(), tmp_path / "resnet.pth")
    fpn = backbone(name="build_resnet_fpn_backbone")
    before = fpn.fpn_output2.weight.clone()
    load_imagenet(fpn, str(tmp_path / "resnet.pth"))
    assert torch.equal(fpn.bottom_up.res5[2].conv3.weight, trained.layer4[2].conv3.weight)
    assert torch.equal(fpn.fpn_output2.weight, before)


class Code:
    def __reduce__(self):
        return print, ("code in a weights file was run",)


def test_a_pickle_with_more_than_arrays_is_refused_without_running_it(tmp_path, capsys):
    (tmp_path / "evil.pkl").write_bytes(pickle.dumps({"model": {"stem.conv1.weight": Code()}}))
    with pytest.raises(
        ValueError, match=r"evil.pkl: expected arrays under 'model' \(refused builtins.print\)"
    ):
        load_imagenet(backbone(), str(tmp_path / "evil.pkl"))
    assert capsys.readouterr().out == ""


def test_weights_that_cannot_be_had_or_do_not_fit_are_one_line(trained, tmp_path):
    torch.save(resnet18().state_dict(), tmp_path / "small.pth")
    for path, message in (
        ("small.pth", "small.pth: .* has shape"),
        ("absent.pkl", "absent.pkl: no such weights file"),
        ("absent.pth", "absent.pth: no such checkpoint file"),
        ("detectron2://absent", "detectron2://absent: cannot be fetched .* name a local file"),
    ):
        name = path if "://" in path else str(tmp_path / path)
        with pytest.raises((ValueError, FileNotFoundError), match=message) as error:
            load_imagenet(backbone(), name)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "levels"), [("diffusion", 4), ("sparse_rcnn", 4), ("detr", 4), ("detr_published", 2)]
)
def test_tiny_models_take_the_backbone_of_the_shipped_u2enet(name, levels, monkeypatch):
    monkeypatch.chdir(ROOT)
    config = f"configs/DiffusionDet3D/{name}_tiny_synthroad.yaml"
    cfg = load_config(add_diffusion_det3d_config, config, ["MODEL.BACKBONE.WEIGHTS", "d2ext://u2enet/tiny"])
    assert len(cfg.MODEL.IDA.CHANNELS) == levels
    shipped = read_checkpoint(cfg.MODEL.BACKBONE.WEIGHTS)["model"]
    state = Detection3DTrainer.build_model(cfg).backbone.state_dict()
    same = {
        key for key, value in state.items() if torch.equal(value.half(), shipped[f"backbone.{key}"].half())
    }
    below = {key for key in state if key.startswith("bottom_up.")}
    assert below <= same
    assert (same == state.keys()) == (levels == 4)  # other maps, another aggregation


def test_a_backbone_of_another_network_is_one_line(tmp_path):
    torch.save({f"backbone.{k}": v for k, v in resnet18().state_dict().items()}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"other.pth: lacks .* it was made with another model or config"):
        load_backbone(backbone(18), str(tmp_path / "other.pth"))
