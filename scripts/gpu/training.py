"""Full-size training: images and sentences a second and peak memory, by model, precision and batch size."""

from __future__ import annotations

from contextlib import nullcontext

import torch

from d2ext.engine.benchmark import Clock
from d2ext.engine.launch import set_tf32

from .models import (
    TOO_LARGE,
    Training,
    free_memory,
    measure_training,
    precisions,
    without_kernel,
)
from .part import Task

#: Images a second of U2ENet at 384x1280 with 10 sentences an image that this collection aims at on an H100.
TARGET = 60
HEADER = (
    "model", "precision", "batch", "how", "ms a step", "steps/s", "images/s", "sentences/s", "peak MB",
    "target images/s",
)  # fmt: skip
#: Model, precision, batch sizes, and what is special, in order of worth.
CASES = (
    ("U2ENet", "bfloat16", (16, 8, 32, 64), "text cached"),
    ("DiffusionDet3D", "bfloat16", (16, 32), ""),
    ("TrajAD", "bfloat16", (16, 1, 64), ""),
    ("U2ENet", "bfloat16", (16,), "all sentences new"),
    ("U2ENet", "float32", (16,), "text cached, TF32"),
    ("U2ENet", "float16", (16,), "text cached"),
    ("U2ENet", "bfloat16", (16,), "text cached, cudnn.benchmark"),
    ("U2ENet", "bfloat16", (16,), "text cached, mamba-ssm's kernel"),
    ("U2ENet", "float32", (16,), "text cached"),
    ("DiffusionDet3D", "float32", (16,), "TF32"),
    ("TrajAD", "float32", (16,), "TF32"),
)


def run(task: Task) -> None:
    smoke = task.context.smoke
    clock = Clock(1 if smoke else 8, warmup=0 if smoke else 3)
    full = "U2ENet 384x1280 with 10 sentences an image, DiffusionDet3D R50 544x960, TrajAD 256x256"
    whole = "forward, backward and optimizer, batches from memory"
    task.part.table(f"Training: {'tiny' if smoke else full}; {whole}", *HEADER)
    for name, precision, sizes, how in CASES[:3] if smoke else CASES:
        if smoke and name != "TrajAD":
            precision = "float32"  # processors that emulate bfloat16 would take minutes
        if precision in precisions(task.context.device):
            _measure(task, clock, name, precision, (2,) if smoke else sizes, how)


def _measure(task: Task, clock: Clock, name: str, precision: str, sizes: tuple[int, ...], how: str) -> None:
    if task.left() < 12 and not task.context.smoke:
        task.part.note(f"no time left for {name}, {precision}, {how}")
        return
    torch.backends.cudnn.benchmark = "benchmark" in how
    set_tf32("TF32" in how)
    with nullcontext() if "kernel" in how else without_kernel():
        training = Training(name, task.context, precision, fresh_text="new" in how)
        for size in sizes:
            if task.left() < 3 and not task.context.smoke:
                task.part.note(f"no time left for {name}, {precision}, {how}, batch {size}")
                break
            task.part.row(*training_row(name, training, size, how, clock))
            free_memory()


def training_row(name: str, training: Training, size: int, how: str, clock: Clock) -> list[str]:
    """Cells for ``HEADER``."""
    target = str(TARGET) if name == "U2ENet" else ""
    head = [name, training.precision, str(size), how]
    try:
        seconds, memory = measure_training(training, size, clock)
    except torch.OutOfMemoryError:
        return [*head, TOO_LARGE, *["-"] * 4, target]
    rates = [f"{1 / seconds:.2f}", f"{size / seconds:.1f}"]
    said = f"{size * training.sentences / seconds:.0f}" if training.sentences else "-"
    return [*head, f"{1000 * seconds:.1f}", *rates, said, f"{memory:.0f}", target]
