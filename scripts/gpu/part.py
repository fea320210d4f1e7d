"""Runs one part in this process: ``python -m gpu.part NAME CONTEXT``, as the runner calls it."""

from __future__ import annotations

import importlib
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from .results import Part
from .runner import Context

#: Modules of the parts by name, in order of worth, with the share of the time that each may take.
PARTS = {
    "tests": ("checks", 20.0),
    "kernel": ("kernel", 20.0),
    "training": ("training", 22.0),
    "inference": ("inference", 18.0),
    "hotspots": ("hotspots", 8.0),
    "loader": ("loader", 8.0),
    "compile": ("compiled", 14.0),
    "train": ("train", 0.0),
}
#: Seconds before the runner's limit in which a part begins nothing new.
RESERVE = 4.0


@dataclass
class Task:
    """A part at work.

    Attributes:
        context: what it is run with.
        part: where it writes what it finds.
        end: when it must be done, by ``time.monotonic``.
    """

    context: Context
    part: Part
    end: float

    def left(self) -> float:
        """Seconds left to begin something in."""
        return self.end - time.monotonic() - RESERVE


def run(name: str, context: Context, part: Part) -> None:
    """Run a part and write what it finds to ``part``. Raises whatever the part raises."""
    task = Task(context, part, time.monotonic() + context.seconds)
    import torch

    from d2ext.engine.launch import settle_process

    settle_process()
    if context.device == "cuda":
        properties = torch.cuda.get_device_properties(0)
        part.machine = {
            "card": f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB",
            "CUDA of torch": str(torch.version.cuda),
            "cuDNN": str(torch.backends.cudnn.version()),
        }
        part.save()
    importlib.import_module(f"gpu.{PARTS[name][0]}").run(task)


def main() -> None:
    name, context = sys.argv[1], Context(**json.loads(sys.argv[2]))
    part = Part(name, path=Path(context.scratch) / f"{name}.json")
    part.save()
    run(name, context, part)
    part.save()


if __name__ == "__main__":
    main()
