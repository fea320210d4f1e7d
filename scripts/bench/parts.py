"""Exact 3D IoU, the state-space scan and the reading of boxes from maps, each alone."""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from detectron2.modeling.poolers import ROIPooler
from detectron2.structures import Boxes

from d2ext.engine.benchmark import Clock, machine, milliseconds, write_table
from d2ext.layers import RegionMaps, ssd_scan
from d2ext.structures import Boxes3D, iou3d


@torch.no_grad()
def run(args: argparse.Namespace, clock: Clock) -> None:
    """What the command times; its arguments are the command's."""
    rows = [*_iou(clock), *_scan(clock), *_read(clock)]
    write_table(args.output / "parts.md", machine(clock), ("what", "ms", "ratio"), rows)


def _iou(clock: Clock) -> list[tuple[str, str, str]]:
    """Exact IoU of 1,000 x 1,000 boxes, spread out and all in one place."""
    g = torch.Generator().manual_seed(0)

    def boxes(spread: float) -> Boxes3D:
        location = torch.rand(1000, 3, generator=g) * torch.tensor([spread, 0.2, spread])
        size = torch.rand(1000, 3, generator=g) * torch.tensor([1.0, 1.0, 3.0]) + 1.0
        return Boxes3D.from_kitti(location, size, torch.rand(1000, generator=g) * 6.28)

    far, near = boxes(60.0), boxes(0.5)
    apart, together = clock.alternate(lambda: iou3d(far, far), lambda: iou3d(near, near))
    return [
        ("exact 3D IoU, 1,000 x 1,000 boxes over 60 m", milliseconds(apart), ""),
        ("exact 3D IoU, 1,000 x 1,000 boxes, all overlapping", milliseconds(together), ""),
    ]


def _scan(clock: Clock) -> list[tuple[str, str, str]]:
    """The chunked scan against half the length."""

    def scan(length: int) -> Callable[[], object]:
        x = torch.randn(1, length, 8, 64)
        dt, A = torch.rand(1, length, 8) * 0.1, -torch.rand(8) - 0.5
        B, C = torch.randn(1, length, 1, 64), torch.randn(1, length, 1, 64)
        return lambda: ssd_scan(x, dt, A, B, C)

    one, two = clock.alternate(scan(4096), scan(8192))
    name = "ssd_scan, 8 heads of 64, state 64, 8,192 steps"
    return [(name, milliseconds(two), f"{two / one:.2f} x 4,096 steps")]


@torch.enable_grad()
def _read(clock: Clock) -> list[tuple[str, str, str]]:
    """Boxes from a pyramid, forward and backward, against Detectron2's pooler on torchvision's RoIAlign."""
    strides = (4, 8, 16, 32)
    maps = [torch.randn(1, 256, 544 // s, 960 // s, requires_grad=True) for s in strides]
    size = torch.rand(300, 2).mul(5).exp2() * 8
    middle = torch.rand(300, 2) * torch.tensor([960.0, 544.0])
    boxes = torch.cat([middle - size / 2, middle + size / 2], 1).clamp(min=0.0, max=540.0)
    pooler = ROIPooler(7, [1 / s for s in strides], sampling_ratio=2, pooler_type="ROIAlignV2")

    def ours() -> object:
        cells = RegionMaps.of(maps, strides).read(boxes[None], 7)
        return torch.autograd.grad(cells.sum(), maps)

    def theirs() -> object:
        return torch.autograd.grad(pooler(maps, [Boxes(boxes)]).sum(), maps)

    ours_s, theirs_s = clock.alternate(ours, theirs)
    name = "RegionMaps, 300 boxes of 7x7 from a 544x960 pyramid of 256 channels, with gradient"
    return [(name, milliseconds(ours_s), f"{ours_s / theirs_s:.2f} x Detectron2's ROIPooler")]
