"""Second branches: the published auto-encoder's sizes, and attention that differs in nothing but itself."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from d2ext.modeling.anomaly.branch import ATTENTIONS, AttentionBranch, AutoEncoder, position_code


def _attention(name: str) -> AttentionBranch:
    torch.manual_seed(0)
    return AttentionBranch(name, dim=16, out_channels=6, depth=1, heads=2, code=3, dropout=0.0).eval()


def test_the_auto_encoder_has_the_published_sizes():
    net = AutoEncoder(64, 384, 0.2).eval()
    assert sum(p.numel() for p in net.parameters()) == 1_096_320
    sizes: list[int] = []
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda m, i, out: sizes.append(out.shape[-1]))
    with torch.no_grad():
        assert net(torch.zeros(1, 3, 256, 256), (56, 56)).shape == (1, 384, 56, 56)
    assert sizes == [128, 64, 32, 16, 8, 1, 4, 9, 16, 33, 64, 128, 56, 56]


def test_the_auto_encoder_takes_larger_images_and_refuses_smaller_ones():
    net = AutoEncoder(8, 6, 0.0).eval()
    assert net(torch.zeros(1, 3, 300, 512), (75, 128)).shape == (1, 6, 75, 128)
    with pytest.raises(ValueError, match="at least 256 x 256 pixels, got 300 x 200"):
        net(torch.zeros(1, 3, 200, 300), (50, 75))


def test_attentions_differ_by_their_gates_only():
    shapes = {n: {k: v.shape for k, v in _attention(n).state_dict().items()} for n in ATTENTIONS}
    assert shapes["softmax"] == shapes["linear"]
    gates = {k for k in shapes["gated_linear"] if k not in shapes["linear"]}
    assert gates and all(".gate." in name for name in gates)
    image = torch.randn(1, 3, 64, 64)
    out = [_attention(name)(image, (16, 16)) for name in ATTENTIONS]
    assert not torch.allclose(out[0], out[1]) and not torch.allclose(out[1], out[2])


@pytest.mark.parametrize("name", ATTENTIONS)
def test_every_place_of_the_description_depends_on_the_whole_image(name):
    net = _attention(name)
    image = torch.randn(1, 3, 96, 130, requires_grad=True)
    out = net(image, (24, 33))
    assert out.shape == (1, 6, 24, 33)
    out[0, :, 0, 0].sum().backward()
    tokens = image.grad.abs().sum((0, 1))[:96, :128].reshape(6, 16, 8, 16).sum((1, 3))
    assert (tokens > 0).all()


def test_the_bottleneck_is_all_that_passes_from_the_image():
    """Rank of the tokens behind it: the code's channels, as the rest is the same for all images."""
    net = _attention("linear")
    seen: list[torch.Tensor] = []
    net.bottleneck.register_forward_hook(lambda m, i, out: seen.append(out))
    net(torch.randn(1, 3, 160, 160), (40, 40))
    tokens = seen[0][0] - net.bottleneck[1].bias - net.bottleneck[1].weight @ net.bottleneck[0].bias
    assert torch.linalg.matrix_rank(tokens.double(), rtol=1e-5) == 3


def test_positions_are_sines_of_row_and_column_column_by_column():
    code = position_code(3, 5, 8)
    for row, column in ((0, 0), (2, 0), (1, 4)):
        angles = [place * 1000.0 ** (-k / 2) for place in (row, column) for k in range(2)]
        expected = [math.sin(angles[0]), math.sin(angles[1]), math.cos(angles[0]), math.cos(angles[1])]
        expected += [math.sin(angles[2]), math.sin(angles[3]), math.cos(angles[2]), math.cos(angles[3])]
        assert code[column * 3 + row].tolist() == pytest.approx(expected, abs=1e-6)


def test_widths_must_go_together():
    with pytest.raises(ValueError, match="BRANCH.DIM is 10, expected a multiple of 4 and of the 2 heads"):
        AttentionBranch("linear", 10, 6, 1, 2, 3, 0.0)
