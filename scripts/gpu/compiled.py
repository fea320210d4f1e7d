"""What ``torch.compile`` gains in training and inference, in bfloat16 (a smoke test: float32)."""

from __future__ import annotations

import time

from d2ext.engine.benchmark import Clock
from d2ext.modeling.fold import compile_parts

from . import inference, training
from .models import Inference, Training, free_memory, without_kernel
from .part import Task

#: Model, batch size and kind, in order of worth.
CASES = (
    ("U2ENet", 1, "inference"),
    ("U2ENet", 16, "training"),
    ("DiffusionDet3D", 1, "inference"),
    ("DiffusionDet3D", 16, "training"),
)


def run(task: Task) -> None:
    smoke = task.context.smoke
    clock = Clock(1 if smoke else 10, warmup=0 if smoke else 3)
    for kind, header in (("inference", inference.HEADER), ("training", training.HEADER)):
        task.part.table(f"With torch.compile, {kind}; compare with the rows without it", *header)
        for name, size, _ in (case for case in CASES if case[2] == kind):
            if smoke and (name, kind) != ("DiffusionDet3D", "inference"):
                continue  # one compilation shows that it runs
            if task.left() < 15 and not smoke:
                task.part.note(f"no time left for {name}, {kind}")
                continue
            with without_kernel():
                _measure(task, clock, kind, name, size)
            free_memory()


def _measure(task: Task, clock: Clock, kind: str, name: str, size: int) -> None:
    start, precision = time.monotonic(), "float32" if task.context.smoke else "bfloat16"
    if kind == "inference":
        model = Inference(name, task.context, precision, compiled=True)
        how = "3 new sentences" if name == "U2ENet" else ""
        row = inference.inference_row(name, model, precision, size, f"{how} compiled".strip(), clock)
    else:
        trained = Training(name, task.context, precision)
        compile_parts(trained.model)
        row = training.training_row(name, trained, size, "compiled", clock)
    task.part.row(*row)
    task.part.note(f"{name}, {kind}: built, compiled and measured in {time.monotonic() - start:.0f} s")
