"""How good a run on a rendered clip is: tracks, speeds, counts and events against what is true."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from d2ext.data.formats.kitti import read_ground
from d2ext.data.formats.kitti_tracking import read_kitti_tracks
from d2ext.data.trajectories import Tracks, lane_flow, read_labels, read_tracks
from d2ext.evaluation import FramePairs, pair_frames, tracking_figures

from .counts import lane_length
from .outputs import BOXES, COUNTS, EVENTS, TRACKS

#: m along the lane within which a row is that of a true vehicle.
_NEAR = 3.0
#: s by which an event may miss the labelled time.
_SLACK = 2.0


@dataclass(frozen=True)
class Clip:
    """The files of a clip of ``python -m d2ext.data.synthroad --video``.

    Attributes:
        root: folder of the clips.
        name: such as "0003".
    """

    root: Path
    name: str

    def file(self, kind: str, suffix: str = ".txt") -> Path:
        """Such as ``label_02``."""
        return self.root / "kitti_tracking/training" / kind / f"{self.name}{suffix}"

    @property
    def pictures(self) -> Path:
        """The folder of its pictures."""
        return self.file("image_02", "")

    def recording(self) -> Path:
        """Its traffic as TrajAD reads it.

        Raises:
            FileNotFoundError: there is none.
        """
        for split in ("test", "train"):
            path = self.root / "trajectories" / split / f"{self.name}.csv"
            if path.is_file():
                return path
        raise FileNotFoundError(f"{path}: no such recording")


def find_clips(root: Path) -> list[Clip]:
    """Those that are complete, by name.

    Raises:
        FileNotFoundError: there are none.
    """
    names = sorted(path.stem for path in (root / "kitti_tracking/training/label_02").glob("*.txt"))
    if not names:
        raise FileNotFoundError(f"{root}: expected clips of `python -m d2ext.data.synthroad --video`")
    return [Clip(root, name) for name in names]


@dataclass
class Measured:
    """What is summed over the clips of one way of running the chain."""

    pairs: list[list[FramePairs]] = field(default_factory=list)
    speed_errors: list[float] = field(default_factory=list)
    counted: int = 0
    passed: int = 0
    hits: int = 0
    right_kind: int = 0
    missed: int = 0
    false: int = 0
    false_normal: int = 0
    normal_seconds: float = 0.0
    delays: list[float] = field(default_factory=list)
    pictures: int = 0
    seconds: float = 0.0

    def add(self, clip: Clip, folder: Path, share: float, farthest: float) -> None:
        """A clip and what the chain wrote of it.

        Args:
            share: ``COUNT_LINE``.
            farthest: m, beyond which boxes do not count.
        """
        ground = read_ground(clip.file("denorm"))
        frames = len(list(clip.pictures.iterdir()))
        truth = read_kitti_tracks(clip.file("label_02"), frames=frames, ground=ground)
        found = read_kitti_tracks(folder / BOXES, frames=frames, ground=ground)
        self.pairs.append(pair_frames(truth, found, "iou3d", None, farthest))
        whole = read_tracks(clip.recording())
        rows = list(csv.reader((folder / TRACKS).read_text().splitlines()))[1:]
        self.speed_errors += speed_errors(whole, rows)
        self.passed += passages(whole, clip, share)
        counts = list(csv.reader((folder / COUNTS).read_text().splitlines()))[1:]
        self.counted += sum(int(row[2]) for row in counts)
        text = (folder / EVENTS).read_text().splitlines()
        self.add_events([json.loads(line) for line in text], clip, frames / 10)

    def add_events(self, rows: Sequence[dict[str, Any]], clip: Clip, seconds: float) -> None:
        """Alarms against labels: one is right within ``_SLACK`` of a labelled time, whoever raised it."""
        labels = read_labels(clip.recording().with_suffix(".json"))
        ends = {row["id"]: row["end"] for row in rows if row["state"] == "over"}
        alarms = [row for row in rows if row["state"] == "raised"]
        right = set()
        for label in labels:
            start = min(i.start for i in label.intervals)
            end = max(i.end for i in label.intervals)
            own = [
                a for a in alarms
                if a["start"] <= end + _SLACK and (ends.get(a["id"]) or seconds) >= start - _SLACK
            ]  # fmt: skip
            right |= {a["id"] for a in own}
            self.hits += bool(own)
            self.missed += not own
            self.right_kind += any(a["kind"] == label.kind for a in own)
            if own:
                self.delays.append(max(0.0, min(a["raised"] for a in own) - start))
        false = sum(a["id"] not in right for a in alarms)
        self.false += false
        if not labels:
            self.false_normal += false
            self.normal_seconds += seconds

    def table(self) -> dict[str, float]:
        """In per cent, m/s, s, and pictures a second."""
        tracks = tracking_figures(self.pairs)
        out = {name: tracks[name] for name in ("HOTA", "IDF1", "MOTA", "IDSW")}
        out["speed MAE"] = float(np.mean(self.speed_errors)) if self.speed_errors else float("nan")
        out["count error"] = 100 * abs(self.counted - self.passed) / max(1, self.passed)
        labelled, alarms = self.hits + self.missed, self.hits + self.false
        precision, recall = self.hits / max(1, alarms), self.hits / max(1, labelled)
        out["event F1"] = 200 * precision * recall / max(precision + recall, 1e-9)
        out["recall"], out["right kind"] = 100 * recall, 100 * self.right_kind / max(1, labelled)
        hours = self.normal_seconds / 3600
        out["false an hour"] = self.false_normal / hours if hours else float("nan")
        out["delay"] = float(np.median(self.delays)) if self.delays else float("nan")
        out["pictures/s"] = self.pictures / self.seconds if self.seconds else float("nan")
        return out


def speed_errors(truth: Tracks, rows: Sequence[Sequence[str]]) -> list[float]:
    """|difference| in m/s of each row (of TRACKS) and the true vehicle that is nearest to it in its lane at
    its time, where one is within 3 m."""
    at: dict[tuple[int, str], list[int]] = {}
    for i, (time, lane) in enumerate(zip(truth.time.tolist(), truth.lane.tolist(), strict=True)):
        at.setdefault((round(time * 1000), lane), []).append(i)
    errors = []
    for _, time, lane, position, speed in rows:
        near = at.get((round(float(time) * 1000), lane), [])
        apart = [abs(truth.position[i] - float(position)) for i in near]
        if apart and min(apart) <= _NEAR:
            errors.append(abs(float(truth.speed[near[int(np.argmin(apart))]]) - float(speed)))
    return errors


def passages(truth: Tracks, clip: Clip, share: float) -> int:
    """True vehicles that pass the place where vehicles are counted."""
    lanes = json.loads(clip.file("road", ".json").read_text())["lanes"]
    total = 0
    for name, line in lanes.items():
        flows = lane_flow(truth, share * lane_length(np.array(line)))
        total += sum(flow.vehicles for flow in flows if flow.lane == name)
    return total
