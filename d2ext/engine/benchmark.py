"""Benchmarks: timing in turns, inputs of noise, and results as a Markdown table and a plot."""

from __future__ import annotations

import argparse
import ctypes
import gc
import multiprocessing
import platform
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch

from d2ext.files import write_bytes
from d2ext.structures import Camera


@dataclass(frozen=True)
class Clock:
    """How often things are timed, and by which clock.

    Attributes:
        repeats: runs of which the median is taken.
        cpu: processor time over the number of threads in place of wall time: on a CPU that other programs
            share it shows what an idle machine would take.
        warmup: runs before them that do not count; a GPU needs a few to choose its kernels.
    """

    repeats: int
    cpu: bool = False
    warmup: int = 1

    def now(self) -> float:
        """Seconds, after all work of the GPU is done."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return time.process_time() / torch.get_num_threads() if self.cpu else time.perf_counter()

    def alternate(self, *functions: Callable[[], object]) -> list[float]:
        """Median seconds of each function; they take turns, after ``warmup`` runs each."""
        times: list[list[float]] = [[] for _ in functions]
        for turn in range(-self.warmup, self.repeats):
            for i, function in enumerate(functions):
                start = self.now()
                function()
                if turn >= 0:
                    times[i].append(self.now() - start)
        gc.collect()
        return [median(t) for t in times]


def run_benchmark(run: Callable[[argparse.Namespace, Clock], None], args: argparse.Namespace) -> None:
    """Call ``run`` with the clock of arguments of :func:`d2ext_cli.benchmarks.timing_arguments`."""
    args.output.mkdir(parents=True, exist_ok=True)
    run(args, Clock(args.repeats, args.cpu_time))


def noise_record(size: tuple[int, int]) -> dict[str, Any]:
    """A mapper's output for inference: noise of ``size`` (height, width), a camera and the ground."""
    height, width = size
    P = torch.tensor([[720.0, 0, width / 2, 44], [0, 720, height / 2, 0.2], [0, 0, 1, 0.003]])
    return {
        "image": torch.randint(0, 255, (3, height, width), dtype=torch.uint8),
        "camera": Camera(P, size),
        "ground_plane": torch.tensor([0.0, -1.0, 0.0, 1.65]),
        "box_plane": None,
        "height": height,
        "width": width,
    }


def dtype_name(dtype: torch.dtype) -> str:
    """As config keys write it."""
    return str(dtype).removeprefix("torch.")


def fresh_process(function: Callable[..., Any], *args: Any) -> Any:
    """``function(*args)`` in a process of its own, whose peak memory is its own too."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *args).result()


def reset_peak() -> float:
    """Let :func:`peak_megabytes` begin anew; returns the megabytes held now."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated() / 2**20
    ctypes.CDLL(None).malloc_trim(0)  # what was freed goes back, so that it counts when it is taken again
    Path("/proc/self/clear_refs").write_text("5")
    return peak_megabytes()


def peak_megabytes() -> float:
    """Most memory that this process has held since :func:`reset_peak` (Linux with glibc, or on the GPU)."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) / 1024


def milliseconds(seconds: float) -> str:
    """With a decimal below a second."""
    return f"{1000 * seconds:.1f}" if seconds < 1 else f"{1000 * seconds:.0f}"


def machine(clock: Clock) -> str:
    """One line on what the figures hold for."""
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ", no GPU"
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = info.read_text().splitlines()
        name = next((line.split(":")[1].strip() for line in lines if "model name" in line), name)
    how = "processor time per thread" if clock.cpu else "wall time"
    return (
        f"{name}, {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}{gpu}, "
        f"torch {torch.__version__}; median of {clock.repeats}, {how}"
    )


def write_table(path: Path, title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a Markdown table under its title and write it to ``path``."""
    lines = [title, "", "| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    text = "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])
    write_bytes(path, (text + "\n").encode())
    print(text + "\n", flush=True)


def new_plot(title: str, xlabel: str, ylabel: str, columns: int = 1) -> tuple[Any, Any]:
    """A figure without a display, and its axes."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, columns, figsize=(5 * columns, 3.6), squeeze=False, layout="constrained")
    figure.suptitle(title)
    for ax in axes[0]:
        ax.set_xlabel(xlabel)
        ax.set_ylabel(ylabel)
        ax.grid(alpha=0.3)
    return figure, axes[0]
