"""Writing a whole SynthRoad dataset on several processes; the same settings give the same bytes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from d2ext.data.absent import absent_sentence
from d2ext.data.synthesis import claim, run_jobs, write_settings
from d2ext.data.synthroad import refer, sentences_en, sentences_zh, writer
from d2ext.data.synthroad.background import load_backdrop
from d2ext.data.synthroad.cameras import DEFAULT, CameraKind, find_cameras, pick_camera
from d2ext.data.synthroad.labels import Frame, make_frame
from d2ext.data.synthroad.writer import SPLITS, FrameRecord, Referral

VERSION = 2
# The sentences of an image take turns among these, beginning with another one in the next image.
LANGUAGES = {"en": (sentences_en,), "zh": (sentences_zh,), "both": (sentences_en, sentences_zh)}
# Share of short sentences; of images of which one sentence has nothing to do with roads.
_BRIEF, _MEANINGLESS = 0.4, 0.4
_SETTINGS_FILE = "synthroad.json"
# Layouts: sentences of one target on level boxes; of several on boxes that stand on the road, and Rope3D's.
MONO, MULTI = "mono3drefer", "monomulti3d"
_LAYOUTS = (MONO, MULTI)


@dataclass(frozen=True)
class Settings:
    """What the bytes of a dataset depend on. num_*: images per layout in each split; cameras: names of
    families as ``find_cameras`` reads them, or "all". background, calib, ground, lanes: files (and lanes) as
    ``load_backdrop`` takes them, in place of cameras."""

    seed: int
    num_train: int
    num_val: int
    num_test: int
    language: str = "en"
    cameras: str = DEFAULT
    background: str = ""
    calib: str = ""
    ground: str = ""
    lanes: str = ""
    version: int = VERSION

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"seed must not be negative, got {self.seed}")
        if min(self.num_train, self.num_val, self.num_test) < 0 or not sum(self.counts.values()):
            counts = f"{self.num_train}, {self.num_val}, {self.num_test}"
            raise ValueError(f"numbers of images must not be negative, and not all 0, got {counts}")
        if self.language not in LANGUAGES:
            raise ValueError(f"language must be one of {', '.join(LANGUAGES)}, got {self.language!r}")
        # One way to write the same cameras, so that the same settings are known again.
        kinds = find_cameras(self.cameras)
        object.__setattr__(self, "cameras", ",".join(kind.name for kind in kinds))

    @property
    def layouts(self) -> list[str]:
        """The layouts that are written."""
        return [MULTI] if self.background else list(self.families)

    def frame(self, layout: str, rng: np.random.Generator) -> Frame:
        """A picture and its labels."""
        if self.background:
            return load_backdrop(self.background, self.calib, self.ground, self.lanes).frame(rng)
        return make_frame(pick_camera(self.families[layout], rng), rng)

    @property
    def families(self) -> dict[str, list[CameraKind]]:
        """Camera families by the layout that they go into; without a layout that has none."""
        kinds = find_cameras(self.cameras)
        by_layout = {
            MONO: [kind for kind in kinds if kind.level],
            MULTI: [kind for kind in kinds if not kind.level],
        }
        return {layout: found for layout, found in by_layout.items() if found}

    @property
    def counts(self) -> dict[str, int]:
        """Images per layout by split."""
        return dict(zip(SPLITS, (self.num_train, self.num_val, self.num_test), strict=True))


@dataclass(frozen=True)
class Job:
    """One frame to make: its layout, its split, its index there, and its file stem."""

    layout: str
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
    cameras: str = DEFAULT,
    backdrop: Mapping[str, Any] | None = None,
) -> bool:
    """Render SynthRoad under `root`; num_* count images per layout, `cameras` names families ("all": the
    mixture for training).

    Families with level boxes go into the layout of Mono3DRefer, the others into those of MonoMulti3D and
    Rope3D; a layout that none goes into is not written. `backdrop`: background, calib, ground and perhaps
    lanes of :class:`Settings`, for objects on a picture of an empty road; in the layouts of MonoMulti3D and
    Rope3D.

    Returns False when the same dataset is already there. Raises ValueError on bad numbers and names and
    FileExistsError when `root` holds anything but a SynthRoad dataset of the same settings.
    """
    settings = Settings(seed, num_train, num_val, num_test, language, cameras, **(backdrop or {}))
    if settings.background:
        settings.frame(MULTI, np.random.default_rng(0))  # what is wrong with the files is said at once
    base, jobs = Path(root), _jobs(settings)
    results = run_jobs(partial(_make, base, settings), jobs, workers)
    if not claim(base, _SETTINGS_FILE, asdict(settings)):
        return False
    layouts = settings.layouts
    writer.make_folders(base, mono=MONO in layouts, multi=MULTI in layouts)
    records: dict[str, dict[str, list[FrameRecord]]] = {name: {s: [] for s in SPLITS} for name in layouts}
    for job, record in tqdm(results, total=len(jobs), unit="image", desc="SynthRoad", disable=not progress):
        records[job.layout][job.split].append(record)
    if MONO in records:
        writer.write_mono_index(base, records[MONO])
        writer.write_looks(base / MONO, records[MONO])
    if MULTI in records:
        writer.write_rope_index(base, records[MULTI])
        for layout in (MULTI, "rope3d"):
            writer.write_looks(base / layout, records[MULTI])
    write_settings(base, _SETTINGS_FILE, asdict(settings), complete=True)
    return True


def _jobs(settings: Settings) -> list[Job]:
    jobs = []
    for layout in settings.layouts:
        number = 0
        for split in SPLITS:
            for index in range(settings.counts[split]):
                stem = f"{number:06d}" if layout == MONO else f"synthroad_{number:06d}"
                jobs.append(Job(layout, split, index, stem))
                number += 1
    return jobs


def _make(base: Path, settings: Settings, job: Job) -> tuple[Job, FrameRecord]:
    """Render and write one frame; random numbers depend on seed, layout, split and index only."""
    place = _LAYOUTS.index(job.layout), SPLITS.index(job.split), job.index
    rng = np.random.default_rng([settings.seed, *place])
    frame = settings.frame(job.layout, rng)
    languages = islice(cycle(LANGUAGES[settings.language]), job.index, None)
    view, image = frame.scene.view, frame.rendering.image
    if job.layout == MONO:
        rows = [writer.kitti_row(label) for label in frame.labels]
        record = FrameRecord(job.stem, frame.labels, rows, _single_referrals(frame, languages, rng))
        writer.write_mono_frame(base, job.stem, image, view, rows)
    else:
        rows = [writer.rope_row(label) for label in frame.labels]
        record = FrameRecord(job.stem, frame.labels, rows, _multi_referrals(frame, languages, rng))
        writer.write_multi_frame(base, job.split, image, view, record)
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
