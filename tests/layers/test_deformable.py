"""Deformable attention against a naive loop, and torch's own sampling of a map."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from d2ext.layers import DeformableAttention, MapCells

STRIDES, HEADS, POINTS = [4, 8], 2, 3
SIZES = [(22, 31), (16, 32)]  # of the images, in maps of 6x8 and 3x4 cells


@pytest.fixture
def maps() -> list[torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    return [torch.randn(2, 8, 24 // s, 32 // s, generator=g, dtype=torch.float64) for s in STRIDES]


@pytest.fixture
def asked() -> tuple[torch.Tensor, torch.Tensor]:
    """Points inside of the images and up to some cells outside, and their weights."""
    g = torch.Generator().manual_seed(1)
    shape = (2, 5, HEADS, len(STRIDES), POINTS)
    points = torch.rand(*shape, 2, generator=g, dtype=torch.float64) * 60 - 14
    return points, torch.rand(shape, generator=g, dtype=torch.float64)


def bilinear(image: np.ndarray, x: float, y: float) -> np.ndarray:
    """(C,) of (C, H, W), which is 0 outside."""
    out = np.zeros(image.shape[0])
    for row in (math.floor(y), math.floor(y) + 1):
        for column in (math.floor(x), math.floor(x) + 1):
            if 0 <= row < image.shape[1] and 0 <= column < image.shape[2]:
                out += (1 - abs(x - column)) * (1 - abs(y - row)) * image[:, row, column]
    return out


def test_reading_is_what_a_naive_loop_reads(maps, asked):
    points, weights = asked
    got = MapCells.of(maps, STRIDES).read(torch.tensor(SIZES), points, weights)
    for b, q, h in np.ndindex(2, 5, HEADS):
        expected = np.zeros(4)
        for k, stride in enumerate(STRIDES):
            rows, columns = (math.ceil(side / stride) for side in SIZES[b])
            shown = maps[k][b, 4 * h : 4 * h + 4, :rows, :columns].numpy()
            for p in range(POINTS):
                x, y = ((float(v) + 0.5) / stride - 0.5 for v in points[b, q, h, k, p])
                expected += float(weights[b, q, h, k, p]) * bilinear(shown, x, y)
        assert np.allclose(got[b, q, h].numpy(), expected, atol=1e-12)


def test_a_single_map_is_read_as_grid_sample_reads_it(maps, asked):
    points, weights = (x[:, :, :, :1] for x in asked)
    whole = torch.tensor([[24, 32]] * 2)
    got = MapCells.of(maps[:1], STRIDES[:1]).read(whole, points, weights)
    grid = (points[:, :, :, 0] + 0.5) / torch.tensor([32.0, 24.0]) * 2 - 1
    for h in range(HEADS):
        part = F.grid_sample(maps[0][:, 4 * h : 4 * h + 4], grid[:, :, h], align_corners=False)
        expected = (part * weights[:, None, :, h, 0]).sum(-1).transpose(1, 2)
        assert torch.allclose(got[:, :, h], expected)


def test_gradients_are_those_of_finite_differences(maps, asked):
    points, weights = (x[:1, :2].clone().requires_grad_() for x in asked)
    tokens = MapCells.of([m[:1] for m in maps], STRIDES)
    table = tokens.tokens.requires_grad_()

    def read(table, points, weights):
        return MapCells(table, tokens.levels).read(torch.tensor(SIZES[:1]), points, weights)

    assert torch.autograd.gradcheck(read, (table, points, weights))


def test_what_an_image_was_padded_with_is_not_read(maps, asked):
    points, weights = asked
    first = MapCells.of(maps, STRIDES).read(torch.tensor(SIZES), points, weights)
    for m, stride in zip(maps, STRIDES, strict=True):
        for i, (height, width) in enumerate(SIZES):
            m[i, :, math.ceil(height / stride) :] = 1e6
            m[i, :, :, math.ceil(width / stride) :] = 1e6
    assert torch.equal(MapCells.of(maps, STRIDES).read(torch.tensor(SIZES), points, weights), first)


def test_cells_know_their_place_and_whether_they_show_some_of_the_image(maps):
    cells = MapCells.of(maps, STRIDES)
    middles, level = cells.places()
    inside = cells.inside(torch.tensor(SIZES))
    index = 0
    for k, stride in enumerate(STRIDES):
        for row, column in np.ndindex(24 // stride, 32 // stride):
            expected = [(column + 0.5) * stride - 0.5, (row + 0.5) * stride - 0.5]
            assert middles[index].tolist() == expected and level[index] == k
            assert torch.equal(cells.tokens[:, index], maps[k][:, :, row, column])
            for image, (height, width) in enumerate(SIZES):
                assert inside[image, index] == (row * stride < height and column * stride < width)
            index += 1
    assert index == len(middles) == cells.tokens.shape[1]


def test_at_first_a_query_reads_around_its_place_evenly():
    """The mean of a map that grows evenly, at points that lie symmetrically, is its value in the middle."""
    columns, rows = torch.meshgrid(torch.arange(32.0), torch.arange(24.0), indexing="xy")
    ramp = torch.stack([columns, rows]).repeat(4, 1, 1)[None]  # 8 channels
    cells = MapCells.of([ramp], [1])
    attention = DeformableAttention(8, 4, 1, POINTS)
    for layer in (attention.value, attention.out):
        layer.weight.data.copy_(torch.eye(8))
    attention.out.bias.data.zero_()
    attention.out.weight.data.copy_(torch.eye(2).repeat(4, 4) / 4)
    query, middles = torch.randn(1, 2, 8), torch.tensor([[[10.0, 9.0], [16.0, 12.0]]])
    got = attention(cells, torch.tensor([[24, 32]]), query, middles, torch.ones(1, 2, 1, 2))
    assert torch.allclose(got.view(1, 2, 4, 2), middles[:, :, None].expand(-1, -1, 4, -1), atol=1e-5)


def test_points_that_are_no_number_show_in_the_answer(maps, asked):
    points, weights = asked
    points[0, 0, 0, 0, 0] = torch.nan
    got = MapCells.of(maps, STRIDES).read(torch.tensor(SIZES), points, weights)
    assert got[0, 0, 0].isnan().all() and got[0, 0, 1].isfinite().all() and got[1:].isfinite().all()


def test_few_queries_get_the_same_answer_in_another_order():
    torch.manual_seed(0)
    cells = MapCells.of([torch.randn(2, 8, 24 // s, 32 // s) for s in STRIDES], STRIDES)
    first = DeformableAttention(8, HEADS, len(STRIDES), POINTS)
    for p in first.parameters():
        nn.init.normal_(p)
    second = DeformableAttention(8, HEADS, len(STRIDES), POINTS, few=True)
    second.load_state_dict(first.state_dict())
    given = torch.randn(2, 5, 8), torch.rand(2, 5, 2) * 30, torch.rand(2, 5, 1, 2) * 8
    a, b = (attention(cells, torch.tensor(SIZES), *given) for attention in (first, second))
    assert torch.allclose(a, b, atol=1e-4)
