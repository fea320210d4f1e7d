"""Patch description networks against the published tables, and their receptive field by gradient."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from d2ext.modeling.anomaly.pdn import PDN

#: (channels in, channels out, kernel) of the convolutions, EfficientAD's appendix.
PUBLISHED = {
    "small": [(3, 128, 4), (128, 256, 4), (256, 256, 3), (256, 384, 4)],
    "medium": [(3, 256, 4), (256, 512, 4), (512, 512, 1), (512, 512, 3), (512, 384, 4), (384, 384, 1)],
}
PARAMETERS = {"small": 2_694_144, "medium": 8_026_624}


def _convolutions(pdn: PDN) -> list[nn.Conv2d]:
    return [module for module in pdn if isinstance(module, nn.Conv2d)]


@pytest.mark.parametrize("size", PUBLISHED)
def test_layers_and_parameters_are_the_published_ones(size):
    pdn = PDN(size)
    layers = [(c.in_channels, c.out_channels, c.kernel_size[0]) for c in _convolutions(pdn)]
    assert layers == PUBLISHED[size]
    assert sum(p.numel() for p in pdn.parameters()) == PARAMETERS[size]
    pools = [i for i, module in enumerate(pdn) if isinstance(module, nn.AvgPool2d)]
    assert pools == [2, 5]  # behind the first two convolutions and their ReLU
    assert isinstance(pdn[-1], nn.Conv2d)


@pytest.mark.parametrize("size", PUBLISHED)
@pytest.mark.parametrize("padding, length", [(False, 56), (True, 64)])
def test_an_image_of_256_pixels_gives_the_published_map(size, padding, length):
    pdn = PDN(size, out_channels=5, width=1 / 32, padding=padding)
    assert pdn(torch.zeros(1, 3, 256, 256)).shape == (1, 5, length, length)


@pytest.mark.parametrize("size", PUBLISHED)
@pytest.mark.parametrize("padding", [False, True])
def test_a_description_sees_33_x_33_pixels(size, padding):
    torch.manual_seed(0)
    pdn = PDN(size, out_channels=4, width=1 / 16, padding=padding).double()
    with torch.no_grad():
        for conv in _convolutions(pdn):
            conv.weight.abs_()  # nothing cancels, and no ReLU is shut
            conv.bias.zero_()
    image = torch.rand(1, 3, 128, 128, dtype=torch.float64, requires_grad=True)
    out = pdn(image)
    row, column = out.shape[2] // 2, out.shape[3] // 2 + 1
    out[0, :, row, column].sum().backward()
    rows, columns = image.grad[0].abs().sum(0).nonzero().unbind(1)
    for places, index in ((rows, row), (columns, column)):
        assert int(places.max() - places.min()) + 1 == 33
        assert int(places.min()) == 4 * index - (0 if not padding else 16)


def test_the_student_has_twice_the_channels():
    student = PDN("medium", 768)
    assert [c.out_channels for c in _convolutions(student)][-2:] == [768, 768]
    assert sum(p.numel() for p in PDN("small", 768).parameters()) == 4_267_392


def test_an_unknown_size_is_refused():
    with pytest.raises(ValueError, match="PDN 'large': expected one of small, medium"):
        PDN("large")
