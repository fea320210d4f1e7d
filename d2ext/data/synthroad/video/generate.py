"""Writing clips on several processes; the same settings give the same bytes."""

from __future__ import annotations

import math
import os
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from itertools import cycle, islice
from pathlib import Path

from tqdm import tqdm

from d2ext.data.synthesis import claim, run_jobs, write_settings
from d2ext.data.synthroad.cameras import FAMILIES, POLE
from d2ext.data.synthroad.video import files
from d2ext.data.synthroad.video.clip import LONGEST, make_clip
from d2ext.data.synthroad.video.film import Film
from d2ext.data.synthroad.video.section import RATE
from d2ext.data.synthtraffic.anomalies import KINDS
from d2ext.data.synthtraffic.simulate import GOOD
from d2ext.files import write_bytes

VERSION = 1
SETTINGS_FILE = "synthroad_video.json"
#: Families of cameras on poles.
CAMERAS = tuple(name for name, kind in FAMILIES.items() if not kind.driving)
#: Pictures of one job: what a run that is cut off loses, at most, for each process.
SEGMENT = 10
_WIDTHS = (64, 3840)


@dataclass(frozen=True)
class Settings:
    """What the bytes of a set of clips depend on.

    seconds: of each clip; camera: a family of ``CAMERAS``; anomalies: "none", the share of clips that have
    one (kinds take turns), or kinds, comma-separated, that clips have in turn ("good" for none); width: of
    the pictures, 0 for the camera's own; mp4: each clip as a video file besides; tracks_only: recordings of
    the traffic without pictures.
    """

    seed: int
    clips: int
    seconds: float = 60.0
    camera: str = POLE.name
    anomalies: str = "0.5"
    width: int = 0
    mp4: bool = False
    tracks_only: bool = False
    version: int = VERSION

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"seed must not be negative, got {self.seed}")
        if self.clips < 1:
            raise ValueError(f"clips must be at least 1, got {self.clips}")
        if not 1 <= self.seconds <= LONGEST:
            raise ValueError(f"seconds must be from 1 to {LONGEST}, got {self.seconds:g}")
        if self.camera not in CAMERAS:
            raise ValueError(f"camera must be one of {', '.join(CAMERAS)}, got {self.camera[:40]!r}")
        if self.mp4 and self.tracks_only:
            raise ValueError("tracks_only goes without mp4: there are no pictures")
        if self.width and not _WIDTHS[0] <= self.width <= _WIDTHS[1]:
            raise ValueError(f"width must be from {_WIDTHS[0]} to {_WIDTHS[1]} pixels, got {self.width}")
        object.__setattr__(self, "anomalies", _plain(self.anomalies))

    @property
    def frames(self) -> int:
        """Pictures of a clip."""
        return round(self.seconds * RATE)

    @property
    def kinds(self) -> list[str]:
        """What happens in each clip."""
        if self.anomalies == "none":
            return [GOOD] * self.clips
        if not self.anomalies[0].isdigit():
            return list(islice(cycle(self.anomalies.split(",")), self.clips))
        share, names = float(self.anomalies), cycle(KINDS)
        steps = [math.floor(i * share + 1e-9) for i in range(self.clips + 1)]
        return [next(names) if b > a else GOOD for a, b in zip(steps, steps[1:], strict=False)]

    @property
    def split(self) -> str:
        """Of the recordings: traffic without anomalies is what TrajAD trains on."""
        return "test" if any(kind != GOOD for kind in self.kinds) else "train"


def _plain(anomalies: str) -> str:
    """One way to write the same anomalies.

    Raises:
        ValueError: neither "none", a share nor kinds.
    """
    text = anomalies.strip()
    try:
        share = float(text)
    except ValueError:
        names = [name.strip() for name in text.split(",")]
        unknown = [name for name in names if name not in (GOOD, *KINDS)]
        if text == "none" or set(names) == {GOOD}:
            return "none"
        if unknown:
            raise ValueError(
                f"anomalies must be none, a share from 0 to 1, or some of {GOOD}, {', '.join(KINDS)}, "
                f"got {unknown[0][:40]!r}"
            ) from None
        return ",".join(names)
    if not 0 <= share <= 1:
        raise ValueError(f"anomalies must be a share from 0 to 1, got {share:g}")
    return f"{share:g}" if share else "none"


@dataclass(frozen=True)
class Job:
    """Pictures of a clip: from ``first`` to before ``end``."""

    clip: int
    kind: str
    first: int
    end: int


def generate_video(
    root: str | os.PathLike[str], settings: Settings, workers: int = 1, progress: bool = True
) -> bool:
    """Simulate and draw clips under ``root``; a run that was cut off goes on where it stopped.

    Returns:
        False when the same clips are there already.

    Raises:
        ValueError: bad settings, or a camera that sees too little of a road.
        FileExistsError: ``root`` holds anything but clips of the same settings.
    """
    base, jobs = Path(root), _jobs(settings)
    results = run_jobs(partial(_make, base, settings), jobs, workers, chunk=1)
    if not claim(base, SETTINGS_FILE, asdict(settings)):
        return False
    total, rows = settings.frames * settings.clips, list[str]()
    with tqdm(total=total, unit="picture", desc="SynthRoad video", disable=not progress) as bar:
        for job, text in results:
            bar.update(job.end - job.first)
            if text is not None:
                rows.append(text)
            if job.end == settings.frames and rows:
                if settings.mp4:
                    files.write_video(base, files.name_of(job.clip), settings.frames)
                files.finish(base, files.name_of(job.clip), rows)
                rows = []
    write_settings(base, SETTINGS_FILE, asdict(settings), complete=True)
    return True


def _jobs(settings: Settings) -> list[Job]:
    frames = settings.frames
    step = frames if settings.tracks_only else SEGMENT
    return [
        Job(clip, kind, first, min(first + step, frames))
        for clip, kind in enumerate(settings.kinds)
        for first in range(0, frames, step)
    ]


def _make(base: Path, settings: Settings, job: Job) -> tuple[Job, str | None]:
    """Write the pictures of a job, and give their rows; None where there is nothing to do. Chance depends on
    the seed, the clip and the picture only."""
    name = files.name_of(job.clip)
    done, part = files.label_file(base, name), files.part_file(base, name, job.first)
    if done.exists():
        return job, None
    if part.exists():
        return job, part.read_text()
    film = _film(settings, job.clip, job.kind)
    if job.first == 0:
        files.write_truth(base, name, film, settings.split, camera=not settings.tracks_only)
    if settings.tracks_only:
        return job, None
    rows = []
    for frame in range(job.first, job.end):
        shot = film.shoot(frame)
        files.write_picture(base, name, frame, shot.image)
        rows.append(files.label_rows(shot, frame, film.clip.site.scene.view))
    text = "".join(rows)
    write_bytes(part, text.encode())
    return job, text


@lru_cache(maxsize=1)
def _film(settings: Settings, clip: int, kind: str) -> Film:
    """A clip; its jobs follow one another."""
    seed = [settings.seed, clip]
    return Film(make_clip(FAMILIES[settings.camera], settings.width or None, kind, settings.frames, seed))
