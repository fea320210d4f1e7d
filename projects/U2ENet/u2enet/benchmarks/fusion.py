"""The cross-modal SSM against softmax cross-attention: time and memory by pixels and by words."""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from d2ext.engine.benchmark import (
    Clock,
    machine,
    milliseconds,
    new_plot,
    peak_megabytes,
    reset_peak,
    write_table,
)
from d2ext.layers import CrossModalSSM, WordAttention

LAYERS: dict[str, type[nn.Module]] = {"SSM": CrossModalSSM, "attention": WordAttention}
DIM, STATE, HEADS = 64, 32, 4


@torch.no_grad()
def run(args: argparse.Namespace, clock: Clock) -> None:
    """What the command times; its arguments are the command's."""
    pixels, words = args.fixed
    cases = list(dict.fromkeys([*((p, words) for p in args.pixels), *((pixels, w) for w in args.words)]))
    rows, results = {}, {}
    # The largest first: glibc gives memory of a size that it has not yet seen freed back to the system, and
    # fetching it again page by page would double the time of all but the last.
    for case in tqdm(sorted(cases, reverse=True), disable=None):
        ssm, attention = clock.alternate(*(layer_call(name, *case) for name in LAYERS))
        memory = [peak_memory(name, *case) for name in LAYERS]
        results[case] = ssm, attention, *memory
        cells = [
            milliseconds(ssm),
            milliseconds(attention),
            f"{ssm / attention:.2f}",
            f"{1e9 * ssm / case[0]:.0f}",
        ]
        rows[case] = [*map(str, case), *cells, *(f"{m:.1f}" for m in memory)]
    header = ("pixels", "words", "SSM ms", "attention ms", "SSM / attention", "SSM ns a pixel", "SSM MB",
              "attention MB")  # fmt: skip
    by_pixels, by_words = [(p, words) for p in args.pixels], [(pixels, w) for w in args.words]
    title = f"{machine(clock)}; width {DIM}, one sentence"
    fits = [
        f"SSM by {unit}s: {line_through([c[i] for c in of], [results[c][0] for c in of], unit)}"
        for i, (unit, of) in enumerate((("pixel", by_pixels), ("word", by_words)))
    ]
    write_table(args.output / "fusion.md", "\n".join([title, *fits]), header, [rows[c] for c in cases])
    figure, axes = new_plot(f"Fusion of width {DIM}, one sentence", "", "ms", 3)
    for ax, lines, i, first in (
        (axes[0], by_pixels, 0, 0),
        (axes[1], by_words, 1, 0),
        (axes[2], by_pixels, 0, 2),
    ):
        for k, name in enumerate(LAYERS):
            values = [results[c][first + k] * (1 if first else 1000) for c in lines]
            ax.plot([c[i] for c in lines], values, "o-", label=name)
        ax.set_xlabel(f"pixels, {words} words" if i == 0 else f"words, {pixels} pixels")
        ax.set_ylim(bottom=0)
        ax.legend()
    axes[2].set_ylabel("MB")
    figure.savefig(args.output / "fusion.png", dpi=110)


def line_through(sizes: list[int], seconds: list[float], unit: str) -> str:
    """The straight line nearest to the times, by relative error, and how far the times are from it."""
    t = np.array(seconds)
    design = np.stack([np.ones(len(t)), np.array(sizes)], 1) / t[:, None]
    start, slope = np.linalg.lstsq(design, np.ones(len(t)), rcond=None)[0]
    error = np.abs(design @ [start, slope] - 1).max()
    return f"{1e3 * start:.2f} ms + {1e9 * slope:.1f} ns a {unit}, within {100 * error:.0f} %"


def layer_call(name: str, pixels: int, words: int) -> Callable[[], Tensor]:
    """A forward pass of a layer for one sentence on one map, four times as wide as high."""
    torch.manual_seed(0)
    extra = {"SSM": (STATE, HEADS), "attention": (HEADS,)}[name]
    layer = LAYERS[name](DIM, DIM, DIM, *extra).eval()
    height = max(1, round((pixels / 4) ** 0.5))
    visual = torch.randn(1, DIM, height, pixels // height).contiguous(memory_format=torch.channels_last)
    text, mask = torch.randn(1, words, DIM), torch.ones(1, words, dtype=torch.bool)
    owner = torch.zeros(1, dtype=torch.long)
    return lambda: layer(visual, text, mask, owner)


def peak_memory(name: str, pixels: int, words: int) -> float:
    """MB that a forward pass takes beyond its inputs: the least of some, the rest is the allocator's."""
    call = layer_call(name, pixels, words)
    call()  # builds the kernels
    taken = []
    for _ in range(5):
        before = reset_peak()
        call()
        taken.append(peak_megabytes() - before)
    return min(taken)
