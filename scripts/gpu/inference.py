"""Latency of one image and throughput of batches, by model and precision."""

from __future__ import annotations

import torch

from d2ext.engine.benchmark import Clock
from d2ext.engine.launch import set_tf32

from .models import TOO_LARGE, Inference, batch, free_memory, precisions, without_kernel
from .part import Task

#: Milliseconds for one image with three new sentences that this collection aims at on an H100.
TARGET = 12
ASKED = 3  # sentences of an image
HEADER = ("model", "precision", "batch", "how", "ms a batch", "ms an image", "images/s", "target ms")
#: Model, batch size, and whether its sentences are new, in order of worth.
CASES = (
    ("U2ENet", 1, "3 new sentences"),
    ("U2ENet", 1, "3 kept sentences"),
    ("U2ENet", 8, "3 new sentences"),
    ("U2ENet", 32, "3 new sentences"),
    ("DiffusionDet3D", 1, ""),
    ("DiffusionDet3D", 8, ""),
    ("DiffusionDet3D", 32, ""),
    ("TrajAD", 1, ""),
    ("TrajAD", 8, ""),
    ("TrajAD", 32, ""),
)


def run(task: Task) -> None:
    smoke = task.context.smoke
    clock = Clock(1 if smoke else 10, warmup=0 if smoke else 3)
    task.part.table("Inference of models folded for it, from images and sentences in memory to answers; "
                    "random weights", *HEADER)  # fmt: skip
    kinds = precisions(task.context.device)
    set_tf32(False)
    # U2ENet in all precisions before any other model.
    for first in (True, False):
        for precision in kinds[:1] if smoke else ("bfloat16", *(k for k in kinds if k != "bfloat16")):
            for name in dict.fromkeys(case[0] for case in CASES if (case[0] == "U2ENet") is first):
                if not smoke or name != "DiffusionDet3D":  # whose turn comes with torch.compile
                    _measure(task, clock, name, precision)


def _measure(task: Task, clock: Clock, name: str, precision: str) -> None:
    smoke = task.context.smoke
    if task.left() < 8 and not smoke:
        task.part.note(f"no time left for {name}, {precision}")
        return
    with without_kernel():
        inference = Inference(name, task.context, precision)
        for _, size, how in (case for case in CASES if case[0] == name and (case[1] == 1 or not smoke)):
            if task.left() < 2 and not smoke:
                task.part.note(f"no time left for {name}, {precision}, batch {size}")
                break
            task.part.row(*inference_row(name, inference, precision, size, how, clock))
            free_memory()


def inference_row(
    name: str, inference: Inference, precision: str, size: int, how: str, clock: Clock
) -> list[str]:
    """Cells for ``HEADER``."""
    target = str(TARGET) if (name, size) == ("U2ENet", 1) and "new" in how else ""
    records = batch(inference.cfg, size, ASKED, training=False)
    try:
        (seconds,) = clock.alternate(inference.call(records, "new" in how))
    except torch.OutOfMemoryError:
        return [name, precision, str(size), how, TOO_LARGE, "-", "-", target]
    cells = [f"{1000 * seconds:.2f}", f"{1000 * seconds / size:.2f}", f"{size / seconds:.1f}"]
    return [name, precision, str(size), how, *cells, target]
