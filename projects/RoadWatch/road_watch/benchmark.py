"""What the parts of the chain take, and how its memory grows."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from d2ext.data.given_camera import GivenCamera, GivenGround
from d2ext.data.image_io import read_image
from d2ext.data.trajectories import Road
from d2ext.engine import load_config
from d2ext.engine.benchmark import Clock, machine, peak_megabytes, write_table
from d2ext.structures import Camera
from d2ext.tracking import Detections

from .chain import Watch
from .config import add_road_watch_config
from .drawing import draw_look
from .figures import find_clips
from .outputs import Recorder
from .run import Run
from .setup import Place, make_watch
from .source import Picture

_RATE = 10  # pictures a second
_PICTURES = 12


def run(args: argparse.Namespace, clock: Clock) -> None:
    """What the command measures; its arguments are the command's."""
    cfg = load_config(add_road_watch_config, args.config, ["ROAD_WATCH.OUTPUT.VIDEO_SECONDS", "0.0"])
    if args.clips is not None:
        _time_parts(cfg, args, clock)
    if args.hours is not None:
        _measure_memory(cfg, args, clock)


def _time_parts(cfg: Any, args: argparse.Namespace, clock: Clock) -> None:
    clip = find_clips(args.clips)[0]
    files = sorted(clip.pictures.iterdir())
    middle = len(files) // 2
    images = [read_image(path) for path in files[middle : middle + _PICTURES]]
    height, width = images[0].shape[:2]
    camera, ground = GivenCamera(clip.file("calib")), GivenGround(clip.file("denorm"))
    place = Place(camera, ground, clip.file("road", ".json"))
    watch = make_watch(cfg, place, (height, width))
    for number, image in enumerate(images):
        look = watch.look(image, number, number / _RATE)
    time, image = _Ticks(look.time), images[-1]
    expected = watch.expected(look.time + 1 / _RATE)
    found = watch.finder.find(image, 0, expected)
    with tempfile.TemporaryDirectory() as folder:
        recorder = Recorder(Path(folder), "benchmark", 0.0)
        parts = {
            "detection, warm": lambda: watch.finder.find(image, 0, expected),
            "detection, cold": lambda: watch.finder.find(image, 0, None),
            "tracks": lambda: watch.tracker.update(found, next(time)),
            "annotated picture": lambda: draw_look(image, look, watch),
            "state and files, once a second": lambda: recorder.commit(watch.state(), 0.0),
        }
        seconds = clock.alternate(*parts.values())
    rows = [[name, f"{1000 * s:.1f}"] for name, s in zip(parts, seconds, strict=True)]
    title = f"{machine(clock)}; {width}x{height}, {len(look.tracked)} tracks"
    write_table(args.output / "road_watch.md", title, ("part", "ms"), rows)


class _Ticks:
    """Times that rise."""

    def __init__(self, start: float) -> None:
        self._now = start

    def __next__(self) -> float:
        self._now += 1 / _RATE
        return self._now


class Traffic:
    """Cars that pass one after the other on two lanes, each picture of which is found with a little noise."""

    class_names: Sequence[str] = ("car",)

    def find(self, image: np.ndarray, number: int, expected: np.ndarray | None) -> Detections:
        """As :meth:`.detector.Finder.find`."""
        rng = np.random.default_rng(number)
        along = (number / _RATE * 12.0 + np.arange(12) * 23.0) % 138.0
        seen = along < 90
        count = int(seen.sum())
        place = np.stack([np.where(np.arange(12) % 2, 0.0, 3.5)[seen], 10 + along[seen]], 1)
        place += rng.normal(0, 0.2, (count, 2))
        size = np.tile([1.5, 1.8, 4.5], (count, 1))
        north, flat = np.full(count, np.pi / 2), np.zeros(count)
        return Detections(np.full(count, 0.9), np.zeros(count, np.int64), place, north, size, flat)


class _Simulated:
    """A source without pictures."""

    live, fps = False, float(_RATE)

    def __init__(self, pictures: int) -> None:
        self._pictures = pictures

    def open(self, start: int) -> Any:
        """As :meth:`.source.Folder.open`."""
        for number in range(start, self._pictures):
            yield Picture(number, number / _RATE, _BLANK)


_BLANK = np.zeros((48, 64, 3), np.uint8)


def _measure_memory(cfg: Any, args: argparse.Namespace, clock: Clock) -> None:
    """Peak memory and size of the state after each tenth of the time."""
    lanes = {"1": np.array([[0.0, 5.0], [0.0, 110.0]]), "2": np.array([[3.5, 5.0], [3.5, 110.0]])}
    P = torch.tensor([[60.0, 0, 32, 0], [0, 60.0, 20, 0], [0, 0, 1.0, 0]])
    watch = Watch(cfg, Traffic(), Road(lanes), Camera(P, (48, 64)), (0.0, -1.0, 0.0, 6.0))
    total, rows = round(args.hours * 3600 * _RATE), []

    def seen(look: Any, image: np.ndarray) -> None:
        if (look.number + 1) % max(1, total // 10) == 0:
            hours = (look.number + 1) / _RATE / 3600
            size = len(json.dumps(watch.state())) / 1000
            rows.append([f"{hours:.2f}", f"{peak_megabytes():.1f}", f"{size:.0f}", str(len(watch.tracker))])

    with tempfile.TemporaryDirectory() as folder:
        source: Any = _Simulated(total)
        recorder = Recorder(Path(folder), "benchmark", 0.0)
        tally = Run(cfg, lambda size: watch, source, recorder, seen=seen).go()
    title = f"{machine(clock)}; {tally.pictures} pictures, {tally.pictures / tally.seconds:.0f} a second"
    write_table(args.output / "road_watch_memory.md", title, ("hours", "peak MB", "state kB", "tracks"), rows)
