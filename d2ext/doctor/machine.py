"""What this machine computes with, and which models of the zoo are on it."""

from __future__ import annotations

import os

import torch

from d2ext.engine.precision import is_native
from d2ext.weights import resolve
from d2ext_cli.zoo import PREFIX, read_zoo


def machine_lines() -> list[str]:
    """The device that models run on, and whether it has bfloat16 instructions."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    lines = [f"device: {device}, {cores} CPU cores, {torch.get_num_threads()} threads"]
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        lines.append(f"  GPU {index}: {properties.name}, {properties.total_memory / 2**30:.0f} GiB")
    if is_native(torch.bfloat16, device):
        return [*lines, f"bfloat16: native on this {device.upper()}, used where a config leaves it open"]
    return [
        *lines,
        f"bfloat16: not native on this {device.upper()}, float32 is used where a config leaves it open",
    ]


def zoo_lines() -> tuple[list[str], list[str]]:
    """Weights that are there, or can be fetched; and what is wrong with others."""
    there: list[str] = []
    faults: list[str] = []
    for name, entry in read_zoo().items():
        if "weights" not in entry:
            continue
        try:
            there.append(f"{PREFIX}{name}: {resolve(PREFIX + name)}")
        except FileNotFoundError as error:
            (there if "fetch" in entry else faults).append(str(error))
        except ValueError as error:
            faults.append(str(error))
    return there, faults
