"""Writing the SynthTraffic benchmark; the same settings give the same bytes.

Layout: ``trajectories/<split>/<number>.csv`` and ``.json`` (labels), and the graphs in the MVTec-AD layout,
``mvtec_ad/arterial/{train/good, validation/good, test/<kind>, ground_truth/<kind>}``.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from d2ext.data.synthesis import claim, run_jobs, write_settings
from d2ext.data.synthtraffic.anomalies import KINDS
from d2ext.data.synthtraffic.simulate import GOOD, simulate
from d2ext.data.synthtraffic.world import DURATION, LANES, SECTION, SPEED_LIMIT
from d2ext.data.trajectories import (
    GraphSpec,
    LabelledAnomaly,
    SpaceTimeRenderer,
    anomaly_mask,
    labels_to_json,
    tracks_to_csv,
)
from d2ext.files import write_bytes

VERSION = 1
CATEGORY = "arterial"
#: Splits, and their names in the MVTec-AD layout (a validation split as in MVTec LOCO AD).
SPLITS = {"train": "train", "val": "validation", "test": "test"}
#: The graphs that are written: 256 x 256 pixels.
SPEC = GraphSpec(
    tuple(map(str, LANES)), 0.0, SECTION, seconds_per_pixel=0.5, metres_per_pixel=3.0, top_speed=SPEED_LIMIT
)
_SETTINGS_FILE = "synthtraffic.json"


@dataclass(frozen=True)
class Settings:
    """What the bytes of a benchmark depend on. num_*: recordings of each split; half of the test is
    normal."""

    seed: int
    num_train: int
    num_val: int
    num_test: int
    version: int = VERSION

    def __post_init__(self) -> None:
        counts = (self.num_train, self.num_val, self.num_test)
        if self.seed < 0:
            raise ValueError(f"seed must not be negative, got {self.seed}")
        if min(counts) < 0 or not sum(counts):
            found = ", ".join(map(str, counts))
            raise ValueError(f"numbers of recordings must not be negative, and not all 0, got {found}")


@dataclass(frozen=True)
class Job:
    """One recording to make."""

    split: str
    index: int
    kind: str


def generate(
    root: str | os.PathLike[str],
    seed: int,
    num_train: int,
    num_val: int,
    num_test: int,
    workers: int = 1,
    progress: bool = True,
) -> bool:
    """Simulate SynthTraffic under ``root``; a run that was cut off goes on where it stopped.

    Returns:
        False when the same benchmark is there already.

    Raises:
        ValueError: bad numbers.
        FileExistsError: ``root`` holds anything but a SynthTraffic benchmark of the same settings.
    """
    settings = Settings(seed, num_train, num_val, num_test)
    base, jobs = Path(root), _jobs(settings)
    results = run_jobs(partial(_make, base, seed), jobs, workers)
    if not claim(base, _SETTINGS_FILE, asdict(settings)):
        return False
    for _ in tqdm(results, total=len(jobs), unit="recording", desc="SynthTraffic", disable=not progress):
        pass
    write_settings(base, _SETTINGS_FILE, asdict(settings), complete=True)
    return True


def _jobs(settings: Settings) -> list[Job]:
    counts = (settings.num_train, settings.num_val, settings.num_test)
    jobs = [
        Job(split, i, GOOD)
        for split, count in zip(SPLITS, counts, strict=True)
        if split != "test"
        for i in range(count)
    ]
    kinds = list(KINDS)
    return jobs + [
        Job("test", i, kinds[i // 2 % len(kinds)] if i % 2 else GOOD) for i in range(settings.num_test)
    ]


def _make(base: Path, seed: int, job: Job) -> None:
    """Simulate, draw and write one recording, unless it is there; chance depends on seed, split and index
    only."""
    stem = f"{job.index:06d}"
    recorded = base / "trajectories" / job.split
    label_file = recorded / f"{stem}.json"
    if label_file.exists():
        return
    recording = simulate(job.kind, [seed, list(SPLITS).index(job.split), job.index])
    anomalies = [LabelledAnomaly(job.kind, tuple(recording.intervals))] if recording.intervals else []
    graph = SpaceTimeRenderer(recording.tracks, SPEC).render(0, SPEC.column(DURATION))
    category = base / "mvtec_ad" / CATEGORY
    write_bytes(category / SPLITS[job.split] / job.kind / f"{stem}.png", _png(graph.image))
    if anomalies:
        mask = anomaly_mask(graph, anomalies).astype(np.uint8) * 255
        write_bytes(category / "ground_truth" / job.kind / f"{stem}_mask.png", _png(mask))
    write_bytes(recorded / f"{stem}.csv", tracks_to_csv(recording.tracks))
    # The label file comes last: where it is, the recording is complete.
    write_bytes(label_file, labels_to_json(anomalies, hour=round(recording.hour, 2)))


def _png(image: np.ndarray) -> bytes:
    return cv2.imencode(".png", image)[1].tobytes()
