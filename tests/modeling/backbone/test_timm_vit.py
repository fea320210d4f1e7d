"""Vision transformers of timm: position codes at any size and aspect, strides, freezing."""

import pytest
import timm
import torch
import torch.nn.functional as F
from detectron2.modeling import build_model
from project_scripts import needs_exporter
from safetensors.torch import save_file
from timm.layers import apply_rot_embed_cat
from torch.export import Dim

from d2ext.engine.onnx_graphs import Graph, export_graph
from d2ext.modeling import TimmViT, TimmViTPyramid
from tests.modeling.conftest import toy_config, toy_record
from tests.modeling.detection.test_detection3d import small_model

NAME, ROTARY = "vit_tiny_patch16_224", "vit_medium_patch16_rope_reg1_gap_256"
VIT = {
    "MODEL.BACKBONE.NAME": "build_timm_vit_backbone",
    "MODEL.TIMM.NAME": NAME,
    "MODEL.TIMM.WIDTHS": [],
    "MODEL.TIMM.PRETRAINED": False,
    "MODEL.PYRAMID.CHANNELS": 16,
}


def tiny(name: str = NAME, depth: int = 2, **options) -> TimmViT:
    """With few blocks, so that tests are quick, and position codes that differ from place to place."""
    torch.manual_seed(0)
    net = TimmViT(name, **options)
    net.body.blocks = net.body.blocks[:depth] if depth else torch.nn.Sequential(torch.nn.Identity())
    if getattr(net.body, "pos_embed", None) is not None:
        torch.nn.init.normal_(net.body.pos_embed)
    return net.eval()


