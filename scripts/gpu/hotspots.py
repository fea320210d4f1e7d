"""Where the time of U2ENet goes: torch.profiler's table, and the lines that make the CPU wait for the GPU."""

from __future__ import annotations

import os
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from .inference import ASKED
from .models import Inference, Training, batch, free_memory, without_kernel
from .part import Task
from .runner import ROOT

STEPS = 3  # profiled; one in a smoke test
TOP = 15  # rows of the table
#: What is counted: a name, and what the names of the profiler's events contain.
COUNTED = (
    ("kernels started", ("cudaLaunchKernel", "cuLaunchKernel")),
    ("waits for the GPU", ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize")),
    ("numbers read back (.item())", ("aten::_local_scalar_dense",)),
    ("copies to the GPU", ("Memcpy HtoD",)),
    ("copies from the GPU", ("Memcpy DtoH",)),
    ("copies on the GPU", ("Memcpy DtoD",)),
)


def run(task: Task) -> None:
    smoke = task.context.smoke
    precision = "float32" if smoke else "bfloat16"
    with without_kernel():
        name = "TrajAD" if smoke else "U2ENet"
        training = Training(name, task.context, precision)
        size = 2 if smoke else 16
        with training.steps(size) as step:
            _look(task, f"{name}, {precision}, training step, batch {size}", step)
        del training
        free_memory()
        if smoke or task.left() < 8:
            return
        inference = Inference("U2ENet", task.context, precision)
        records = batch(inference.cfg, 1, ASKED, training=False)
        _look(task, f"{name}, {precision}, one image with {ASKED} new sentences", inference.call(records))


def _look(task: Task, what: str, step: Callable[[], object]) -> None:
    for _ in range(0 if task.context.smoke else 5):
        step()
    steps = 1 if task.context.smoke else STEPS
    with _waits(task.context.device) as lines:
        step()
        synchronize(task.context.device)
    activities = [ProfilerActivity.CPU, *[ProfilerActivity.CUDA] * (task.context.device == "cuda")]
    with profile(activities=activities) as profiler:
        for _ in range(steps):
            step()
        synchronize(task.context.device)
    events = profiler.key_averages()
    _write(task, what, events, steps)
    part = task.part
    part.table(f"{what}: lines that wait for the GPU", "line", "times a step")
    for line, count in lines.most_common():
        part.row(line, count)


def _write(task: Task, what: str, events: Any, steps: int) -> None:
    part = task.part
    part.table(f"{what}: counts", "what", "times a step")
    for name, words in COUNTED:
        count = sum(e.count for e in events if any(word in e.key for word in words))
        part.row(name, f"{count / steps:.1f}")
    on_gpu = task.context.device == "cuda"

    def own(event: Any) -> float:
        return event.self_device_time_total if on_gpu else event.self_cpu_time_total

    total = sum(own(e) for e in events) or 1.0
    part.table(f"{what}: {total / steps / 1000:.1f} ms of {'GPU' if on_gpu else 'CPU'} time", "what",
               "calls a step", "ms a step", "share")  # fmt: skip
    for event in sorted(events, key=own, reverse=True)[:TOP]:
        name = event.key.replace("|", "/")[:90]
        ms = own(event) / steps / 1000
        part.row(name, f"{event.count / steps:.1f}", f"{ms:.2f}", f"{own(event) / total:.1%}")


@contextmanager
def _waits(device: str) -> Iterator[Counter[str]]:
    """Counts the lines of this repository below which PyTorch reports a wait for the GPU."""
    lines: Counter[str] = Counter()

    def count(message: Any, *_: Any, **__: Any) -> None:
        if "synchroniz" not in str(message):
            return
        for frame in reversed(traceback.extract_stack()):
            path = os.path.relpath(frame.filename, ROOT)
            if path.startswith(("d2ext", "projects")):
                lines[f"{path}:{frame.lineno}"] += 1
                return
        lines["elsewhere"] += 1

    if device != "cuda":
        yield lines
        return
    before = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = count  # catch_warnings puts the old one back
        torch.cuda.set_sync_debug_mode("warn")
        try:
            yield lines
        finally:
            torch.cuda.set_sync_debug_mode(before)


def synchronize(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()
