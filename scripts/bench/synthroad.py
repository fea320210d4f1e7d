"""SynthRoad's pictures a second on one core, by camera family, and on what the time is spent."""

from __future__ import annotations

import argparse
import importlib
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import wraps
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

from d2ext.data.image_io import one_thread
from d2ext.data.synthroad import generate
from d2ext.data.synthroad.cameras import FAMILIES
from d2ext.engine.benchmark import Clock, machine, write_table

# Pictures in one run, and per layout before the first.
_COUNT, _WARM = 6, 60
# The stages of a picture, as the modules that call them name them.
_STAGES: Mapping[str, Sequence[tuple[str, str]]] = {
    "ground, sky": [("render", "draw_background")],
    "shadows": [("render", "draw_shadows")],
    "surroundings": [("render", "draw_scenery")],
    "objects": [("render", "draw_objects")],
    "weather": [("render", "apply_weather")],
    "sensor": [("render", "expose")],
    "labels": [("labels", "_make_labels")],
    "sentences": [("generate", "_single_referrals"), ("generate", "_multi_referrals")],
    "files": [("writer", "write_mono_frame"), ("writer", "write_multi_frame")],
}


def run(args: argparse.Namespace, clock: Clock) -> None:
    """What the command times; its arguments are the command's."""
    one_thread()
    # Meshes and textures are made once for a process, and belong to no picture.
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder) / "data", 0, _WARM, 0, 0, progress=False, cameras="all")
    rows = [_family(name, clock) for name in FAMILIES]
    stages = (*_STAGES, "scene and rest")
    header = ("family", "pictures a second", *(f"{stage}, ms" for stage in stages))
    write_table(args.output / "synthroad.md", machine(clock), header, rows)


def _family(name: str, clock: Clock) -> list[str]:
    """Median of runs, each with pictures of its own."""
    seconds: list[float] = []
    spent: list[dict[str, float]] = []
    for seed in range(-clock.warmup, clock.repeats):
        with tempfile.TemporaryDirectory() as folder, stopwatch(clock, _STAGES) as times:
            start = clock.now()
            generate(Path(folder) / "data", abs(seed), _COUNT, 0, 0, progress=False, cameras=name)
            if seed >= 0:
                seconds.append(clock.now() - start)
                spent.append(times)
    total = median(seconds)
    stages = [median(times[stage] for times in spent) for stage in _STAGES]
    stages.append(total - sum(stages))
    return [name, f"{_COUNT / total:.1f}", *(f"{1000 * stage / _COUNT:.0f}" for stage in stages)]


@contextmanager
def stopwatch(clock: Clock, stages: Mapping[str, Sequence[tuple[str, str]]]) -> Iterator[dict[str, float]]:
    """Seconds by stage while it is open; a stage is functions, by module of SynthRoad and name there."""
    times: dict[str, float] = defaultdict(float)

    def timed(function: Callable[..., Any], stage: str) -> Callable[..., Any]:
        @wraps(function)
        def call(*args: Any, **settings: Any) -> Any:
            start = clock.now()
            try:
                return function(*args, **settings)
            finally:
                times[stage] += clock.now() - start

        return call

    with ExitStack() as stack:
        for stage, functions in stages.items():
            for module_name, name in functions:
                module = importlib.import_module(f"d2ext.data.synthroad.{module_name}")
                stack.enter_context(patch.object(module, name, timed(getattr(module, name), stage)))
        yield times
