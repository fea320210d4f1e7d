#!/usr/bin/env python3
"""Times the parts that cost most and compares pairs of them in one run: `make bench`.

Every figure is the median of repeated runs; ratios are of two things timed alternately. Writes a Markdown
table to output/bench/benchmark.md.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import d2ext  # noqa: F401  (first: registers models and silences import-time warnings)

# isort: split
import torch
from detectron2.config import get_cfg
from detectron2.modeling import build_model

from d2ext.layers import CrossModalSSM, ssd_scan
from d2ext.projects.u2enet import add_u2enet_config
from d2ext.structures import Boxes3D, Camera, iou3d

ROOT = Path(__file__).resolve().parents[1]
SENTENCE = (
    "The white car on the left is about 12 meters away from me and 1.5 meters high, facing away from me."
)
Row = tuple[str, str, str]


def alternate(repeats: int, *functions: Callable[[], object]) -> list[float]:
    """Median seconds of each function; they take turns, after one run each that does not count."""
    times: list[list[float]] = [[] for _ in functions]
    for turn in range(repeats + 1):
        for i, function in enumerate(functions):
            start = time.perf_counter()
            function()
            if turn:
                times[i].append(time.perf_counter() - start)
    return [median(t) for t in times]


def milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.1f} ms"


def bench_iou(repeats: int) -> list[Row]:
    """Exact IoU of 1,000 x 1,000 boxes, spread out and all in one place."""
    g = torch.Generator().manual_seed(0)

    def boxes(spread: float) -> Boxes3D:
        location = torch.rand(1000, 3, generator=g) * torch.tensor([spread, 0.2, spread])
        size = torch.rand(1000, 3, generator=g) * torch.tensor([1.0, 1.0, 3.0]) + 1.0
        return Boxes3D.from_kitti(location, size, torch.rand(1000, generator=g) * 6.28)

    far, near = boxes(60.0), boxes(0.5)
    apart, together = alternate(repeats, lambda: iou3d(far, far), lambda: iou3d(near, near))
    return [
        ("exact 3D IoU, 1,000 x 1,000 boxes over 60 m", milliseconds(apart), ""),
        ("exact 3D IoU, 1,000 x 1,000 boxes, all overlapping", milliseconds(together), ""),
    ]


def bench_scan(repeats: int) -> list[Row]:
    """The chunked scan against twice the length."""

    def scan(length: int) -> Callable[[], object]:
        x = torch.randn(1, length, 8, 64)
        dt, A = torch.rand(1, length, 8) * 0.1, -torch.rand(8) - 0.5
        B, C = torch.randn(1, length, 1, 64), torch.randn(1, length, 1, 64)
        return lambda: ssd_scan(x, dt, A, B, C)

    one, two = alternate(repeats, scan(4096), scan(8192))
    return [
        (
            "ssd_scan, 8 heads of 64, state 64, 8,192 steps",
            milliseconds(two),
            f"{two / one:.2f} x 4,096 steps",
        )
    ]


def bench_fusion(repeats: int) -> list[Row]:
    """The cross-modal SSM against softmax cross-attention of the same width, 30,720 pixels and 64 words."""
    dim, words, height, width = 64, 64, 96, 320
    ssm = CrossModalSSM(dim, dim, dim, 64, 4)
    attention = torch.nn.MultiheadAttention(dim, 4, batch_first=True)
    visual, text = torch.randn(1, dim, height, width), torch.randn(1, words, dim)
    mask, owner = torch.ones(1, words, dtype=torch.bool), torch.zeros(1, dtype=torch.long)
    flat = visual.flatten(2).transpose(1, 2)
    ours, theirs = alternate(
        repeats,
        lambda: ssm(visual, text, mask, owner),
        lambda: attention(flat, text, text, need_weights=False),
    )
    return [
        (
            "cross-modal SSM, 96x320 pixels, 64 words",
            milliseconds(ours),
            f"{ours / theirs:.2f} x cross-attention",
        )
    ]


def bench_u2enet(repeats: int) -> list[Row]:
    """The tiny model on a KITTI-sized image: one sentence against three and twenty."""
    cfg = get_cfg()
    add_u2enet_config(cfg)
    cfg.merge_from_file(str(ROOT / "configs/U2ENet/u2enet_tiny_synthroad.yaml"))
    cfg.MODEL.DEVICE = "cpu"
    model = build_model(cfg).eval()
    camera = Camera(torch.tensor([[554.0, 0, 468, 34], [0, 554, 132, 0.2], [0, 0, 1, 0.003]]), (288, 954))
    record = {
        "image": torch.randint(0, 255, (3, 288, 954), dtype=torch.uint8),
        "camera": camera,
        "height": 375,
        "width": 1242,
        "single_target": True,
    }
    counts = (1, 3, 20)
    times = alternate(repeats, *(lambda n=n: model([record | {"sentences": [SENTENCE] * n}]) for n in counts))
    return [
        (f"U2ENet tiny, 288x954, {n} sentences", milliseconds(t), f"{t / times[0]:.2f} x 1 sentence")
        for n, t in zip(counts, times, strict=True)
    ]


BENCHMARKS = {"iou": bench_iou, "scan": bench_scan, "fusion": bench_fusion, "u2enet": bench_u2enet}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; default all")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--output", type=Path, default=ROOT / "output/bench")
    args = parser.parse_args()
    unknown = set(args.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"no benchmark {sorted(unknown)[0]!r}, expected some of {', '.join(BENCHMARKS)}")
    rows: list[Row] = []
    with torch.no_grad():
        for name in args.names or BENCHMARKS:
            rows += BENCHMARKS[name](args.repeats)
    threads = torch.get_num_threads()
    table = [
        f"{platform.machine()}, {threads} threads, torch {torch.__version__}",
        "",
        "| what | median | ratio |",
    ]
    table += ["|---|---|---|", *(f"| {a} | {b} | {c} |" for a, b, c in rows)]
    args.output.mkdir(parents=True, exist_ok=True)
    (args.output / "benchmark.md").write_text("\n".join(table) + "\n")
    print("\n".join(table))


if __name__ == "__main__":
    main()
