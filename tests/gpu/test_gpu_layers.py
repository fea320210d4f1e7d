"""Layers on the device against float64 on the CPU, with the gradients of all their inputs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from torch import Tensor

from d2ext.layers import CrossModalSSM, RegionMaps, SSDBlock, linear_attention, ssd_scan
from d2ext.structures import Boxes3D, bev_iou, iou3d

Function = Callable[..., Tensor]


def agree(function: Function, inputs: list[Tensor], device: str, tolerance: float) -> None:
    """Value and gradients in float32 on the device are those in float64 on the CPU, to ``tolerance`` of the
    largest value."""

    def both(dtype: torch.dtype, where: str) -> list[Tensor]:
        leaves = [t.detach().to(where, dtype).requires_grad_() for t in inputs]
        y = function(*leaves)
        along = torch.linspace(-1, 2, y.numel(), dtype=torch.float64).view(y.shape).to(where, dtype)
        return [y.detach(), *torch.autograd.grad((y * along).sum(), leaves)]

    for found, expected in zip(both(torch.float32, device), both(torch.float64, "cpu"), strict=True):
        assert found.device.type == device and bool(expected.any())
        assert (found.cpu() - expected).abs().max() <= tolerance * expected.abs().max()


def scan_inputs(length: int) -> list[Tensor]:
    x, B, C = torch.randn(2, length, 4, 8), torch.randn(2, length, 2, 16), torch.randn(2, length, 2, 16)
    return [x, torch.rand(2, length, 4) * 0.1, -torch.rand(4) * 8 - 0.5, B, C]


@pytest.mark.parametrize("length", [2, 63, 200])
def test_ssd_scan(device, length):
    agree(ssd_scan, scan_inputs(length), device, 2e-5)


def test_ssd_scan_takes_mamba_ssms_kernel_for_half_precision_on_a_gpu_only(device, monkeypatch):
    taken = []

    def kernel(x, dt, A, B, C, chunk_size, D=None, initial_states=None, return_final_states=False):
        taken.append(x.dtype)
        return torch.zeros_like(x), x.new_zeros(2, 4, 8, 16)

    stand_in = ModuleType("mamba_ssm.ops.triton.ssd_combined")
    stand_in.mamba_chunk_scan_combined = kernel
    for name in ("mamba_ssm", "mamba_ssm.ops", "mamba_ssm.ops.triton"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, stand_in.__name__, stand_in)
    x, dt, A, B, C = (t.to(device) for t in scan_inputs(20))
    for dtype in (torch.float32, torch.bfloat16, torch.float64):
        y = ssd_scan(x.to(dtype), dt, A, B.to(dtype), C.to(dtype))
        assert bool(y.any()) is not (device == "cuda" and dtype == torch.bfloat16)
    assert taken == [torch.bfloat16] * (device == "cuda")


def test_bidirectional_ssd_block(device):
    block = SSDBlock(16, 8, 8, bidirectional=True)
    mask = torch.arange(30) < torch.tensor([[30], [17]])

    def run(x: Tensor) -> Tensor:
        return block.to(x.device, x.dtype)(x, mask.to(x.device))

    agree(run, [torch.randn(2, 30, 16)], device, 2e-4)


@pytest.mark.parametrize("count", [1, 3])
def test_cross_modal_ssm(device, count):
    layer = CrossModalSSM(12, 16, 24, 8, 4)
    mask = torch.arange(9) < torch.tensor([[9], [5], [7]])[:count]
    owner = torch.tensor([0, 1, 1])[:count]

    def run(visual: Tensor, text: Tensor) -> Tensor:
        return layer.to(visual.device, visual.dtype)(
            visual, text, mask.to(visual.device), owner.to(visual.device)
        )

    visual = torch.randn(1 if count == 1 else 2, 12, 6, 20)
    agree(run, [visual, torch.randn(count, 9, 16)], device, 2e-4)


@pytest.mark.parametrize("kind", ["plain", "causal", "gated"])
def test_linear_attention(device, kind):
    qkv = [torch.randn(2, 3, 150, 8) for _ in range(3)]
    gate = [torch.nn.functional.logsigmoid(torch.randn(2, 3, 150) + 3)] if kind == "gated" else []
    agree(lambda *t: linear_attention(*t, causal=kind == "causal"), [*qkv, *gate], device, 2e-4)


def test_cells_of_region_maps(device):
    maps = [torch.randn(2, 3, 160 // s, 224 // s) for s in (4, 8, 16, 32)]
    middle = torch.rand(2, 60, 2) * torch.tensor([224.0, 160.0]) * 1.2 - 20
    half = (torch.rand(2, 60, 2) * 8 - 2).exp2() * 2
    half[:, :2], half[:, 2:4] = 300.0, 130.0  # of the coarsest map and the one before
    boxes = torch.cat([middle - half, middle + half], -1)

    def read(*maps: Tensor) -> Tensor:
        return RegionMaps.of(maps, (4, 8, 16, 32)).read(boxes.to(maps[0].device), 7)

    agree(read, maps, device, 1e-4)


@pytest.mark.parametrize("function", [bev_iou, iou3d])
def test_rotated_iou(device, function):
    fields = torch.rand(80, 7, dtype=torch.float64) * torch.tensor([8, 1, 8, 1, 1, 4, 6.28]) + 1

    def overlaps(dtype: torch.dtype, where: str) -> Tensor:
        f = fields.to(where, dtype)
        boxes = Boxes3D.from_kitti(f[:, :3], f[:, 3:6], f[:, 6])
        return function(boxes[:40], boxes[40:])

    found, expected = overlaps(torch.float32, device), overlaps(torch.float64, "cpu")
    assert found.device.type == device and (expected > 0.1).sum() > 20
    torch.testing.assert_close(found.cpu().double(), expected, rtol=0, atol=1e-4)
