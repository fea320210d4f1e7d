"""Writing a whole SynthRoad dataset on several processes; the same settings give the same bytes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from itertools import cycle, islice
from pathlib import Path

import numpy as np
from tqdm import tqdm

from d2ext.data.absent import absent_sentence
from d2ext.data.synthesis import claim, run_jobs, write_settings
from d2ext.data.synthroad import refer, sentences_en, sentences_zh, writer
from d2ext.data.synthroad.labels import Frame, make_frame
from d2ext.data.synthroad.layout import CAR, POLE
from d2ext.data.synthroad.writer import SPLITS, FrameRecord, Referral

VERSION = 1
# The sentences of an image take turns among these, beginning with another one in the next image.
LANGUAGES = {"en": (sentences_en,), "zh": (sentences_zh,), "both": (sentences_en, sentences_zh)}
# Share of short sentences; of images of which one sentence has nothing to do with roads.
_BRIEF, _MEANINGLESS = 0.4, 0.4
_SETTINGS_FILE = "synthroad.json"


@dataclass(frozen=True)
class Settings:
    """What the bytes of a dataset depend on. num_*: images per camera in each split."""

    seed: int
    num_train: int
    num_val: int
    num_test: int
    language: str = "en"
    version: int = VERSION

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"seed must not be negative, got {self.seed}")
        if min(self.num_train, self.num_val, self.num_test) < 0 or not sum(self.counts.values()):
            counts = f"{self.num_train}, {self.num_val}, {self.num_test}"
            raise ValueError(f"numbers of images must not be negative, and not all 0, got {counts}")
        if self.language not in LANGUAGES:
            raise ValueError(f"language must be one of {', '.join(LANGUAGES)}, got {self.language!r}")

    @property
    def counts(self) -> dict[str, int]:
        """Images per camera by split."""
        return dict(zip(SPLITS, (self.num_train, self.num_val, self.num_test), strict=True))


@dataclass(frozen=True)
class Job:
    """One frame to make: camera "car" or "pole", its split, its index there, and its file stem."""

    camera: str
    split: str
    index: int
    stem: str


def generate(
    root: str | os.PathLike,
    seed: int,
    num_train: int,
    num_val: int,
    num_test: int,
    workers: int = 1,
    progress: bool = True,
    language: str = "en",
) -> bool:
    """Render SynthRoad under `root`; num_* count images per camera.

    Returns False when the same dataset is already there. Raises ValueError on bad numbers and
    FileExistsError when `root` holds anything but a SynthRoad dataset of the same settings.
    """
    settings = Settings(seed, num_train, num_val, num_test, language)
    base, jobs = Path(root), _jobs(settings)
    results = run_jobs(partial(_make, base, settings), jobs, workers)
    if not claim(base, _SETTINGS_FILE, asdict(settings)):
        return False
    writer.make_folders(base)
    records: dict[str, dict[str, list[FrameRecord]]] = {c.name: {s: [] for s in SPLITS} for c in (CAR, POLE)}
    for job, record in tqdm(results, total=len(jobs), unit="image", desc="SynthRoad", disable=not progress):
        records[job.camera][job.split].append(record)
    writer.write_mono_index(base, records[CAR.name])
    writer.write_rope_index(base, records[POLE.name])
    write_settings(base, _SETTINGS_FILE, asdict(settings), complete=True)
    return True


def _jobs(settings: Settings) -> list[Job]:
    jobs = []
    for camera in (CAR.name, POLE.name):
        number = 0
        for split in SPLITS:
            for index in range(settings.counts[split]):
                stem = f"{number:06d}" if camera == CAR.name else f"synthroad_{number:06d}"
                jobs.append(Job(camera, split, index, stem))
                number += 1
    return jobs


def _make(base: Path, settings: Settings, job: Job) -> tuple[Job, FrameRecord]:
    """Render and write one frame; random numbers depend on seed, camera, split and index only."""
    kind = CAR if job.camera == CAR.name else POLE
    rng = np.random.default_rng([settings.seed, (CAR, POLE).index(kind), SPLITS.index(job.split), job.index])
    frame = make_frame(kind, rng)
    languages = islice(cycle(LANGUAGES[settings.language]), job.index, None)
    view, image = frame.scene.view, frame.rendering.image
    if kind is CAR:
        rows = [writer.kitti_row(label) for label in frame.labels]
        record = FrameRecord(job.stem, frame.labels, rows, _single_referrals(frame, languages, rng))
        writer.write_car_frame(base, job.stem, image, view, rows)
    else:
        rows = [writer.rope_row(label) for label in frame.labels]
        record = FrameRecord(job.stem, frame.labels, rows, _multi_referrals(frame, languages, rng))
        writer.write_pole_frame(base, job.split, image, view, record)
    return job, record


def _single_referrals(frame: Frame, languages: Iterator, rng: np.random.Generator) -> list[Referral]:
    """Four or five different descriptions of each of the referred objects."""
    referrals = []
    low, high = refer.DESCRIPTIONS_PER_OBJECT
    for target in refer.referable(frame.labels, rng):
        texts: dict[str, list[str]] = {}
        wanted = int(rng.integers(low, high + 1))
        for _ in range(2 * wanted):
            brief = rng.random() < _BRIEF
            chosen = refer.single_target(frame.labels, target, rng, brief)
            language = next(languages)
            describe = language.brief_one if brief else language.describe_one
            text = describe(chosen, rng) if chosen else None
            if chosen and text:
                texts.setdefault(text, sorted({predicate.kind for predicate in chosen}))
            if len(texts) == wanted:
                break
        referrals += [Referral(text, [target], kinds) for text, kinds in texts.items()]
    return referrals


def _multi_referrals(frame: Frame, languages: Iterator, rng: np.random.Generator) -> list[Referral]:
    referrals = []
    size = (frame.scene.view.height, frame.scene.view.width)
    for chosen, targets in refer.multi_target(frame.labels, size, rng):
        # One of few or of none may be spoken of in the singular; the number alone tells nothing.
        single = len(targets) <= 1 and rng.random() < (0.6 if targets else 0.4)
        language = next(languages)
        describe = language.brief_all if rng.random() < _BRIEF else language.describe_all
        text = describe(chosen, single, rng)
        if text:
            referrals.append(
                Referral(text, targets, [writer.property_text(predicate) for predicate in chosen])
            )
    if rng.random() < _MEANINGLESS:
        text = absent_sentence(None, rng, chinese=next(languages) is sentences_zh)
        referrals.append(Referral(text, [], []))
    return referrals
