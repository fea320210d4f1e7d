"""The data loader's ceiling: images a second by workers, read and augmented for U2ENet at full size."""

from __future__ import annotations

import os
import time
from pathlib import Path

from d2ext.data.build import build_grounding_train_loader
from d2ext.data.builtin import register_dataset
from d2ext.data.synthroad.generate import generate

from .models import config
from .part import Task

WORKERS = (0, 1, 2, 4, 8, 16)
BATCH = 16
SECONDS = 4.0  # of reading for each number of workers
DATASET = "gpu_check_loader_train"


def run(task: Task) -> None:
    smoke = task.context.smoke
    root = Path(task.context.scratch) / "loader"
    start = time.monotonic()
    cores = os.cpu_count() or 1
    images = 2 if smoke else 3 * cores
    generate(root, 1, images, 0, 1, workers=1 if smoke else cores, progress=False)
    seconds = time.monotonic() - start
    rate = 2 * (images + 1) / seconds
    task.part.note(f"SynthRoad: {rate:.1f} images a second on {1 if smoke else cores} processes")
    register_dataset(DATASET, "mono3drefer", root / "mono3drefer", "train")
    task.part.table(
        f"Data loader, batches of {BATCH}, 384x1280, {cores} cores", "DATALOADER.NUM_WORKERS", "images/s"
    )
    for workers in (0, 1) if smoke else WORKERS:
        if task.left() < 2 * SECONDS and not smoke:
            task.part.note(f"no time left from {workers} workers on")
            break
        task.part.row(workers, f"{images_a_second(task, workers):.1f}")


def images_a_second(task: Task, workers: int) -> float:
    """Once all workers are up and their first batches are out of the way."""
    options = ["DATALOADER.NUM_WORKERS", str(workers), "DATASETS.TRAIN", f"('{DATASET}',)"]
    options += ["SOLVER.IMS_PER_BATCH", str(2 if task.context.smoke else BATCH)]
    loader = iter(build_grounding_train_loader(config("U2ENet", task.context, options, text_layers=1)))
    for _ in range(0 if task.context.smoke else 2 * workers + 1):
        next(loader)
    start, images = time.monotonic(), 0
    while not images or time.monotonic() - start < (0 if task.context.smoke else SECONDS):
        images += len(next(loader))
    return images / (time.monotonic() - start)