@pytest.mark.parametrize("size", [(64, 96), (96, 320)])
@pytest.mark.parametrize("name", [NAME, pytest.param(ROTARY, marks=pytest.mark.slow)])
def test_maps_have_the_strides_that_are_declared_at_any_aspect(name, size):
    model = TimmViTPyramid(tiny(name), 24).eval()
    with torch.no_grad():
        maps = model(torch.zeros(1, 3, *size))
    assert list(maps) == list(model.output_shape()) == ["p2", "p3", "p4", "p5"]
    for (key, shape), stride in zip(model.output_shape().items(), (4, 8, 16, 32), strict=True):
        assert shape.stride == stride
        assert maps[key].shape == (1, 24, size[0] // stride, size[1] // stride)
    assert model.size_divisibility == 32


@pytest.mark.parametrize("grid", [(14, 14), (6, 20), (28, 10)])
def test_position_codes_are_those_of_torchs_interpolation_of_the_grid(grid):
    """With blocks that do nothing a token is its patch's embedding, none for an empty image, and its code."""
    net = tiny(depth=0)
    net.body.norm = torch.nn.Identity()
    torch.nn.init.zeros_(net.body.patch_embed.proj.bias)
    with torch.no_grad():
        got = net(torch.zeros(1, 3, 16 * grid[0], 16 * grid[1]))["p4"]
    codes = net.body.pos_embed[:, 1:].detach().unflatten(1, (14, 14)).permute(0, 3, 1, 2)
    same = grid == (14, 14)
    expected = codes if same else F.interpolate(codes, grid, mode="bicubic", antialias=True)
    assert torch.allclose(got, expected, atol=1e-5)


def test_codes_of_positions_lie_where_they_lay():
    """A ramp across the grid is one across any other: codes are stretched, not shifted or transposed."""
    net = tiny(depth=0)
    net.body.norm = torch.nn.Identity()
    torch.nn.init.zeros_(net.body.patch_embed.proj.bias)
    middle = (torch.arange(14) + 0.5) / 14
    ramp = torch.stack(torch.meshgrid(middle, middle, indexing="ij"), -1).flatten(0, 1)
    with torch.no_grad():
        net.body.pos_embed[0, 1:, :2] = ramp
        down, right = net(torch.zeros(1, 3, 16 * 20, 16 * 42))["p4"][0, :2]
    for values, axis, count in ((down, 0, 20), (right, 1, 42)):
        steps = values.mean(1 - axis)[6:-6]  # bicubic weights bend at the ends
        assert torch.allclose(steps, (torch.arange(count) + 0.5)[6:-6] / count, atol=1e-4)


def test_rotary_codes_depend_on_the_distance_of_patches_alone():
    """At a grid that the network was not made for either; products of other offsets differ."""
    net = tiny(ROTARY, depth=1)
    rope = net.body.rope
    q, k = torch.randn(2, 1, 1, 64)
    codes = rope.get_embed(shape=(4, 10))

    def turn(x):
        return apply_rot_embed_cat(x.expand(1, 1, len(codes), -1), codes)

    products = (turn(q)[0, 0] @ turn(k)[0, 0].T).unflatten(0, (4, 10)).unflatten(2, (4, 10))
    assert torch.allclose(products[0, 0, 1, 3], products[2, 5, 3, 8], atol=1e-4)
    assert not torch.allclose(products[0, 0, 1, 3], products[0, 0, 3, 1], atol=1e-3)


def test_patches_of_another_size_are_resampled_as_they_are_loaded(tmp_path):
    """A linear kernel keeps what it sees when image and kernel grow together (Beyer et al., FlexiViT)."""
    torch.manual_seed(0)
    name = "vit_small_patch14_dinov2"
    whole = timm.create_model(name, img_size=28, num_classes=0)
    save_file(whole.state_dict(), tmp_path / "weights.safetensors")
    net = TimmViT(name, weights=str(tmp_path / "weights.safetensors"))
    assert net.body.patch_embed.proj.weight.shape[-2:] == (16, 16)
    mean = [m.patch_embed.proj.weight.detach().sum((1, 2, 3)) for m in (whole, net.body)]
    assert torch.allclose(mean[0], mean[1], atol=2e-3 * float(mean[0].abs().max()) + 1e-3)


def test_embedding_and_first_blocks_are_frozen_and_the_rest_learns():
    for freeze_at in (0, 1, 3):
        model = TimmViTPyramid(TimmViT(NAME, freeze_at=freeze_at), 16).train()
        sum(m.square().mean() for m in model(torch.randn(1, 3, 64, 64)).values()).backward()
        for name, p in model.net.body.named_parameters():
            part, *rest = name.split(".")
            fixed = (int(rest[0]) + 1 if part == "blocks" else 13 if part == "norm" else 0) < freeze_at
            assert p.requires_grad is not fixed and (p.grad is None) is fixed, (freeze_at, name)
    with pytest.raises(ValueError, match="FREEZE_AT 14: expected at most 13 for vit_tiny"):
        TimmViT(NAME, freeze_at=14)


def test_computing_activations_again_changes_no_gradient():
    plain, again = (TimmViT(NAME, checkpoint=checkpoint) for checkpoint in (False, True))
    again.load_state_dict(plain.state_dict())
    x = torch.randn(1, 3, 32, 64)
    for model in (plain, again):
        model.train()(x)["p4"].square().mean().backward()
    for (key, a), b in zip(plain.named_parameters(), again.parameters(), strict=True):
        assert torch.allclose(a.grad, b.grad, atol=1e-6), key


@pytest.mark.slow
@needs_exporter
@pytest.mark.parametrize("name", [NAME, ROTARY])
def test_a_graph_resamples_the_codes_too(name):
    runtime = pytest.importorskip("onnxruntime")
    model = TimmViTPyramid(tiny(name), 16).eval()
    inputs = {"pixels": torch.randn(2, 3, 96, 128)}
    free = {0: Dim("images"), 2: 32 * Dim("rows", min=2), 3: 32 * Dim("columns", min=2)}
    graph = Graph(model, lambda model, pixels: model(pixels), inputs)
    session = runtime.InferenceSession(export_graph(graph, inputs, {"pixels": free}))
    for size in ((1, 3, 64, 320), (2, 3, 224, 224)):
        pixels = torch.randn(*size)
        with torch.no_grad():
            expected = model(pixels).values()
        for a, b in zip(expected, session.run(None, {"pixels": pixels.numpy()}), strict=True):
            assert torch.allclose(a, torch.from_numpy(b), atol=1e-4)


@pytest.mark.parametrize("name", ["resnet18", "vit_relpos_small_patch16_224", "vit_small_resnet26d_224"])
def test_other_networks_are_one_line(name):
    with pytest.raises(ValueError, match=f"^MODEL.TIMM.NAME {name}: expected a plain vit_[*] of timm$"):
        TimmViT(name)


def test_models_read_it(toy_records):
    cfg = toy_config()
    for key, value in VIT.items():
        cfg.merge_from_list([key, value])
    for model in (build_model(cfg), small_model("DiffusionDet3D", **VIT)):
        model.backbone.net.body.blocks = model.backbone.net.body.blocks[:1]
        losses = model.train()([toy_record(0, 64, 96, None)])
        assert all(value.isfinite() for value in losses.values())
        assert len(model.eval()(toy_records)) == 2
