"""Boxes as cells, against Detectron2's pooler and plain loops."""

import math

import pytest
import torch
from detectron2.modeling.poolers import ROIPooler
from detectron2.structures import Boxes

from d2ext.layers import RegionMaps

STRIDES = (4, 8, 16, 32)


def pyramid(height: int, width: int, batch: int = 2, channels: int = 3) -> list[torch.Tensor]:
    torch.manual_seed(0)
    shapes = [(math.ceil(height / s), math.ceil(width / s)) for s in STRIDES]
    return [torch.randn(batch, channels, *shape, requires_grad=True) for shape in shapes]


def some_boxes(height: int, width: int, batch: int = 2, count: int = 60) -> torch.Tensor:
    """From less than a pixel to more than the image, some of them partly or wholly outside."""
    middle = torch.rand(batch, count, 2) * torch.tensor([width, height]) * 1.2 - 20
    half = (torch.rand(batch, count, 2) * 8 - 2).exp2() * 2
    half[:, :2], half[:, 2:5] = 230.0, 130.0
    half[:, 5:8] = 0.0
    return torch.cat([middle - half, middle + half], -1)


@pytest.mark.parametrize("size", [1, 7])
def test_cells_and_gradients_are_those_of_detectron2s_pooler(size):
    maps, boxes = pyramid(160, 224), some_boxes(160, 224)
    pooler = ROIPooler(size, [1 / s for s in STRIDES], sampling_ratio=2, pooler_type="ROIAlignV2")
    expected = pooler(maps, [Boxes(b + 0.5) for b in boxes]).flatten(2).transpose(1, 2)
    found = RegionMaps.of(maps, STRIDES).read(boxes, size)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)
    along = torch.randn_like(expected)
    for got, wanted in zip(
        torch.autograd.grad((found * along).sum(), maps),
        torch.autograd.grad((expected * along).sum(), maps),
        strict=True,
    ):
        assert wanted.abs().max() > 0
        torch.testing.assert_close(got, wanted, rtol=1e-3, atol=1e-3)


def test_a_box_of_a_linear_map_is_that_map_at_its_middle():
    y, x = torch.meshgrid(torch.arange(40.0), torch.arange(60.0), indexing="ij")
    maps = RegionMaps.of([torch.stack([x, y])[None]], [1])
    cells = maps.read(torch.tensor([[[10.0, 4.0, 16.0, 13.0]]]), 3)
    expected = [[11.0 + 2 * j, 5.5 + 3 * i] for i in range(3) for j in range(3)]
    torch.testing.assert_close(cells[0], torch.tensor(expected))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_boxes_that_are_not_finite_break_nothing(value):
    maps = RegionMaps.of(pyramid(64, 96, batch=1), STRIDES)
    boxes = torch.tensor([[[4.0, 4.0, value, 30.0], [4.0, 4.0, 20.0, 30.0]]])
    cells = maps.read(boxes, 2)
    assert cells[1].isfinite().all() and (math.isinf(value) or cells[0].isnan().any())
