import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.ops import roi_align

from d2ext.modeling.box3d.head import Box3DHead
from d2ext.modeling.box3d.objects import ObjectViews
from d2ext.modeling.box3d.refinement import BoxRefinement, read_fine
from d2ext.structures import ROAD

SIZES = torch.tensor([ROAD.sizes[name] for name in ROAD.names])
CHANNELS, CELLS, STRIDE = 2, 2, 8
P = torch.tensor([[400.0, 0, 200, 0], [0, 400, 60, 0], [0, 0, 1, 0]])


def first_look(head: Box3DHead, n: int = 6) -> tuple[dict, ObjectViews]:
    plane = torch.tensor([0.0, -1.0, 0.0, 1.65]).expand(n, 4)
    uv = torch.rand(n, 2) * torch.tensor([100.0, 40]) + 60
    return head(torch.randn(n, 8)), ObjectViews(uv, STRIDE, P.expand(n, 3, 4), plane)


@pytest.fixture
def refinement() -> BoxRefinement:
    torch.manual_seed(0)
    first = Box3DHead(8, 16, SIZES)
    head = Box3DHead(BoxRefinement.in_dim(first, 5, CHANNELS), 16, SIZES)
    return BoxRefinement(head, 5, CELLS)


def test_points_lie_evenly_from_edge_to_edge_of_the_first_box(refinement, monkeypatch):
    """On maps whose value is the column and the row of a pixel, what is read is where it was read."""
    raw, views = first_look(Box3DHead(8, 16, SIZES))
    stride = STRIDE // CELLS
    v, u = torch.meshgrid(torch.arange(32.0), torch.arange(64.0), indexing="ij")
    fine = torch.stack([u, v]) * stride + (stride - 1) / 2  # the pixel in the middle of each fine cell
    detail = F.pixel_unshuffle(torch.stack([torch.zeros_like(fine), fine]), CELLS)
    seen = []
    forward = refinement.box_head.forward
    monkeypatch.setattr(refinement.box_head, "forward", lambda x: (seen.append(x), forward(x))[1])
    refinement(raw, views, detail, torch.ones(len(views.uv), dtype=torch.long), STRIDE)
    read = seen[0][:, : CHANNELS * 25].view(-1, CHANNELS, 5, 5)
    for box, (columns, rows) in zip(refinement.box_head.box2d(raw, views), read, strict=True):
        x0, y0, x1, y1 = box.tolist()
        expected = torch.linspace(x0, x1, 5)
        assert torch.allclose(columns, expected.expand(5, 5), atol=1e-3)
        assert torch.allclose(rows, torch.linspace(y0, y1, 5)[:, None].expand(5, 5), atol=1e-3)


def test_reading_and_its_gradient_are_those_of_roi_align_on_the_fine_map():
    """With boxes that reach out of the map on every side."""
    torch.manual_seed(0)
    detail = torch.randn(2, 3 * CELLS**2, 6, 9, dtype=torch.float64, requires_grad=True)
    image = torch.arange(40) % 2
    middle = torch.rand(40, 2, dtype=torch.float64) * torch.tensor([24.0, 18]) - 3
    half = torch.rand(40, 2, dtype=torch.float64) * 6
    step = (torch.arange(4) + 0.5) / 4 * 2 - 1  # the middles of four bins
    read = read_fine(detail, CELLS, image, middle[:, None] + half[:, None] * step[:, None] - 0.5)
    rois = torch.cat([image[:, None], middle - half, middle + half], 1)
    fine = F.pixel_shuffle(detail, CELLS)
    expected = roi_align(fine, rois, 4, 1.0, sampling_ratio=1, aligned=True)
    assert read.shape == (40, 3, 4, 4) and (expected == 0).any()
    assert torch.allclose(read, expected, atol=1e-10)
    factor = torch.randn_like(expected)
    ours, theirs = (torch.autograd.grad((x * factor).sum(), detail)[0] for x in (read, expected))
    assert torch.allclose(ours, theirs, atol=1e-10)


def test_a_head_that_says_nothing_leaves_the_first_answer(refinement):
    first = Box3DHead(8, 16, SIZES)
    raw, views = first_look(first)
    nn.init.zeros_(refinement.box_head.out.weight)
    better, seen = refinement(raw, views, torch.randn(1, 8, 16, 32), torch.zeros(6, dtype=torch.long), STRIDE)
    before = first.decode(raw, views, raw["classes"].softmax(1))
    after = first.decode(better, seen, better["classes"].softmax(1))
    assert torch.allclose(before.box2d, after.box2d, atol=1e-3)
    for name in ("classes", "class_scores", "hwl", "alpha"):
        assert torch.equal(getattr(before, name), getattr(after, name)), name


def test_it_learns_where_an_object_stands_from_an_edge_that_the_first_look_misses(refinement):
    """A step in the map at a row that the first box only roughly ends at."""
    optimizer = torch.optim.Adam(refinement.parameters(), lr=0.01)
    first = Box3DHead(8, 16, SIZES)
    rows = torch.arange(64) * 4 + 1.5
    errors = []
    for _ in range(150):
        raw, views = first_look(first, 64)
        box = first.box2d(raw, views).detach()
        ends = box[:, 3] + torch.empty(64).uniform_(-5, 5)
        ground = ((rows - ends[:, None]) / 4).clamp(-0.5, 0.5)  # covered part of a cell
        fine = ground[:, None, :, None].expand(-1, CHANNELS, -1, 80)
        detail = F.pixel_unshuffle(fine, CELLS)
        better, seen = refinement(raw, views, detail, torch.arange(64), STRIDE)
        error = refinement.box_head.box2d(better, seen)[:, 3] - ends
        optimizer.zero_grad()
        error.abs().mean().backward()
        optimizer.step()
        errors.append(error.abs().mean().item())
    assert errors[0] > 2.0
    assert sum(errors[-10:]) / 10 < 1.0


def test_one_point_is_refused():
    with pytest.raises(ValueError, match=r"REFINE_POINTS is 1, expected 2 or more, or 0"):
        BoxRefinement(Box3DHead(8, 16, SIZES), 1, CELLS)


def test_gradients_reach_the_map_and_the_first_look(refinement):
    raw, views = first_look(Box3DHead(8, 16, SIZES))
    detail = torch.randn(1, 8, 16, 32, requires_grad=True)
    better, seen = refinement(raw, views, detail, torch.zeros(6, dtype=torch.long), STRIDE)
    loss = sum(value.square().sum() for value in better.values())
    loss.backward()
    assert detail.grad is not None and detail.grad.abs().sum() > 0
    assert math.isfinite(loss.item()) and not seen.uv.requires_grad
