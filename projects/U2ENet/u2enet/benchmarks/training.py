"""U2ENet's training: a step by sentences an image, its switches, and the loader."""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from detectron2.modeling import build_model
from tqdm import tqdm

from d2ext.data.build import build_grounding_train_loader
from d2ext.data.builtin import register_dataset
from d2ext.engine import training_dtype
from d2ext.engine.benchmark import (
    Clock,
    dtype_name,
    fresh_process,
    machine,
    milliseconds,
    new_plot,
    peak_megabytes,
    reset_peak,
    write_table,
)
from d2ext.engine.precision import autocast
from d2ext.projects.u2enet.benchmarks.inputs import full_size_config, roberta_folder, training_record

DATASET = "benchmark_train"


def run(args: argparse.Namespace, clock: Clock) -> None:
    """What the command times; its arguments are the command's."""
    with tempfile.TemporaryDirectory() as folder:
        # The frozen encoder's features are cached: one layer gives tensors of the same shape sooner.
        text = roberta_folder(Path(folder) / "text", layers=1)
        _by_sentences(args, clock, text)
        _switches(args, clock, text)
        _loader(args, clock, Path(folder) / "synthroad", text)


def _by_sentences(args: argparse.Namespace, clock: Clock, text: str) -> None:
    counts = sorted(set(args.sentences))
    dtype = training_dtype(full_size_config("mono3drefer", text))
    results = fresh_process(training_steps, text, [], dtype, counts, clock)
    first = results[0][0] / counts[0]
    rows = []
    for k, (seconds, memory) in zip(counts, results, strict=True):
        cost = seconds / k / first
        rows.append([str(k), milliseconds(seconds), f"{k / seconds:.2f}", f"{cost:.3f}", f"{memory:.0f}"])
    header = ("sentences", "ms a step", "sentences/s", f"cost of a sentence / with {counts[0]}", "peak MB")
    title = f"{machine(clock)}; one image of 384x1280, {dtype_name(dtype)}, text cached"
    write_table(args.output / "training_sentences.md", title, header, rows)
    figure, (ax,) = new_plot("Training, one image of 384x1280", "sentences an image", "sentences/s")
    ax.plot(counts, [k / s for k, (s, _) in zip(counts, results, strict=True)], "o-")
    ax.set_ylim(bottom=0)
    figure.savefig(args.output / "training_sentences.png", dpi=110)


def _switches(args: argparse.Namespace, clock: Clock, text: str) -> None:
    rows = []
    for amp, checkpoint in tqdm(list(itertools.product((False, True), repeat=2)), disable=None):
        options = ["MODEL.TIMM.CHECKPOINT", str(checkpoint)]
        dtype = torch.bfloat16 if amp else torch.float32
        ((seconds, memory),) = fresh_process(training_steps, text, options, dtype, [10], clock)
        on = [str(amp), str(checkpoint)]
        rows.append([*on, milliseconds(seconds), f"{memory:.0f}"])
    header = ("SOLVER.AMP.ENABLED", "MODEL.TIMM.CHECKPOINT", "ms a step", "peak MB")
    title = f"{machine(clock)}; one image of 384x1280, 10 sentences, text cached"
    write_table(args.output / "training_switches.md", title, header, rows)


def training_steps(
    text: str, options: list[str], dtype: torch.dtype, counts: list[int], clock: Clock
) -> list[tuple[float, float]]:
    """Seconds of forward and backward pass, and MB at the peak, for each number of sentences."""
    cfg = full_size_config("mono3drefer", text, options)
    model = build_model(cfg).train()
    batches = [[training_record(tuple(cfg.INPUT.SIZE), k)] for k in counts]

    def step(batch: list[dict]) -> None:
        with autocast(model.device, dtype):
            losses = model(batch)
        model.zero_grad()
        sum(losses.values()).backward()

    memory = []
    for batch in batches:
        reset_peak()
        step(batch)
        memory.append(peak_megabytes())
    times = clock.alternate(*(lambda b=b: step(b) for b in batches))
    return list(zip(times, memory, strict=True))


def _loader(args: argparse.Namespace, clock: Clock, folder: Path, text: str) -> None:
    """Images of Mono3DRefer's size a second, read and augmented for training."""
    command = [sys.executable, "-m", "d2ext.data.synthroad", "--root", str(folder), "--seed", "0"]
    subprocess.run([*command, "--train", "8", "--val", "1", "--test", "1"], check=True, capture_output=True)
    register_dataset(DATASET, "mono3drefer", folder / "mono3drefer", "train")
    rows = []
    for workers in args.workers:
        options = ["DATALOADER.NUM_WORKERS", str(workers), "DATASETS.TRAIN", f"('{DATASET}',)"]
        loader = iter(build_grounding_train_loader(full_size_config("mono3drefer", text, options)))
        images = len(next(loader))  # the workers are up
        start = Clock(1).now()
        for _ in range(-(-args.images // images)):
            next(loader)
        rows.append([str(workers), f"{images * -(-args.images // images) / (Clock(1).now() - start):.1f}"])
    title = machine(Clock(1))
    write_table(args.output / "training_loader.md", title, ("DATALOADER.NUM_WORKERS", "images/s"), rows)
