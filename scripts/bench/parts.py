"""Exact 3D IoU and the state-space scan, each alone."""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch

from d2ext.layers import ssd_scan
from d2ext.structures import Boxes3D, iou3d

from .report import Clock, machine, milliseconds, write_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No options of its own."""


@torch.no_grad()
def run(args: argparse.Namespace, clock: Clock) -> None:
    rows = [*_iou(clock), *_scan(clock)]
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
