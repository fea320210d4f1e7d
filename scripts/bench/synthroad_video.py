"""Pictures of clips a second on one core, by camera family, and on what the time is spent."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from statistics import mean, median

from bench.synthroad import stopwatch
from d2ext.data.image_io import one_thread
from d2ext.data.synthroad.cameras import FAMILIES
from d2ext.data.synthroad.video import files
from d2ext.data.synthroad.video.clip import make_clip
from d2ext.data.synthroad.video.film import Film
from d2ext.engine.benchmark import Clock, machine, write_table

_CAMERAS = ("rope3d", "wide", "highmast")
# Pictures in one run, evenly over a minute of traffic, and before the first.
_COUNT, _WARM, _FRAMES = 20, 3, 600
_STAGES = {
    "ground, sky": [("video.film", "draw_background")],
    "shadows": [("video.film", "draw_shadows")],
    "surroundings": [("video.film", "draw_scenery")],
    "objects": [("video.film", "draw_objects")],
    "weather": [("video.film", "apply_weather")],
    "sensor": [("video.film", "expose")],
    "labels": [("video.files", "label_rows")],
    "files": [("video.files", "write_picture")],
}


def run(args: argparse.Namespace, clock: Clock) -> None:
    """What the command times; its arguments are the command's."""
    one_thread()
    rows = [_family(name, clock) for name in _CAMERAS]
    header = ("family", "objects", "pictures a second", "clip, s", *(f"{stage}, ms" for stage in _STAGES))
    write_table(args.output / "synthroad_video.md", machine(clock), header, rows)


def _family(name: str, clock: Clock) -> list[str]:
    """Median over clips, each with traffic and a road of its own; a clip's start is told apart."""
    seconds: list[float] = []
    starts: list[float] = []
    counts: list[float] = []
    spent: list[dict[str, float]] = []
    for seed in range(max(clock.repeats, 1)):
        start = clock.now()
        film = Film(make_clip(FAMILIES[name], None, "good", _FRAMES, [seed, 0]))
        for frame in range(_WARM):
            film.shoot(frame * _FRAMES // _WARM)
        starts.append(clock.now() - start)
        with tempfile.TemporaryDirectory() as folder, stopwatch(clock, _STAGES) as times:
            start = clock.now()
            counts.append(
                mean(_shoot(film, frame, Path(folder)) for frame in range(0, _FRAMES, _FRAMES // _COUNT))
            )
            seconds.append(clock.now() - start)
        spent.append(times)
    stages = [1000 * median(times[stage] for times in spent) / _COUNT for stage in _STAGES]
    figures = (f"{mean(counts):.0f}", f"{_COUNT / median(seconds):.1f}", f"{median(starts):.1f}")
    return [name, *figures, *(f"{stage:.0f}" for stage in stages)]


def _shoot(film: Film, frame: int, folder: Path) -> int:
    """Draw and write one picture; returns how many objects it has."""
    shot = film.shoot(frame)
    files.write_picture(folder, "0000", frame, shot.image)
    files.label_rows(shot, frame, film.clip.site.scene.view)
    return len(shot.shown)
